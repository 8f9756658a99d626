"""The content of a feed in any format, as values."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from models.text.translations import catalog


class Format(StrEnum):
    """The value is the short name in settings and links."""

    ATOM = "atom"
    RSS = "rss"
    JSON = "json"

    @property
    def media_type(self) -> str:
        """Without parameters, as in autodiscovery links."""
        return "application/feed+json" if self is Format.JSON else f"application/{self}+xml"

    @property
    def content_type(self) -> str:
        return f"{self.media_type}; charset=utf-8"

    @property
    def file_name(self) -> str:
        return "feed.json" if self is Format.JSON else f"{self}.xml"


@dataclass(frozen=True, slots=True)
class Person:
    """A credited person, never with an email address, which feeds would give to harvesters."""

    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    slug: str
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Note:
    """A public note on a published entry.  ``label`` is such as "Correction", ``text`` is plain."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Thumbnail:
    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of an entry, at an absolute URL.  ``length`` is in bytes."""

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
    """``title`` and ``dek`` are plain text, ``content_html`` is sanitised, with absolute links."""

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
    beginning: str = ""  # of the text, plain on one line; if the entry has pictures and no dek


@dataclass(frozen=True, slots=True)
class Source:
    """The stream of an entry in a feed of several streams (RFC 4287 section 4.2.11)."""

    id: str
    title: str
    url: str
    updated: datetime

    def feed_url(self, fmt: Format) -> str:
        return f"{self.url}/{fmt.file_name}"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A withdrawn entry (RFC 6721 section 3); ``comment`` is the public note, plain text."""

    id: str
    when: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """One feed.  ``entries`` are in the order in which they are shown, newest first.

    Documents that are equal have the same bytes; other fields are not compared.
    """

    id: str
    title: str
    folder_url: str  # ends with a slash; the formats lie in it side by side
    page_url: str
    language: str
    updated: datetime  # when an entry was last added, changed or removed; never now
    site: Person
    dek: str = ""
    rights: str = ""  # the publisher, plain text
    logo_url: str = ""  # the picture of a stream
    contributors: tuple[Person, ...] = ()
    entries: tuple[FeedEntry, ...] = ()
    sources: tuple[Source, ...] = ()  # of a feed of several streams
    tombstones: tuple[Tombstone, ...] = ()
    hubs: tuple[str, ...] = ()  # of WebSub; only while they answer
    max_age: int = 60  # seconds that a copy stays fresh
    complete: bool = False  # the feed has no other entries (RFC 5005 section 2)
    archive: bool = False  # an older part, not expected to change (RFC 5005 section 4)
    previous_folder_url: str | None = None  # of the next older entries
    current_folder_url: str | None = None  # of an archive: that of the newest entries
    # Last-Modified: the latest change of any kind, silent ones too
    changed: datetime = field(compare=False, kw_only=True)
    # when time alone changes the document
    valid_until: datetime | None = field(default=None, compare=False)
    # of the stream, or of the site, when the document was read
    seq: int = field(default=0, compare=False)

    @property
    def browser_hint(self) -> str:
        """For people who open the feed in a browser."""
        return catalog(self.language).gettext(
            "This is a feed. To follow it, copy its address into a feed reader."
        )

    def self_url(self, fmt: Format) -> str:
        """The canonical URL of this feed in that format."""
        return self.folder_url + fmt.file_name

    def icon_url(self, pixels: int) -> str:
        """The site's square icon, a PNG."""
        return f"{self.site.url}icon-{pixels}.png"

    def previous_url(self, fmt: Format) -> str | None:
        """The URL of the archive before this document."""
        return self.previous_folder_url and self.previous_folder_url + fmt.file_name

    def current_url(self, fmt: Format) -> str | None:
        """The URL of the subscription document that an archive belongs to."""
        return self.current_folder_url and self.current_folder_url + fmt.file_name
