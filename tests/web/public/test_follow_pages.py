"""The ways to follow, as pages, as a file, and behind addresses that people guess."""

from email.utils import parsedate_to_datetime
from urllib.parse import unquote

import lxml.html
import pytest
from lxml import etree

from feeds.document.feed_address import FeedTopic, Flavour, Scope, parse_feed_path
from feeds.document.feed_document import Format
from models import StreamState
from models.streams.streams import set_stream_state
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, Person


@pytest.mark.parametrize(
    ("path", "topic"),
    [("/follow", FeedTopic()), ("/streams/floods/follow", FeedTopic(Scope.STREAM, "floods"))],
)
def test_a_follow_page_lists_every_flavour_in_every_format_as_text_and_as_a_link(
    path: str, topic: FeedTopic, newsroom: Newsroom, reader: Person
) -> None:
    page = reader.get(path)
    root = lxml.html.fromstring(page.text)
    assert root.xpath("//link[@rel='canonical']/@href") == [f"{BASE_URL}{path}"]
    links, shown = (
        root.xpath("//li/a[following-sibling::code]/@href"),
        root.xpath("//li/a/following-sibling::code/text()"),
    )
    assert links[:-1] == shown[:-1] and shown[-1] == f"{BASE_URL}/opml.xml"
    found = [parse_feed_path(unquote(link.removeprefix(BASE_URL))) for link in links[:-1]]
    assert found == [
        (FeedTopic(topic.scope, topic.name, flavour), fmt) for flavour in Flavour for fmt in Format
    ]
    assert root.xpath("//button/@hidden") and len(root.xpath("//button[@data-copy]")) == len(
        root.xpath("//code")
    )
    assert [src.partition("?")[0] for src in root.xpath("//script/@src")] == [
        "/static/follow.js"
    ], "and no script in the page"
    assert not root.xpath("//script/text()")
    with reader.get(root.xpath("//script/@src")[0]) as script:
        assert script.status_code == 200


def test_pages_lead_to_how_to_follow_them(newsroom: Newsroom, reader: Person) -> None:
    uid = newsroom.post().uid
    for path, follow in (
        ("/", "/follow"),
        ("/streams/floods", "/streams/floods/follow"),
        (f"/streams/floods/entries/{uid}", "/streams/floods/follow"),
    ):
        root = lxml.html.fromstring(reader.get(path).text)
        assert follow in root.xpath("//nav[@class='sitenav']/a/@href")
        assert root.xpath("//aside[@id='follow']//p[@class='meta']/a/@href") == [follow]


def test_every_page_names_four_feeds_to_programs_by_four_titles(
    newsroom: Newsroom, reader: Person
) -> None:
    newsroom.post(byline=("Ines",), tags=("Dykes",))
    for path in ("/follow", "/streams/floods/follow", "/tags/dykes", "/contributors/ines"):
        links = lxml.html.fromstring(reader.get(path).text).xpath("//link[@rel='alternate']")
        assert (
            len(links)
            == len({link.get("title") for link in links})
            == len({link.get("href") for link in links})
            == 4
        ), path


def test_readers_import_the_feeds_of_all_stories(newsroom: Newsroom, reader: Person) -> None:
    newsroom.stream("duerre", title="Dürre <im> Osten & Süden", language="de")
    for slug, state in (("secret", StreamState.HIDDEN), ("old", StreamState.ENDED)):
        newsroom.stream(slug)
        set_stream_state(newsroom.db, newsroom.actor, slug, state)
    first = reader.get("/opml.xml")
    assert first.headers["Content-Type"] == "text/x-opml; charset=utf-8"
    assert first.headers["Cache-Control"].startswith("public, max-age=900")
    root = etree.fromstring(first.data)
    assert (root.tag, root.get("version"), root.findtext("head/title")) == (
        "opml",
        "2.0",
        "The Courier",
    )
    assert (root.findtext("head/ownerName"), root.findtext("head/ownerId")) == (
        "The Courier",
        f"{BASE_URL}/",
    )
    assert parsedate_to_datetime(root.findtext("head/dateModified") or "").tzinfo
    outlines = {
        outline.get("text"): dict(outline.attrib) for outline in root.iterfind("body/outline")
    }
    assert set(outlines) == {"The Courier", "The floods", "Dürre <im> Osten & Süden", "Ended"}
    assert next(iter(outlines)) == "The Courier"
    assert outlines["The Courier"]["xmlUrl"] == f"{BASE_URL}/atom.xml"
    assert [outline.get("text") for outline in root.iterfind("body/outline/outline")] == ["The old"]
    assert all(
        parsedate_to_datetime(outline.attrib.pop("created")).tzinfo
        for outline in root.iter("outline")
        if outline.get("type")
    )
    assert parsedate_to_datetime(outlines["The Courier"].pop("created")) == parsedate_to_datetime(
        outlines["Dürre <im> Osten & Süden"].pop("created")
    )
    assert outlines["Dürre <im> Osten & Süden"] == {
        "type": "rss",
        "text": "Dürre <im> Osten & Süden",
        "title": "Dürre <im> Osten & Süden",
        "xmlUrl": f"{BASE_URL}/streams/duerre/atom.xml",
        "htmlUrl": f"{BASE_URL}/streams/duerre",
        "language": "de",
    }
    again = reader.get("/opml.xml", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("folder", ["", "/streams/floods"])
@pytest.mark.parametrize(
    ("guess", "name"),
    [
        ("feed", "atom.xml"),
        ("atom", "atom.xml"),
        ("rss", "rss.xml"),
        ("index.xml", "rss.xml"),
        ("feed.xml", "rss.xml"),
    ],
)
def test_an_address_that_people_guess_leads_to_the_feed(
    folder: str, guess: str, name: str, newsroom: Newsroom, reader: Person
) -> None:
    for slash in ("", "/"):
        moved = reader.client.get(f"{folder}/{guess}{slash}", base_url="https://evil.example")
        assert (moved.status_code, moved.location) == (301, f"{BASE_URL}{folder}/{name}")


def test_a_story_that_is_not_there_is_not_followed(newsroom: Newsroom, reader: Person) -> None:
    for state, status in ((None, 404), (StreamState.HIDDEN, 404), (StreamState.DELETED, 410)):
        slug = "floods" if state else "nothing"
        if state:
            set_stream_state(newsroom.db, newsroom.actor, slug, state)
        for last in ("follow", "feed", "rss", "index.xml", "atom"):
            assert reader.get(f"/streams/{slug}/{last}").status_code == status
