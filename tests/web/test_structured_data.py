"""What programs read on a page: schema.org, Open Graph, microformats."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import lxml.html
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Importance, RevisionKind, StreamState
from models.publishing.revising import Change, retract, revise
from models.streams.streams import StreamText, edit_stream, set_stream_state
from models.text.texts import EntryText, PictureText
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, Person
from web.structured_data import data_block, open_graph_locale

STREAM = f"{BASE_URL}/streams/floods"


class Blocks(HTMLParser):
    """The content of each script element, as a browser finds its end."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.elements: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)
        self.found += [""] * (tag == "script")

    def handle_data(self, data: str) -> None:
        if self.elements[-1] == "script":
            self.found[-1] += data


def block(page: str) -> Any:
    (found,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.S)
    return json.loads(found)


def properties(page: str) -> dict[str, str]:
    metas = lxml.html.fromstring(page).xpath("//meta[@property or starts-with(@name, 'twitter:')]")
    return {meta.get("property") or meta.get("name"): meta.get("content") for meta in metas}


@given(
    st.text()
    | st.sampled_from(
        ["</script><script>alert(1)</script>", "<!-- <script>", "]]>", "\u2028", "&lt;/script&gt;"]
    )
)
def test_no_text_of_an_editor_ends_the_block_or_is_lost_in_it(text: str) -> None:
    blocks = Blocks()
    blocks.feed(f"<script>{data_block({'headline': text})}</script><p>")
    blocks.close()
    assert blocks.elements == ["script", "p"]
    assert json.loads(blocks.found[0].removesuffix("</script>")) == {"headline": text}


def test_a_story_is_a_live_blog_with_its_updates(
    newsroom: Newsroom, reader: Person, clock: StandingClock
) -> None:
    picture = PictureText(newsroom.picture(), "A bridge")
    newsroom.stream(
        "floods-2",
        title="Hochwasser",
        language="de-AT",
        timezone="Europe/Vienna",
        dek="Pegel",
        contributors=("Ines Valbrook",),
    )
    first = newsroom.post(
        "floods-2", "Erste", body="Ein **Damm** bricht.", byline=("Þóra Ó",), tags=("Damm",)
    )
    clock.forward(hours=1)
    newsroom.post("floods-2", "Zweite </script>", pictures=(picture,))
    gone = newsroom.post("floods-2", "Falsch")
    retract(newsroom.db, newsroom.actor, gone.uid, gone.version, Change(RevisionKind.RETRACTION))
    page = reader.get("/streams/floods-2").text
    found, url = block(page), f"{BASE_URL}/streams/floods-2"
    assert (found["@type"], found["headline"], found["description"], found["url"]) == (
        "LiveBlogPosting",
        "Hochwasser",
        "Pegel",
        url,
    )
    assert found["coverageStartTime"] == found["datePublished"] == "2026-03-14T09:00:00+01:00"
    assert found["dateModified"] == "2026-03-14T10:00:00+01:00" and "coverageEndTime" not in found
    assert found["author"] == [
        {
            "@type": "Person",
            "name": "Ines Valbrook",
            "url": f"{BASE_URL}/contributors/ines-valbrook",
        }
    ]
    assert (found["publisher"]["name"], found["publisher"]["logo"]["@type"]) == (
        "The Courier",
        "ImageObject",
    )
    second, update = found["liveBlogUpdate"]
    assert update == {
        "@type": "BlogPosting",
        "@id": f"{url}/entries/{first.uid}",
        "url": f"{url}/entries/{first.uid}",
        "headline": "Erste",
        "articleBody": "Ein Damm bricht.",
        "author": [
            {
                "@type": "Person",
                "name": "Þóra Ó",
                "url": f"{BASE_URL}/contributors/%C3%BE%C3%B3ra-%C3%B3",
            }
        ],
        "datePublished": "2026-03-14T09:00:00+01:00",
        "dateModified": "2026-03-14T09:00:00+01:00",
        "keywords": ["Damm"],
    }
    assert second["headline"] == second["articleBody"] == "Zweite </script>"
    assert second["author"] == [{"@id": found["publisher"]["@id"]}]
    with reader.get(second["image"][0]["url"].removeprefix(BASE_URL)) as sent:
        assert sent.status_code == 200
    set_stream_state(newsroom.db, newsroom.actor, "floods-2", StreamState.ENDED)
    assert (
        block(reader.get("/streams/floods-2").text)["coverageEndTime"]
        == "2026-03-14T10:00:00+01:00"
    )


def test_an_entry_has_its_correction_and_its_stream(
    newsroom: Newsroom, reader: Person, clock: StandingClock
) -> None:
    entry = newsroom.post(title="Forty pumps run")
    clock.forward(minutes=5)
    change = Change(RevisionKind.CORRECTION, "Fourteen do.")
    revise(
        newsroom.db,
        newsroom.actor,
        entry.uid,
        entry.version,
        EntryText("Fourteen pumps run"),
        change,
    )
    found = block(reader.get(f"/streams/floods/entries/{entry.uid}").text)
    assert found["correction"] == [
        {
            "@type": "CorrectionComment",
            "text": "Fourteen do.",
            "datePublished": "2026-03-14T08:05:00+00:00",
        }
    ]
    assert found["isPartOf"]["url"] == STREAM
    assert (found["datePublished"], found["dateModified"]) == (
        "2026-03-14T08:00:00+00:00",
        "2026-03-14T08:05:00+00:00",
    )


