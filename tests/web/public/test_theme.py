"""A site's and a story's accent and logo: readable by day and by night, and nothing inline."""

import re
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from config.colors import DAY_BACKGROUND, NIGHT_BACKGROUND, accent, as_accent, contrast
from config.keys import Keys
from config.settings import load_settings
from models.db.database import Database
from models.streams.streams import StreamText, edit_stream
from tests.support.newsroom import Newsroom
from tests.support.web_person import BASE_URL, SECRET, Person
from web import create_app

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30"><script>alert(1)</script></svg>'


@given(st.integers(0, 0xFFFFFF))
def test_every_colour_that_is_taken_can_be_read_and_every_other_is_answered_by_one_that_is(
    number: int,
) -> None:
    color = f"#{number:06x}"
    try:
        taken = as_accent(color)
    except ValueError as exc:
        taken = as_accent(re.findall(r"#[0-9a-f]{6}", str(exc))[1])
    found = accent(taken)
    for ink, paper, wash, on in zip(
        found.accent, (DAY_BACKGROUND, NIGHT_BACKGROUND), found.wash, found.on_accent, strict=True
    ):
        assert min(contrast(ink, paper), contrast(ink, wash), contrast(on, ink)) >= 4.5


def test_a_storys_colour_is_a_stylesheet_of_its_own_pages_that_caches_may_keep(
    newsroom: Newsroom, reader: Person
) -> None:
    entry = newsroom.post()
    assert "/theme/" not in reader.get("/streams/floods").text
    edit_stream(newsroom.db, newsroom.actor, "floods", StreamText("The floods", color="#0A5BD3"))
    for path in (
        "/streams/floods",
        f"/streams/floods/entries/{entry.uid}",
        "/streams/floods/follow",
    ):
        found = re.search(
            r'<link rel="stylesheet" href="(/theme/0a5bd3\.css\?v=\w+)">', reader.get(path).text
        )
        assert found, path
    answer = reader.get(found[1])
    assert "--accent: light-dark(#0a5bd3, #588fe1);" in answer.text
    assert (answer.mimetype, answer.headers["Cache-Control"]) == (
        "text/css",
        "public, max-age=31536000, immutable",
    )
    assert "/theme/" not in reader.get("/").text
    for none in ("ffe000", "red", "0a5bd3;}"):
        assert reader.get(f"/theme/{none}.css").status_code == 404


@pytest.fixture
def own(tmp_path: Path, db: Database, newsroom: Newsroom) -> Flask:
    """A site with a look of its own."""
    (tmp_path / "logo.svg").write_text(SVG)
    settings = load_settings(
        data_dir=tmp_path,
        base_url=BASE_URL,
        site_color="#1b6a3f",
        site_logo=str(tmp_path / "logo.svg"),
    )
    return create_app(settings, Keys(SECRET), db, ring=lambda: None)


def test_a_site_has_its_own_accent_and_logo_and_the_logo_runs_nothing(
    own: Flask, reader: Person
) -> None:
    page = Person(own.test_client()).get("/").text
    assert "/theme/1b6a3f.css" in page
    found = re.search(r'<img src="(/logo\?v=\w+)" alt="Storywire" width="96" height="32">', page)
    assert found
    answer = Person(own.test_client()).get(found[1])
    assert (answer.text, answer.mimetype) == (SVG, "image/svg+xml")
    assert (
        answer.headers["Content-Security-Policy"]
        == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    )
    assert reader.get("/logo").status_code == 404, "where there is none"
