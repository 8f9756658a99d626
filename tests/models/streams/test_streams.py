"""Streams: changed as a whole, by one at a time."""

import pytest

from models import FeedText
from models.db.database import Database
from models.streams.streams import StreamText, edit_stream, find_stream, get_stream, stream_language
from models.text.errors import Conflict, Invalid, NotFound
from tests.support.newsroom import Newsroom


def stored(db: Database, slug: str = "floods") -> tuple[StreamText, int]:
    with db.read() as tx:
        stream = get_stream(tx, slug)
        return StreamText.of(stream), stream.seq


def test_an_edited_stream_has_the_new_values(newsroom: Newsroom) -> None:
    newsroom.stream("drought", contributors=("Ines Valbrook", "Jory Pell"))
    _, before = stored(newsroom.db, "drought")
    text = StreamText(
        "Dry",
        "A dek.",
        "*Words*.",
        ("Jory Pell", "mara-eskelund", "jory-pell"),
        "de",
        "Europe/Kyiv",
        FeedText.SUMMARY,
    )
    edited = edit_stream(newsroom.db, newsroom.actor, "drought", text)
    assert edited.overview_html == "<p><em>Words</em>.</p>"
    assert [person.name for person in edited.contributors] == ["Jory Pell", "mara-eskelund"]
    said, after = stored(newsroom.db, "drought")
    assert said == StreamText(
        "Dry",
        "A dek.",
        "*Words*.",
        ("jory-pell", "mara-eskelund"),
        "de",
        "Europe/Kyiv",
        FeedText.SUMMARY,
    )
    assert after > before, "pages and feeds are made anew"
    edit_stream(newsroom.db, newsroom.actor, "drought", text)
    assert stored(newsroom.db, "drought") == (said, after), (
        "nothing changed, so nothing is made anew"
    )


def test_a_change_of_what_somebody_else_changed_is_refused(newsroom: Newsroom) -> None:
    former, _ = stored(newsroom.db)
    newsroom.post()
    edit_stream(
        newsroom.db, newsroom.actor, "floods", StreamText("Mine"), former=former.fingerprint
    )
    with pytest.raises(Conflict, match="Someone else"):
        edit_stream(
            newsroom.db, newsroom.actor, "floods", StreamText("Yours"), former=former.fingerprint
        )
    with pytest.raises(Invalid, match="Language"):
        edit_stream(
            newsroom.db, newsroom.actor, "floods", StreamText("Yours", language="no such tongue")
        )
    assert stored(newsroom.db)[0].title == "Mine"


@pytest.mark.parametrize("slug", ["floods\x00", "Floods", "../floods", "f" * 9999, ""])
def test_what_can_be_no_address_is_no_story_whichever_the_database(
    slug: str, newsroom: Newsroom, db: Database
) -> None:
    with db.read() as tx:
        assert (find_stream(tx, slug), stream_language(tx, slug)) == (None, None)
        with pytest.raises(NotFound):
            get_stream(tx, slug, public=True)
