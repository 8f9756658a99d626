"""The live document of a story."""

import json

import pytest

from feeds.cache.cached_response import FinishedResponse, Rendered
from feeds.cache.live_documents import LiveDocuments
from models import RevisionKind, StreamState
from models.db.database import Database
from models.publishing.revising import Change, retract
from models.streams.streams import set_stream_state
from tests.support.newsroom import Newsroom


def live(db: Database, slug: str = "floods") -> Rendered:
    make = LiveDocuments(db)(f"/streams/{slug}/live.json")
    assert make is not None
    made = make(False)
    assert isinstance(made, Rendered)
    return made


def test_it_lists_published_entries_newest_first_up_to_one_page(
    newsroom: Newsroom, db: Database
) -> None:
    posted = [newsroom.post(title=f"Entry {number}") for number in range(52)]
    gone = posted.pop()
    retract(db, newsroom.actor, gone.uid, gone.version, Change(RevisionKind.RETRACTION))
    newsroom.post(release=None)
    made = live(db)
    found = json.loads(made.render())
    assert found["entries"] == [entry.seq for entry in reversed(posted)][:50]
    assert made.stream == "floods" and made.seq > gone.seq
    assert len(made.render()) < 500


@pytest.mark.parametrize(
    ("state", "ask", "max_age"), [("live", 15, 15), ("quiet", 60, 60), ("ended", 0, 60)]
)
def test_its_poll_interval_equals_its_cache_lifetime(
    state: str, ask: int, max_age: int, newsroom: Newsroom, db: Database
) -> None:
    set_stream_state(db, newsroom.actor, "floods", StreamState(state))
    made = live(db)
    assert json.loads(made.render()) == {"state": state, "ask": ask, "entries": []}
    assert made.cache_control == f"public, max-age={max_age}"


@pytest.mark.parametrize(
    ("state", "status"), [(StreamState.HIDDEN, "404 Not Found"), (StreamState.DELETED, "410 Gone")]
)
def test_there_is_none_of_a_closed_story(
    state: StreamState, status: str, newsroom: Newsroom, db: Database
) -> None:
    set_stream_state(db, newsroom.actor, "floods", state)
    make = LiveDocuments(db)("/streams/floods/live.json")
    assert make is not None
    answer = make(False)
    assert isinstance(answer, FinishedResponse) and answer.status == status
    assert LiveDocuments(db)("/streams/a/b/live.json") is None
