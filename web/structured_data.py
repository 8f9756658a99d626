"""What programs read on a page, in schema.org's words: JSON-LD, a block of data that no browser
runs.
"""

import json
from collections.abc import Mapping, Sequence
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

Found = dict[str, Any]


def data_block(found: Found) -> Markup:
    """The content of a script element: nothing in it can end that (HTML section 13.2.5.4), whatever
    an editor wrote.
    """
    return Markup(  # noqa: S704
        json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    )


def live_blog(page: StreamPage) -> Found:
    """A story with the entries of this page."""
    stream = page.stream
    ended = stream.state is StreamState.ENDED
    return _known(
        {"@context": "https://schema.org"}
        | _posting("LiveBlogPosting", stream_url(stream.slug), stream.title, stream.dek, stream)
        | {
            "author": _people(stream.contributors),
            "datePublished": _time(page.began, stream),
            "dateModified": _time(stream.changed_at, stream),
            "coverageStartTime": _time(page.began, stream),
            "coverageEndTime": _time(stream.last_entry_at or stream.changed_at, stream)
            if ended
            else None,
            "image": _pictures([stream.picture] if stream.picture else []),
            "publisher": _publisher(),
            "liveBlogUpdate": [
                _update(entry, stream)
                for entry in page.entries
                if entry.state is EntryState.PUBLISHED
            ],
        }
    )


def posting(page: EntryPage) -> Found:
    """An entry by itself, with the corrections that were made."""
    stream = page.entry.stream
    corrections = [change for change in page.history if change.kind is RevisionKind.CORRECTION]
    told = [
        {"@type": "CorrectionComment", "text": each.note, "datePublished": _time(each.at, stream)}
        for each in corrections
    ]
    whole = {"@type": "LiveBlogPosting", "url": stream_url(stream.slug), "headline": stream.title}
    own = {"@context": "https://schema.org"} | _update(page.entry, stream)
    return _known(
        own
        | {
            "inLanguage": stream.language,
            "publisher": _publisher(),
            "isPartOf": whole,
            "correction": told,
        }
    )


def _update(entry: Entry, stream: Stream) -> Found:
    return _known(
        _posting("BlogPosting", entry_url(stream.slug, entry.uid), entry.title, entry.dek)
        | {
            "articleBody": to_text(entry.body, entry_url(stream.slug, entry.uid))
            or entry.dek
            or entry.title,
            "author": _people(entry.byline),
            "datePublished": _time(entry.published_at, stream),
            "dateModified": _time(entry.updated_at, stream),
            "image": _pictures([shown.picture for shown in entry.pictures]),
            "keywords": [tag.label for tag in entry.tags],
        }
    )


def _posting(kind: str, url: str, title: str, dek: str, stream: Stream | None = None) -> Found:
    return {
        "@type": kind,
        "@id": url,
        "url": url,
        "headline": title,
        "description": dek,
        "inLanguage": stream and stream.language,
    }


def _people(persons: Sequence[Contributor]) -> Sequence[Found]:
    """Whoever is credited, else the house."""
    return [
        {"@type": "Person", "name": who.name, "url": contributor_url(who.slug)} for who in persons
    ] or [{"@id": _house()}]


def _publisher() -> Found:
    own = current_app.extensions["logo"]
    logo = {
        "@type": "ImageObject",
        "url": site_url(own.url if own else url_for("static", filename="mark.svg")),
    }
    return {
        "@type": "Organization",
        "@id": _house(),
        "name": service().settings.site_name,
        "url": site_url("/"),
        "logo": logo,
    }


def _house() -> str:
    return site_url("/#publisher")


def _pictures(pictures: Sequence[Picture]) -> Sequence[Found]:
    files = [picture.largest for picture in pictures]
    return [
        {
            "@type": "ImageObject",
            "url": site_url(file.path),
            "width": file.width,
            "height": file.height,
        }
        for file in files
    ]


def _time(moment: datetime | None, stream: Stream) -> str | None:
    return iso_time(moment, stream.timezone) if moment else None


def _known(found: Mapping[str, Any]) -> Found:
    return {name: value for name, value in found.items() if value}


@cache
def open_graph_locale(language: str) -> str:
    """de_AT for de-AT, and de_DE for de: Open Graph wants a territory."""
    base, *others = language.split("-")
    own = next((part.upper() for part in others if len(part) == 2), "")
    likely = str(get_global("likely_subtags").get(base.lower(), "")).rpartition("_")[2]
    return "_".join(part for part in (base.lower(), own or likely) if part)
