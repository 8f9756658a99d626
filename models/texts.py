"""What an editor may write: cleaned and checked at the door, packed for a revision."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self
from urllib.parse import urlsplit

from models.errors import Invalid
from models.markdown import to_html, to_text
from models.stories import Entry, Importance

TITLE, DEK, NOTE, BODY, LINK, NAME, TAG = 300, 1_000, 1_000, 100_000, 2_000, 100, 60  # characters at most
ALT, CREDIT = 1_000, 200
MOST_NAMES, MOST_TAGS, MOST_PICTURES = 20, 20, 10

# XML 1.0 bears none of these, and lone surrogates fit no encoding (XML 1.0 section 2.2).  Tab and line ends are white space.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

_RIGHT_TO_LEFT = {"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"}
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _plain(field: str, value: str) -> str:
    found = _FORBIDDEN.search(value)
    if found:
        raise Invalid(field, f"remove the control character U+{ord(found.group()):04X} at position {found.start() + 1}.")
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _short(field: str, value: str, most: int) -> str:
    if len(value) > most:
        raise Invalid(field, f"shorten it to {most:,} characters; it has {len(value):,}.")
    return value


def block(field: str, value: str, most: int) -> str:
    """``value`` with plain line ends; raises Invalid where it is too long or holds characters that no feed can carry."""
    return _short(field, _plain(field, value).strip(), most)


def line(field: str, value: str, most: int, *, required: bool = False) -> str:
    """The same for one line: white space of any kind becomes single spaces."""
    value = _short(field, " ".join(_plain(field, value).split()), most)
    if required and not any(unicodedata.category(char)[0] not in "CZ" for char in value):
        raise Invalid(field, "write something here.")
    return value


def web_link(field: str, value: str) -> str:
    """An absolute http or https URL, or nothing."""
    value = line(field, value, LINK)
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    # Browsers read a backslash as a slash, so that they would go elsewhere than the host that is shown.
    if not usable or not value.isprintable() or " " in value or "\\" in value:
        raise Invalid(field, "write a whole web address, such as https://example.org/page.")
    return value


def language_tag(field: str, value: str) -> str:
    """A language tag (BCP 47), at most as long as RFC 5646 section 4.4.1 asks everybody to bear."""
    if len(value) > 35 or not _LANGUAGE.fullmatch(value):
        raise Invalid(field, "write a language tag such as en, de or pt-BR.")
    return value


def direction(language: str) -> str:
    """rtl or ltr, as that language is written."""
    return "rtl" if language.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


def slugify(value: str, most: int = 80) -> str:
    """Lower-case words joined by hyphens, letters of any script kept; empty where there is none."""
    value = unicodedata.normalize("NFKC", value).casefold()
    return re.sub(r"[\W_]+", "-", value).strip("-")[:most].strip("-")


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def picture_name(field: str, value: str) -> str:
    """The SHA-256 of a picture that was sent before."""
    if not _SHA256.fullmatch(value):
        raise Invalid(field, "send the picture again: nothing here has that name.")
    return value


@dataclass(frozen=True)
class PictureText:
    """A picture that was sent before, by its SHA-256; what it shows, for who cannot see it; and who made it."""

    sha256: str
    alt: str
    credit: str = ""

    @property
    def words(self) -> str:
        """What stands for it where no picture can."""
        return f"{self.alt} ({self.credit})" if self.credit else self.alt

    def cleaned(self, number: int) -> Self:
        """The same, fit to be stored as the picture of that number."""
        alt = line("picture", self.alt, ALT)
        if not alt:
            raise Invalid("picture", f"say what picture {number} shows, for people who cannot see it.")
        return replace(self, sha256=picture_name("picture", self.sha256), alt=alt, credit=line("picture", self.credit, CREDIT))


def packed_pictures(content: Mapping[str, Any]) -> tuple[PictureText, ...]:
    """The pictures of a packed text; one from before there were any has no word of them."""
    return tuple(PictureText(**shown) for shown in content.get("pictures", []))


def shown_pictures(entry: Entry) -> tuple[PictureText, ...]:
    """The pictures that an entry shows; they must be loaded."""
    return tuple(PictureText(shown.picture.sha256, shown.alt, shown.credit) for shown in entry.pictures)


@dataclass(frozen=True)
class EntryText:
    """What an editor writes.  ``byline`` holds slugs or exact names of contributors; one that is unknown is made."""

    title: str = ""
    dek: str = ""
    body: str = ""  # Markdown
    byline: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    link: str = ""
    importance: Importance = Importance.NORMAL
    pictures: tuple[PictureText, ...] = ()  # the first stands beside the text in feeds
    # Made by `cleaned`, which is called before a transaction begins: rendering may take a second.
    body_html: str = field(default="", compare=False, repr=False)
    body_text: str = field(default="", compare=False, repr=False)  # without addresses: for the search

    def cleaned(self) -> Self:
        """The same, fit to be stored, with its HTML and plain text; raises Invalid, which names the field and says what to do."""
        names = _unique(line("byline", name, NAME) for name in self.byline)
        tags = {slugify(tag): tag for tag in reversed(_unique(line("tags", tag, TAG) for tag in self.tags))}
        tags.pop("", None)
        if len(names) > MOST_NAMES:
            raise Invalid("byline", f"name at most {MOST_NAMES} people.")
        if len(tags) > MOST_TAGS:
            raise Invalid("tags", f"use at most {MOST_TAGS} tags.")
        pictures = {shown.sha256: shown for shown in self.pictures}.values()  # none twice
        if len(pictures) > MOST_PICTURES:
            raise Invalid("picture", f"show at most {MOST_PICTURES} pictures.")
        body = block("body", self.body, BODY)
        return replace(
            self,
            title=line("title", self.title, TITLE, required=True),
            dek=line("dek", self.dek, DEK),
            body=body,
            body_html=to_html(body),
            body_text=to_text(body),
            byline=names,
            tags=tuple(reversed(tags.values())),
            link=web_link("link", self.link),
            pictures=tuple(shown.cleaned(n) for n, shown in enumerate(pictures, 1)),
        )

    def pack(self, contributor_ids: list[int]) -> dict[str, Any]:
        """A cleaned text as a revision keeps it, with what was made of it, so that nobody waits for that."""
        packed = asdict(self) | {"byline": contributor_ids, "importance": self.importance.value}
        return packed | {"tags": list(self.tags), "pictures": list(packed["pictures"])}

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """What the entry says now; its credits, tags and pictures must be loaded."""
        return cls(
            entry.title,
            entry.dek,
            entry.body,
            tuple(person.slug for person in entry.byline),
            tuple(tag.label for tag in entry.tags),
            entry.link,
            entry.importance,
            shown_pictures(entry),
        )
