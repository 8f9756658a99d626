"""What search engines are told."""

from urllib.robotparser import RobotFileParser

import lxml.etree
import pytest

from models import RevisionKind, StreamState
from models.publishing.revising import Change, retract
from models.streams import sitemap
from models.streams.streams import set_stream_state
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, Person

URL, CHANGED = (
    "{http://www.sitemaps.org/schemas/sitemap/0.9}loc",
    "{http://www.sitemaps.org/schemas/sitemap/0.9}lastmod",
)


def listed(reader: Person, path: str) -> list[str]:
    answer = reader.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "application/xml")
    return [
        element.text.removeprefix(BASE_URL)
        for element in lxml.etree.fromstring(answer.data).iter(URL)
    ]


def test_robots_may_read_pages_and_feeds_and_nothing_behind_a_login_or_a_link_of_a_mail(
    reader: Person,
) -> None:
    rules = RobotFileParser()
    answer = reader.get("/robots.txt")
    rules.parse(answer.text.splitlines())
    for path in (
        "/",
        "/streams/floods",
        "/streams/floods/atom.xml",
        "/streams/floods/live.json",
        "/tags/desk",
        "/static/storywire.css",
    ):
        assert rules.can_fetch("Anybot", path), path
    for path in ("/desk", "/desk/post", "/login", "/p/token", "/u/token", "/search?q=river"):
        assert not rules.can_fetch("Anybot", path), path
    assert rules.site_maps() == [f"{BASE_URL}/sitemap.xml"]
    assert (
        reader.get("/robots.txt", headers={"If-None-Match": answer.headers["ETag"]}).status_code
        == 304
    )


def test_the_sitemap_names_what_is_public_in_parts_that_keep_their_borders(
    newsroom: Newsroom, reader: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitemap, "SEQS_PER_PART", 10)
    newsroom.stream("secret")
    hidden = newsroom.post("secret")
    set_stream_state(newsroom.db, newsroom.actor, "secret", StreamState.HIDDEN)
    posted = [newsroom.post(title=f"Entry {number}") for number in range(15)]
    newsroom.post(release=None)
    gone = posted.pop(3)
    retract(newsroom.db, newsroom.actor, gone.uid, gone.version, Change(RevisionKind.RETRACTION))
    index = listed(reader, "/sitemap.xml")
    assert index[0] == "/sitemap-stories.xml" and listed(reader, index[0]) == [
        "/",
        "/streams/floods",
    ]
    found = [listed(reader, path) for path in index[1:]]
    assert len(found) > 1 and max(map(len, found)) <= 10
    assert [path for part in found for path in part] == [
        f"/streams/floods/entries/{entry.uid}" for entry in posted
    ]
    assert hidden.uid not in str(found)
    before = listed(reader, index[1])
    newsroom.post()
    assert listed(reader, index[1]) == before
    dates = [
        element.text for element in lxml.etree.fromstring(reader.get(index[1]).data).iter(CHANGED)
    ]
    assert set(dates) == {"2026-03-14T08:00:00+00:00"}
    assert reader.get("/sitemap-99999.xml").status_code == 404
