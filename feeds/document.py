"""What a feed says, whatever its format: values only, no table and no bytes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Format(StrEnum):
    """The three formats; the value is the short name that settings and links use."""

    ATOM = "atom"
    RSS = "rss"
    JSON = "json"

    @property
    def media_type(self) -> str:
        """As autodiscovery links name it, without parameters."""
        return {"atom": "application/atom+xml", "rss": "application/rss+xml", "json": "application/feed+json"}[self]

    @property
    def content_type(self) -> str:
        """As the response's Content-Type."""
        return f"{self.media_type}; charset=utf-8"

    @property
    def file_name(self) -> str:
        """Last part of the feed's address."""
        return {"atom": "atom.xml", "rss": "rss.xml", "json": "feed.json"}[self]


@dataclass(frozen=True, slots=True)
class Person:
    """Someone credited; never with an e-mail address, which feeds would hand to harvesters."""

    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    slug: str
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Note:
    """A public note on a published entry: ``label`` says what it is ("Correction"), ``text`` is plain."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One entry.  ``title`` and ``dek`` are plain text, ``content_html`` is sanitised HTML with absolute links or empty."""

    id: str
    url: str
    title: str
    published: datetime
    updated: datetime  # moves only for what readers should notice (RFC 4287 section 4.2.15)
    dek: str = ""
    content_html: str = ""
    authors: tuple[Person, ...] = ()
    tags: tuple[Tag, ...] = ()
    importance: str = "normal"
    link: str | None = None  # the page elsewhere that the entry is about
    note: Note | None = None
    language: str | None = None  # None: the feed's


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """One feed; ``entries`` stand in the order in which they are shown, newest first."""

    id: str
    title: str
    folder_url: str  # ends with a slash; the formats lie in it side by side
    page_url: str
    language: str
    updated: datetime  # the latest of the entries' `updated`, never the present moment
    changed: datetime  # the latest change of any kind, silent ones too: Last-Modified
    site: Person
    dek: str = ""
    contributors: tuple[Person, ...] = ()
    entries: tuple[FeedEntry, ...] = ()
    hubs: tuple[str, ...] = ()  # WebSub; named only while they answer
    max_age: int = 60  # seconds that a copy stays fresh

    def self_url(self, fmt: Format) -> str:
        """The one canonical address of this feed in that format, without a query."""
        return self.folder_url + fmt.file_name
