"""A picture on its way from a file into feeds, as independent readers find it there."""

import json

import feedparser
import lxml.html
import pytest

from config.settings import Settings
from feeds.cache.renderer import Renderer
from feeds.document.feed_address import FeedTopic, Scope
from feeds.document.feed_document import Format
from feeds.document.load import FeedLoader
from models import FeedText
from models.streams.pictures import get_picture_file
from models.streams.streams import StreamText, edit_stream
from models.text.texts import PictureText
from tests.support.picture_files import photo

ALT, CREDIT = 'Brown water & a "gauge" <6 m>', "Drawing: Hedda Voß"


@pytest.fixture
def fed(newsroom):
    """The feed of a story with an entry of two pictures, in a format."""
    loader = FeedLoader(
        newsroom.db,
        Settings(base_url="https://news.example.org", site_name="Courier", site_language="en"),
    )
    names = [newsroom.picture(photo(2000, 1000)), newsroom.picture(photo(form="PNG"))]
    newsroom.post(
        body="Text.", pictures=(PictureText(names[0], ALT, CREDIT), PictureText(names[1], "A wall"))
    )
    with newsroom.db.read() as tx:
        lengths = [
            len(get_picture_file(tx, name, extension).data)
            for name, extension in zip(names, ("jpg", "png"), strict=True)
        ]
    urls = [
        f"https://news.example.org/media/{names[0]}.jpg",
        f"https://news.example.org/media/{names[1]}.png",
    ]
    return (
        lambda fmt: Renderer()(loader.load(FeedTopic(Scope.STREAM, "floods")), fmt),
        urls,
        lengths,
    )


def figures(html):
    found = lxml.html.fromstring(f"<div>{html}</div>").iter("figure")
    return [(figure[0].get("src"), figure[0].get("alt"), figure.text_content()) for figure in found]


@pytest.mark.parametrize("fmt", [Format.ATOM, Format.RSS])
def test_xml_carries_each_picture_with_address_type_length_size_and_words(fed, fmt):
    render, urls, lengths = fed
    (entry,) = feedparser.parse(render(fmt)).entries
    said = [
        (one["url"], one["type"], one["filesize"], one["width"], one["height"])
        for one in entry.media_content
    ]
    assert said == [
        (urls[0], "image/jpeg", str(lengths[0]), "1920", "960"),
        (urls[1], "image/png", str(lengths[1]), "480", "320"),
    ]
    assert entry.media_credit[0]["content"] == CREDIT
    enclosed = [(one["href"], one["type"], one["length"]) for one in entry.enclosures]
    all_ = [(urls[0], "image/jpeg", str(lengths[0])), (urls[1], "image/png", str(lengths[1]))]
    assert enclosed == (all_ if fmt is Format.ATOM else all_[:1])
    assert b'Brown water &amp; a "gauge" &lt;6 m&gt;</media:description>' in render(fmt)
    (content,) = entry.content
    assert figures(content["value"]) == [(urls[0], ALT, CREDIT), (urls[1], "A wall", "")], (
        "few readers show the others elsewhere"
    )
    small = [(one["width"], one["height"]) for one in entry.media_thumbnail]
    assert small == [("480", "240"), ("480", "320")]
    assert entry.summary == "Text.", "and not what the picture shows"


def test_json_carries_the_same(fed):
    render, urls, lengths = fed
    (item,) = json.loads(render(Format.JSON))["items"]
    assert item["image"] == urls[0]
    first = {
        "url": urls[0],
        "mime_type": "image/jpeg",
        "size_in_bytes": lengths[0],
        "title": ALT,
        "_storywire": {"credit": CREDIT},
    }
    assert item["attachments"] == [
        first,
        {"url": urls[1], "mime_type": "image/png", "size_in_bytes": lengths[1], "title": "A wall"},
    ]
    assert figures(item["content_html"]) == [(urls[0], ALT, CREDIT), (urls[1], "A wall", "")]


def test_a_feed_of_summaries_carries_pictures_too(fed, newsroom):
    edit_stream(
        newsroom.db, newsroom.actor, "floods", StreamText("The floods", feed_text=FeedText.SUMMARY)
    )
    render, urls, _ = fed
    (item,) = json.loads(render(Format.JSON))["items"]
    assert item["image"] == urls[0] and len(item["attachments"]) == 2