def test_a_shared_link_shows_title_dek_and_the_picture_of_the_entry_or_else_of_its_story(
    newsroom: Newsroom, reader: Person
) -> None:
    shown = PictureText(newsroom.picture(), "A bridge")
    own = newsroom.post(title='"Six" & more', dek="At Ferry Steps", pictures=(shown,))
    bare = newsroom.post(title="Bare")
    page = properties(reader.get(f"/streams/floods/entries/{own.uid}").text)
    picture = page.pop("og:image")
    assert picture.startswith(f"{BASE_URL}/media/")
    assert page == {
        "og:type": "article", "og:site_name": "The Courier", "og:title": '"Six" & more',
        "og:description": "At Ferry Steps",
        "og:url": f"{STREAM}/entries/{own.uid}", "og:locale": "en_US", "og:image:alt": "A bridge",
        "og:image:width": page["og:image:width"], "og:image:height": page["og:image:height"],
        "twitter:card": "summary_large_image",
        "article:published_time": "2026-03-14T08:00:00+00:00",
        "article:modified_time": "2026-03-14T08:00:00+00:00",
    }  # fmt: skip
    without = properties(reader.get(f"/streams/floods/entries/{bare.uid}").text)
    assert "og:image" not in without and without["twitter:card"] == "summary"
    edit_stream(
        newsroom.db,
        newsroom.actor,
        "floods",
        StreamText("The floods", picture=shown.sha256, picture_alt="The river"),
    )
    for path in ("/streams/floods", f"/streams/floods/entries/{bare.uid}"):
        found = properties(reader.get(path).text)
        assert (found["og:image"], found["og:image:alt"]) == (picture, "The river")
    assert properties(reader.get("/").text)["og:type"] == "website"


@pytest.mark.parametrize(
    ("language", "locale"),
    [("de", "de_DE"), ("de-AT", "de_AT"), ("ar", "ar_EG"), ("zh-Hant-TW", "zh_TW"), ("xx", "xx")],
)
def test_open_graph_is_given_a_territory(language: str, locale: str) -> None:
    assert open_graph_locale(language) == locale


@pytest.mark.parametrize("path", ["/streams/floods", "/streams/floods/entries/{uid}", "/tags/rain"])
def test_entries_are_marked_for_microformats(path: str, newsroom: Newsroom, reader: Person) -> None:
    entry = newsroom.post(
        body="Words.", dek="Dek.", byline=("Jory Pell",), tags=("Rain",), importance=Importance.KEY
    )
    text = EntryText("River rising", "Dek.", "Words.", ("Jory Pell",), ("Rain",))
    revise(
        newsroom.db,
        newsroom.actor,
        entry.uid,
        entry.version,
        text,
        Change(RevisionKind.UPDATE, "More."),
    )
    root = lxml.html.fromstring(reader.get(path.format(uid=entry.uid)).text)
    (marked,) = root.xpath("//*[contains(@class, 'h-entry')]")

    def having(name: str) -> Any:
        return marked.xpath(f".//*[contains(concat(' ', @class, ' '), ' {name} ')]")

    whole = not path.startswith("/tags")
    for name in (
        "p-name",
        "u-url",
        "dt-published",
        "p-author",
        "p-summary",
        *(("e-content", "p-category", "dt-updated") if whole else ()),
    ):
        assert len(having(name)) == 1, name
    assert having("u-url")[0].get("href") == f"/streams/floods/entries/{entry.uid}"
    if whole:
        assert having("e-content")[0].text_content().strip() == "Words."


def test_pages_lead_to_those_beside_them_in_both_directions(
    newsroom: Newsroom, reader: Person
) -> None:
    posted = [newsroom.post(title=f"Entry {number}", tags=("Rain",)) for number in range(160)]

    def rels(path: str) -> dict[str, str]:
        root = lxml.html.fromstring(reader.get(path).text)
        found = {
            link.get("rel"): link.get("href").removeprefix(BASE_URL)
            for link in root.xpath("//nav//a[@rel]")
        }
        heads = {
            link.get("rel"): link.get("href").removeprefix(BASE_URL)
            for link in root.xpath("//head/link[@rel='prev' or @rel='next']")
        }
        assert root.xpath("//link[@rel='canonical']/@href") == [BASE_URL + path]
        assert heads.get("next") == found.get("next")
        assert heads.get("prev") == found.get("prev", found.get("first"))
        return found

    for folder in ("/streams/floods", "/tags/rain"):
        second, third, fourth, first = (
            f"{folder}?before={posted[number].seq}" for number in (110, 60, 10, 50)
        )
        assert rels(folder) == {"next": second, "last": first}
        assert rels(second) == {"first": folder, "next": third, "last": first}
        assert rels(third) == {"first": folder, "prev": second, "next": fourth}
        assert rels(fourth) == {"first": folder, "prev": third}
    entry = lxml.html.fromstring(reader.get(f"/streams/floods/entries/{posted[5].uid}").text)
    beside = {
        link.get("rel"): link.get("href")
        for link in entry.xpath("//head/link[@rel='prev' or @rel='next']")
    }
    assert beside == {
        "prev": f"{STREAM}/entries/{posted[4].uid}",
        "next": f"{STREAM}/entries/{posted[6].uid}",
    }
