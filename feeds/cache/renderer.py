"""The one way from a document to bytes."""

from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from feeds.cache.byte_cache import ByteCache
from feeds.document.clean import cleaned
from feeds.document.feed_document import FeedDocument, FeedEntry, Format, Person, Source
from feeds.formats.jsonfeed import JsonWriter
from feeds.formats.xml_writer import AtomWriter, RssWriter

MAX_KEPT_BYTES = 32_000_000  # of written entries that are kept


class _Writer(Protocol):
    end: bytes

    def entry(self, entry: FeedEntry, language: str, site: Person) -> bytes: ...
    def source(self, source: Source) -> bytes: ...
    def whole(self, document: FeedDocument, entries: list[bytes]) -> bytes: ...


_WRITERS: dict[Format, _Writer] = {
    Format.ATOM: AtomWriter(),
    Format.RSS: RssWriter(),
    Format.JSON: JsonWriter(),
}


class Renderer:
    """Keeps the entries that it wrote, so that a change costs what changed. For several threads at
    once.
    """

    def __init__(self, most: int = MAX_KEPT_BYTES) -> None:
        self._memory = ByteCache(most)

    def __call__(self, document: FeedDocument, fmt: Format) -> bytes:
        """The document as UTF-8 bytes of that format: the same document gives the same bytes, on
        any day and machine.
        """
        writer = _WRITERS[Format(fmt)]
        head = cleaned(replace(document, entries=()))
        sources = {source.id: writer.source(source) for source in head.sources}
        entries = [
            self._entry(entry, fmt, head.language, head.site)
            + sources.get(entry.stream, b"")
            + writer.end
            for entry in document.entries
        ]
        return writer.whole(replace(head, entries=document.entries), entries)

    def _entry(self, entry: FeedEntry, fmt: Format, language: str, site: Person) -> bytes:
        """All that it looks like depends on is in the key, and nothing that changes with other
        entries.
        """
        key = (entry, fmt, language, site)
        return self._memory.get(key, lambda: _WRITERS[fmt].entry(_cleaned(entry), language, site))


@lru_cache(maxsize=64)
def _cleaned(entry: FeedEntry) -> FeedEntry:
    """Once for all formats: a tenth of what writing an entry takes."""
    return cleaned(entry)
