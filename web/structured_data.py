"""Structured data of pages for programs: schema.org as JSON-LD, and the locale of Open Graph."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from babel.core import get_global
from flask import current_app, url_for
from markupsafe import Markup

from models.streams.page_queries import EntryPage, StreamPage
from models.tables.media import Picture
from models.tables.people import Contributor
from models.tables.stories import Entry, EntryState, RevisionKind, Stream, StreamState
from models.text.markdown import to_text
from models.text.times import iso_time
from web.context import service
from web.links import contributor_url, entry_url, site_url, stream_url

JsonObject = dict[str, Any]


def data_block(content: JsonObject) -> Markup:
    """The content of a script element, which no text can end (HTML section 13.2.5.4)."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def live_blog(page: StreamPage) -> JsonObject:
    """A stream with the entries of this page."""
    stream = page.stream
    updates = []
    for entry in page.entries:
        if entry.state is EntryState.PUBLISHED:
            updates.append(_update(entry, stream))
    ended_at = None
    if stream.state is StreamState.ENDED:
        ended_at = stream.last_entry_at or stream.changed_at
    return _without_empty(
        {
            "@context": "https://schema.org",
            **_posting("LiveBlogPosting", stream_url(stream.slug), stream.title, stream.dek),
            "inLanguage": stream.language,
            "author": _authors(stream.contributors),
            "datePublished": _time(page.began, stream),
            "dateModified": _time(stream.changed_at, stream),
            "coverageStartTime": _time(page.began, stream),
            "coverageEndTime": _time(ended_at, stream),
            "image": _images([stream.picture] if stream.picture else []),
            "publisher": _publisher(),
            "liveBlogUpdate": updates,
        }
    )


def posting(page: EntryPage) -> JsonObject:
    """An entry with its corrections."""
    stream = page.entry.stream
    corrections = []
    for change in page.history:
        if change.kind is RevisionKind.CORRECTION:
            published = _time(change.at, stream)
            corrections.append(
                {"@type": "CorrectionComment", "text": change.note, "datePublished": published}
            )
    whole = {"@type": "LiveBlogPosting", "url": stream_url(stream.slug), "headline": stream.title}
    return _without_empty(
        {
            "@context": "https://schema.org",
            **_update(page.entry, stream),
            "inLanguage": stream.language,
            "publisher": _publisher(),
            "isPartOf": whole,
            "correction": corrections,
        }
    )


def _update(entry: Entry, stream: Stream) -> JsonObject:
    url = entry_url(stream.slug, entry.uid)
    return _without_empty(
        {
            **_posting("BlogPosting", url, entry.title, entry.dek),
            "articleBody": to_text(entry.body, url) or entry.dek or entry.title,
            "author": _authors(entry.byline),
            "datePublished": _time(entry.published_at, stream),
            "dateModified": _time(entry.updated_at, stream),
            "image": _images(entry_picture.picture for entry_picture in entry.pictures),
            "keywords": [tag.label for tag in entry.tags],
        }
    )


def _posting(kind: str, url: str, title: str, dek: str) -> JsonObject:
    return {"@type": kind, "@id": url, "url": url, "headline": title, "description": dek}


def _authors(contributors: Sequence[Contributor]) -> list[JsonObject]:
    """The contributors, or the publisher if there are none."""
    if not contributors:
        return [{"@id": _publisher_id()}]
    authors = []
    for contributor in contributors:
        url = contributor_url(contributor.slug)
        authors.append({"@type": "Person", "name": contributor.name, "url": url})
    return authors


def _publisher() -> JsonObject:
    logo = current_app.extensions["logo"]
    logo_path = logo.url if logo else url_for("static", filename="mark.svg")
    return {
        "@type": "Organization",
        "@id": _publisher_id(),
        "name": service().settings.site_name,
        "url": site_url("/"),
        "logo": {"@type": "ImageObject", "url": site_url(logo_path)},
    }


def _publisher_id() -> str:
    return site_url("/#publisher")


def _images(pictures: Iterable[Picture]) -> list[JsonObject]:
    images = []
    for picture in pictures:
        file = picture.largest
        size = {"width": file.width, "height": file.height}
        images.append({"@type": "ImageObject", "url": site_url(file.path), **size})
    return images


def _time(time: datetime | None, stream: Stream) -> str | None:
    if time is None:
        return None
    return iso_time(time, stream.timezone)


def _without_empty(fields: JsonObject) -> JsonObject:
    return {name: value for name, value in fields.items() if value}


@cache
def open_graph_locale(language: str) -> str:
    """de_AT for de-AT, and de_DE for de: Open Graph requires a territory."""
    base, *others = language.split("-")
    territory = next((part.upper() for part in others if len(part) == 2), "")
    likely = str(get_global("likely_subtags").get(base.lower(), "")).rpartition("_")[2]
    return "_".join(part for part in (base.lower(), territory or likely) if part)
