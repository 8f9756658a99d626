"""What readers see."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote, urldefrag

import lxml.html
import pytest

from config.settings import Settings
from feeds.document.feed_address import parse_feed_path
from feeds.document.load import FeedLoader
from models import RevisionKind, Role, StreamState
from models.publishing.posting import Release
from models.publishing.revising import Change, apply_due, retract, revise
from models.streams.contributors import add_contributor
from models.streams.streams import StreamText, edit_stream, set_stream_state
from models.text.texts import EntryText, PictureText
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.picture_files import photo
from tests.support.web_person import BASE_URL, Person

PAGES = [
    "/",
    "/streams/floods",
    "/streams/floods/entries/{uid}",
    "/tags/rain",
    "/contributors/jory-pell",
]


def text(page: str) -> str:
    return " ".join(lxml.html.fromstring(page).text_content().split())


@pytest.mark.parametrize("path", PAGES)
def test_pages_set_no_cookie_and_vary_on_none_even_for_an_editor(
    path: str, newsroom: Newsroom, reader: Person, editor: Person
) -> None:
    path = path.format(uid=newsroom.post(tags=("Rain",), byline=("Jory Pell",)).uid)
    anonymous, logged_in = reader.get(path), editor.get(path)
    assert anonymous.status_code == 200
    assert anonymous.data == logged_in.data
    for page in (anonymous, logged_in):
        assert "Set-Cookie" not in page.headers and page.headers["Vary"] == "Accept-Encoding"
        assert page.headers["Cache-Control"].startswith("public")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_the_reader_has_is_not_sent_again(
    path: str, newsroom: Newsroom, reader: Person
) -> None:
    entry = newsroom.post(tags=("Rain",), byline=("Jory Pell",))
    path = path.format(uid=entry.uid)
    tag = reader.get(path).headers["ETag"]
    again = reader.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    head = reader.client.head(path, base_url=BASE_URL)
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", tag)
    revise(
        newsroom.db,
        newsroom.actor,
        entry.uid,
        entry.version,
        EntryText("River falling", tags=("Rain",), byline=("Jory Pell",)),
        Change(),
    )
    assert reader.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_addresses_come_from_the_settings_and_never_from_the_host(
    newsroom: Newsroom, reader: Person
) -> None:
    uid = newsroom.post().uid
    for path in ("/", "/streams/floods", f"/streams/floods/entries/{uid}"):
        page = reader.client.get(path, base_url="https://evil.example")
        root = lxml.html.fromstring(page.text)
        assert "evil" not in page.text
        assert root.xpath("//link[@rel='canonical']/@href") == [f"{BASE_URL}{path}"]
        feeds = root.xpath("//link[@rel='alternate']")
        folder = BASE_URL + ("" if path == "/" else "/streams/floods")
        assert [link.get("href") for link in feeds] == [
            f"{folder}/{name}" for name in ("atom.xml", "rss.xml", "feed.json", "key/atom.xml")
        ]
        assert len({link.get("title") for link in feeds}) == 4
    moved = reader.client.get(
        f"/streams/floods/entries/{uid}-wrong", base_url="https://evil.example"
    )
    assert moved.location == f"{BASE_URL}/streams/floods/entries/{uid}"


def test_only_the_uid_of_a_permalink_counts(newsroom: Newsroom, reader: Person) -> None:
    uid = newsroom.post(title="Wasser über 6 m!").uid
    newsroom.stream("other")
    right = f"{BASE_URL}/streams/floods/entries/{uid}"
    assert reader.get(f"/streams/floods/entries/{uid}-wasser-über-6-m").status_code == 200
    for wrong in (
        f"/streams/floods/entries/{uid}-something",
        f"/streams/floods/entries/{uid}-",
        f"/streams/other/entries/{uid}",
    ):
        moved = reader.get(wrong)
        assert (moved.status_code, moved.location) == (301, right)


def test_what_is_not_out_is_not_there(
    newsroom: Newsroom, reader: Person, clock: StandingClock
) -> None:
    later = Release(at=clock.now + timedelta(hours=1))
    hidden = [newsroom.post(title="Secret", release=release) for release in (None, later)]
    for entry in hidden:
        assert reader.get(f"/streams/floods/entries/{entry.uid}").status_code == 404
    for path in ("/", "/streams/floods"):
        assert "Secret" not in reader.get(path).text
    out = newsroom.post()
    set_stream_state(newsroom.db, newsroom.actor, "floods", StreamState.HIDDEN)
    assert (
        reader.get("/streams/floods").status_code
        == reader.get(f"/streams/floods/entries/{out.uid}").status_code
        == 404
    )
    assert "The floods" not in reader.get("/").text
    set_stream_state(newsroom.db, newsroom.actor, "floods", StreamState.DELETED)
    assert (
        reader.get("/streams/floods").status_code
        == reader.get(f"/streams/floods/entries/{out.uid}").status_code
        == 410
    )


def test_a_retracted_entry_leaves_its_note_where_it_stood(
    newsroom: Newsroom, reader: Person
) -> None:
    entry = newsroom.post(title="Weir Bridge is closed", body="Nobody may cross.")
    change = Change(RevisionKind.RETRACTION, "It was open all morning.", timedelta(seconds=10))
    retract(newsroom.db, newsroom.actor, entry.uid, entry.version, change)
    page = reader.get(f"/streams/floods/entries/{entry.uid}")
    assert page.status_code == 410
    assert "It was open all morning." in page.text and "Weir Bridge" not in page.text
    stream = reader.get("/streams/floods").text
    assert "Retracted at 08:00. It was open all morning." in text(stream)
    assert "Weir Bridge" not in stream and "0 updates" in stream


def test_an_applied_correction_is_shown_under_its_entry(
    newsroom: Newsroom, reader: Person, clock: StandingClock
) -> None:
    entry = newsroom.post(title="Forty pumps are running")
    clock.forward(minutes=39)
    change = Change(RevisionKind.CORRECTION, "Fourteen are running.", timedelta(seconds=10))
    revision = revise(
        newsroom.db,
        newsroom.actor,
        entry.uid,
        entry.version,
        EntryText("Forty pumps are on their way"),
        change,
    )
    path = f"/streams/floods/entries/{entry.uid}"
    assert "on their way" not in reader.get(path).text, "its undo time runs"
    clock.forward(seconds=11)
    assert apply_due(newsroom.db) == 1
    assert revision.no == 2
    page = text(reader.get(path).text)
    assert "Correction, 08:39. Fourteen are running." in page
    assert "Version history (2)" in page
    assert "<del>running</del> <ins>on their way</ins>" in reader.get("/streams/floods").text


def test_pictures_have_dimensions_descriptions_and_a_srcset(
    newsroom: Newsroom, reader: Person
) -> None:
    wide, small = newsroom.picture(photo(2000, 1000)), newsroom.picture(photo(form="PNG"))
    shown = (
        PictureText(wide, 'A "gauge" <6 m>', "Drawing: Hedda <Voß>"),
        PictureText(small, "A wall"),
    )
    older = newsroom.post(pictures=shown[:1])
    newest = newsroom.post(pictures=shown)
    edit_stream(
        newsroom.db,
        newsroom.actor,
        "floods",
        StreamText("The floods", picture=small, picture_alt="The valley"),
    )
    gauge, wall = (one.alt for one in shown)
    for path, expected, waiting in (
        ("/streams/floods", ["The valley", gauge, wall, gauge], [wall, gauge]),
        (f"/streams/floods/entries/{newest.uid}", [gauge, wall], [wall]),
        (f"/streams/floods/entries/{older.uid}", [gauge], []),
    ):
        root = lxml.html.fromstring(reader.get(path).text)
        images = root.xpath("//figure[@class='picture']/img")
        assert [image.get("alt") for image in images] == expected
        assert [image.get("alt") for image in images if image.get("loading") == "lazy"] == waiting
        lead = next(image for image in images if image.get("alt") == gauge)
        assert (lead.get("width"), lead.get("height"), lead.get("src")) == (
            "1920",
            "960",
            f"/media/{wide}.jpg",
        )
        offered = [part.split() for part in lead.get("srcset").split(", ")]
        assert [width for _, width in offered] == ["480w", "960w", "1920w"] and offered[-1][
            0
        ] == lead.get("src")
        assert all(reader.get(source).status_code == 200 for source, _ in offered)
        assert root.xpath("//figcaption")[0].text == "Drawing: Hedda <Voß>"


def test_a_silent_edit_leaves_no_trace(newsroom: Newsroom, reader: Person) -> None:
    entry = newsroom.post(title="Rivr rising")
    revise(
        newsroom.db,
        newsroom.actor,
        entry.uid,
        entry.version,
        EntryText("River rising"),
        Change(note="A slip."),
    )
    page = reader.get(f"/streams/floods/entries/{entry.uid}").text
    assert "River rising" in page and "Rivr" not in page and "slip" not in page


def test_times_are_those_of_the_story(newsroom: Newsroom, reader: Person) -> None:
    newsroom.stream("kyiv", timezone="Europe/Kyiv", language="ar")
    newsroom.post("kyiv", release=Release(at=datetime(2026, 3, 13, 23, 30, tzinfo=UTC)))
    page = reader.get("/streams/kyiv")
    root = lxml.html.fromstring(page.text)
    assert root.xpath("//section[@class='day']/h2")[0].text_content() == "Saturday 14 March 2026"
    assert root.xpath("//time[@class='dt-published']/@datetime") == ["2026-03-14T01:30:00+02:00"]
    assert "Times in Kyiv (EET)" in page.text
    assert (root.get("lang"), root.get("dir"), root.get("data-words")) == ("ar", "rtl", "ltr"), (
        "our words are English there"
    )


def test_every_entry_of_a_long_stream_is_on_one_of_its_pages(
    newsroom: Newsroom, reader: Person
) -> None:
    for number in range(103):
        newsroom.post(title=f"Entry {number}")
    found, path = [], "/streams/floods"
    for _ in range(3):
        root = lxml.html.fromstring(reader.get(path).text)
        found.append(root.xpath("//article/h3/a/text()"))
        path = (root.xpath("//a[@rel='next']/@href") or [""])[0]
    assert [len(titles) for titles in found] == [50, 50, 3] and path == ""
    assert [title for titles in found for title in titles] == [
        f"Entry {number}" for number in reversed(range(103))
    ]


def test_a_tag_and_a_person_show_what_is_public_of_them_in_all_stories(
    newsroom: Newsroom, reader: Person
) -> None:
    newsroom.stream("drought", title="Drought", contributors=("Þóra Ó",))
    add_contributor(newsroom.db, newsroom.actor, "Þóra Ó", url="https://www.thora.example/")
    newsroom.post(
        "drought", "Wells run dry", byline=("Þóra Ó",), tags=("Überflutung 水",), dek="In the east."
    )
    newsroom.post(
        "floods", "Dyke gives way", byline=("Jory Pell", "Þóra Ó"), tags=("überflutung 水",)
    )
    tag, person = "/tags/überflutung-水", "/contributors/þóra-ó"
    for path in (tag, person):
        page = reader.get(path)
        root = lxml.html.fromstring(page.text)
        assert root.xpath("//article/h3/a/text()") == ["Dyke gives way", "Wells run dry"]
        assert root.xpath("//article/p[@class='meta']/a[1]/text()") == ["The floods", "Drought"]
        assert root.xpath("//article//time/@datetime") == ["2026-03-14T08:00:00+00:00"] * 2
        assert root.xpath("//link[@rel='canonical']/@href") == [BASE_URL + quote(path)]
        assert (
            root.xpath("//link[@rel='alternate']/@href")[0] == f"{BASE_URL}{quote(path)}/atom.xml"
        )
    assert root.xpath("//*[contains(@class, 'h-card')]//a[@class='u-url']/@href") == [
        "https://www.thora.example/"
    ]
    assert root.xpath("//nav//a/text()") == ["Stories", "Follow", "Search", "Drought"], (
        "the story that credits her itself"
    )
    entry = lxml.html.fromstring(reader.get("/streams/floods").text)
    assert [
        unquote(href) for href in entry.xpath("//article//a[@rel='tag' or @rel='author']/@href")
    ] == [
        "/contributors/jory-pell",
        person,
        tag,
    ]
    for slug in ("drought", "floods"):
        set_stream_state(newsroom.db, newsroom.actor, slug, StreamState.HIDDEN)
    for path in (tag, person, "/tags/nothing", "/contributors/nobody", "/tags/%00", "/tags/a_b"):
        assert reader.get(path).status_code == 404, path


def test_a_body_is_clean_html_and_all_else_is_text(newsroom: Newsroom, reader: Person) -> None:
    evil = "<script>alert(1)</script>"
    entry = newsroom.post(
        title=evil,
        dek=evil,
        body=f"{evil} **bold** [x](javascript:alert(1))",
        byline=(evil,),
        tags=(evil,),
        link="https://a.example/?<b>",
    )
    for path in (
        "/",
        "/streams/floods",
        f"/streams/floods/entries/{entry.uid}",
        "/atom.xml",
        "/feed.json",
    ):
        page = reader.get(path).text
        assert evil not in page or path == "/feed.json"
        assert 'href="javascript' not in page
    assert "<strong>bold</strong>" in reader.get("/streams/floods").text


@pytest.mark.parametrize("role", [None, Role.AUTHOR, Role.EDITOR, Role.ADMIN])
def test_every_link_leads_somewhere(
    role: Role | None,
    reader: Person,
    log_in: Callable[[Role], Person],
    newsroom: Newsroom,
    settings: Settings,
) -> None:
    newsroom.stream("quiet-one", contributors=("Ines Valbrook",), overview="Words.")
    for state, slug in ((StreamState.ENDED, "over"), (StreamState.HIDDEN, "secret")):
        newsroom.stream(slug)
        newsroom.post(slug)
        set_stream_state(newsroom.db, newsroom.actor, slug, state)
    kept = newsroom.post(
        tags=("Rain", "Überflutung 水"),
        byline=("Jory Pell", "Þóra Ó"),
        link="https://elsewhere.example/",
    )
    newsroom.post(title="Older")
    newsroom.post(title="Draft", release=None, tags=("Unborn",), byline=("Nobody Yet",))
    gone = newsroom.post(title="Gone")
    retract(newsroom.db, newsroom.actor, gone.uid, gone.version, Change(RevisionKind.RETRACTION))
    person = log_in(role) if role else reader
    todo, seen = (
        [
            "/",
            *(
                ["/desk", f"/desk/entries/{kept.uid}/retract"]
                if role in (Role.EDITOR, Role.ADMIN)
                else ["/desk"]
            ),
        ],
        set(),
    )
    while todo:
        path, fragment = urldefrag(todo.pop().removeprefix(BASE_URL))
        if path in seen or not path.startswith("/"):
            continue
        seen.add(path)
        if found := parse_feed_path(unquote(path)):
            FeedLoader(newsroom.db, settings).load(found[0])
            continue
        page = person.get(path, follow_redirects=True)
        assert page.status_code == (
            410 if path.endswith(gone.uid) and path.startswith("/streams") else 200
        ), path
        if page.mimetype != "text/html":
            page.close()
            continue
        root = lxml.html.fromstring(page.text)
        ids = set(root.xpath("//@id"))
        for href in root.xpath("//@href | //@src"):
            target, fragment = urldefrag(href)
            assert fragment == "" or target != "" or fragment in ids, f"{path} leads to {href}"
            todo.append(target)
    assert len(seen) > 10
