"""What a feed says, whatever its format: values only, no table and no bytes."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from models.text.translations import catalog


class Format(StrEnum):
    """The three formats; the value is the short name that settings and links use."""

    ATOM = "atom"
    RSS = "rss"
    JSON = "json"

    @property
    def media_type(self) -> str:
        """As autodiscovery links name it, without parameters."""
        return {
            "atom": "application/atom+xml",
            "rss": "application/rss+xml",
            "json": "application/feed+json",
        }[self]

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
    """A public note on a published entry: ``label`` says what it is ("Correction", "Update"),
    ``text`` is plain.
    """

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Thumbnail:
    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of an entry, at an absolute address; ``length`` in bytes, ``thumbnail`` its
    smallest size.
    """

    url: str
    media_type: str
    length: int
    width: int
    height: int
    alt: str = ""
    credit: str = ""
    thumbnail: Thumbnail | None = None


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One entry. ``title`` and ``dek`` are plain text, ``content_html`` is sanitised HTML with
    absolute links or empty.
    """

    id: str
    url: str
    title: str
    published: datetime
    updated: datetime  # moves only for what readers should notice (RFC 4287 section 4.2.15)
    language: str
    dek: str = ""
    content_html: str = ""
    authors: tuple[Person, ...] = ()
    tags: tuple[Tag, ...] = ()
    importance: str = "normal"
    link: str | None = None  # the page elsewhere that the entry is about
    notes: tuple[Note, ...] = ()
    images: tuple[Image, ...] = ()
    stream: str = ""  # id of the stream's own feed
    # of the content, as plain text on one line; where pictures have no dek beside them
    beginning: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A stream whose entries stand in a feed beside those of others (RFC 4287 section 4.2.11)."""

    id: str
    title: str
    url: str
    updated: datetime

    def feed_url(self, fmt: Format) -> str:
        """The address of the stream's own feed in that format."""
        return f"{self.url}/{fmt.file_name}"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A withdrawn entry (RFC 6721 section 3); ``comment`` is the public note, plain text."""

    id: str
    when: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """One feed; ``entries`` stand in the order in which they are shown, newest first.

    Two documents that are equal have the same bytes: what is not compared is told beside them.
    """

    id: str
    title: str
    folder_url: str  # ends with a slash; the formats lie in it side by side
    page_url: str
    language: str
    updated: datetime  # the latest of the entries' `updated`, never the present moment
    site: Person
    dek: str = ""
    rights: str = ""  # who publishes it, plain text
    logo_url: str = ""  # the picture of a stream
    contributors: tuple[Person, ...] = ()
    entries: tuple[FeedEntry, ...] = ()
    # the streams that the entries come from, where they are several
    sources: tuple[Source, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    hubs: tuple[str, ...] = ()  # WebSub; named only while they answer
    max_age: int = 60  # seconds that a copy stays fresh
    complete: bool = False  # nothing but these entries belongs to the feed (RFC 5005 section 2)
    archive: bool = False  # an older part, which is not expected to change (RFC 5005 section 4)
    previous_folder_url: str | None = None  # where the next older entries lie
    current_folder_url: str | None = None  # of an archive: where the newest lie
    # the latest change of any kind, silent ones too: Last-Modified
    changed: datetime = field(compare=False, kw_only=True)
    # when time alone makes it another
    valid_until: datetime | None = field(default=None, compare=False)
    # the counter of the stream, or of the site, when it was read
    seq: int = field(default=0, compare=False)

    @property
    def browser_hint(self) -> str:
        """For people who open the feed in a browser."""
        return catalog(self.language).gettext(
            "This is a feed. To follow it, copy its address into a feed reader."
        )

    def self_url(self, fmt: Format) -> str:
        """The one canonical address of this feed in that format, without a query."""
        return self.folder_url + fmt.file_name

    def icon_url(self, pixels: int) -> str:
        """The site's icon, a square PNG of that size."""
        return f"{self.site.url}icon-{pixels}.png"

    def previous_url(self, fmt: Format) -> str | None:
        """The address of the archive before this document."""
        return self.previous_folder_url and self.previous_folder_url + fmt.file_name

    def current_url(self, fmt: Format) -> str | None:
        """Of an archive: the address of the subscription document."""
        return self.current_folder_url and self.current_folder_url + fmt.file_name
