"""The site's icon, its rights and its generator, as feed readers and browsers find them."""

import io
import json
from importlib.metadata import version
from pathlib import Path

import pytest
from lxml import etree
from PIL import Image

from config.keys import Keys
from config.settings import load_settings
from models.db.database import Database
from models.streams.streams import StreamText, edit_stream
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, SECRET, Person
from web import create_app

A = "{http://www.w3.org/2005/Atom}"
FEED = "/streams/floods/"


def test_the_icon_is_a_square_of_each_size_that_readers_ask_for(reader: Person) -> None:
    for path, size in [
        ("/apple-touch-icon.png", 180),
        ("/icon-64.png", 64),
        ("/icon-144.png", 144),
        ("/icon-512.png", 512),
    ]:
        answer = reader.get(path)
        with Image.open(io.BytesIO(answer.data)) as icon:
            assert (answer.mimetype, icon.format, icon.size) == ("image/png", "PNG", (size, size))
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert (
            reader.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
        )
    with Image.open(io.BytesIO(reader.get("/favicon.ico").data)) as icon:
        assert (icon.format, icon.info["sizes"]) == ("ICO", {(16, 16), (32, 32), (48, 48)})
    assert reader.get("/icon-100000.png").status_code == 404
    page = reader.get("/").text
    assert '<link rel="icon" href="/favicon.ico" sizes="32x32">' in page
    assert '<link rel="apple-touch-icon" href="/apple-touch-icon.png">' in page


@pytest.mark.parametrize("broken", [False, True])
def test_a_logo_is_the_icon_and_one_that_cannot_be_read_is_none(
    tmp_path: Path, db: Database, newsroom: Newsroom, broken: bool
) -> None:
    Image.new("RGB", (300, 100), "#ff0000").save(tmp_path / "logo.png")
    if broken:
        (tmp_path / "logo.png").write_bytes((tmp_path / "logo.png").read_bytes()[:50])
    settings = load_settings(
        data_dir=tmp_path,
        base_url=BASE_URL,
        site_logo=str(tmp_path / "logo.png"),
        site_color="#1b6a3f",
    )
    client = Person(create_app(settings, Keys(SECRET), db, ring=lambda: None).test_client())
    with Image.open(io.BytesIO(client.get("/icon-144.png").data)) as icon:
        middle, top = icon.convert("RGB").getpixel((72, 72)), icon.convert("RGB").getpixel((72, 2))
    assert (middle, top) == ((0x1B, 0x6A, 0x3F) if broken else (255, 0, 0), (255, 255, 255))


def test_every_feed_names_icon_generator_and_page_and_may_be_read_from_anywhere(
    newsroom: Newsroom, reader: Person
) -> None:
    newsroom.post()
    atom = etree.fromstring(reader.get(f"{FEED}atom.xml").data)
    assert atom.findtext(f"{A}icon") == f"{BASE_URL}/icon-144.png"
    assert atom.findtext(f"{A}logo") == f"{BASE_URL}/icon-512.png"
    generator = atom.find(f"{A}generator")
    assert generator is not None
    assert (generator.text, generator.get("version")) == ("Storywire", version("storywire"))
    assert [link.get("rel") for link in atom.iterfind(f"{A}link")] == ["alternate", "self"], (
        "some take the first for the page"
    )
    channel = etree.fromstring(reader.get(f"{FEED}rss.xml").data)[0]
    image = {element.tag: element.text for element in channel.find("image")}  # type: ignore[union-attr]
    size = {"width": "144", "height": "144"}
    assert image == {
        "url": f"{BASE_URL}/icon-144.png",
        "title": channel.findtext("title"),
        "link": channel.findtext("link"),
        **size,
    }
    assert channel.findtext("generator") == f"Storywire {version('storywire')}"
    assert channel.findtext("item/{http://purl.org/dc/elements/1.1/}creator") == "The Courier", (
        "who answers for what has no byline"
    )
    feed = json.loads(reader.get(f"{FEED}feed.json").data)
    assert (feed["icon"], feed["favicon"]) == (
        f"{BASE_URL}/icon-512.png",
        f"{BASE_URL}/icon-64.png",
    )
    picture = newsroom.picture()
    edit_stream(
        newsroom.db,
        newsroom.actor,
        "floods",
        StreamText("The floods", picture=picture, picture_alt="Water"),
    )
    atom = etree.fromstring(reader.get(f"{FEED}atom.xml").data)
    assert atom.findtext(f"{A}logo") == f"{BASE_URL}/media/{picture}.jpg"
    paths = [
        "/atom.xml",
        f"{FEED}rss.xml",
        f"{FEED}feed.json",
        "/opml.xml",
        f"/media/{picture}.jpg",
    ]
    assert {reader.get(path).headers.get("Access-Control-Allow-Origin") for path in paths} == {"*"}
    assert "Access-Control-Allow-Origin" not in reader.get("/").headers


def test_feeds_have_the_imprint_as_rights(tmp_path: Path, db: Database, newsroom: Newsroom) -> None:
    settings = load_settings(
        data_dir=tmp_path, base_url=BASE_URL, site_imprint="The Courier & Co, 1 Quay Street"
    )
    client = Person(create_app(settings, Keys(SECRET), db, ring=lambda: None).test_client())
    assert (
        etree.fromstring(client.get(f"{FEED}atom.xml").data).findtext(f"{A}rights")
        == settings.site_imprint
    )
    assert (
        etree.fromstring(client.get(f"{FEED}rss.xml").data)[0].findtext("copyright")
        == settings.site_imprint
    )
