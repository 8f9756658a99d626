"""The one way from a document to bytes."""

from feeds.clean import cleaned
from feeds.document import FeedDocument, Format
from feeds.jsonfeed import render_json
from feeds.xml import render_atom, render_rss

_WRITERS = {Format.ATOM: render_atom, Format.RSS: render_rss, Format.JSON: render_json}


def render(document: FeedDocument, fmt: Format) -> bytes:
    """The document as UTF-8 bytes of that format: the same document gives the same bytes, on any day and machine."""
    return _WRITERS[Format(fmt)](cleaned(document))
