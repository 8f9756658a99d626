"""Texts of editors: cleaned, checked, and packed for a revision."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from models.tables.stories import Entry, Importance
from models.text.errors import Invalid
from models.text.markdown import to_html, to_text
from models.text.uris import to_uri

MAX_TITLE_CHARS = 300
MAX_DEK_CHARS = 1_000
MAX_NOTE_CHARS = 1_000
MAX_BODY_CHARS = 100_000
MAX_LINK_CHARS = 2_000
MAX_NAME_CHARS = 100
MAX_TAG_CHARS = 60
MAX_TAG_SLUG_CHARS = 80
MAX_ALT_CHARS = 1_000
MAX_CREDIT_CHARS = 200
MAX_NAMES = 20
MAX_TAGS = 20
MAX_PICTURES = 10

# XML 1.0 section 2.2 allows none of these; no encoding has lone surrogates.  Tab and line ends are
# white space.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)

# Line ends and spaces that are collapsed; no-break, ideographic and other spaces stay.
_SPACES = re.compile("[ \t\n\x85\u2028\u2029]+")
# Invisible letters and symbols: Default_Ignorable_Code_Point (UAX #44) beyond categories C
# and M, and the empty Braille cell.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# Characters that open and close a run of another direction (UAX #9).
_OVERRIDE = re.compile("[\u202d\u202e]")
_OPENS = dict.fromkeys("\u202a\u202b", "\u202c") | dict.fromkeys("\u2066\u2067\u2068", "\u2069")

_RIGHT_TO_LEFT = {"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"}
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
WEB_SCHEMES = ("http://", "https://")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _plain(field: str, value: str) -> str:
    control = _FORBIDDEN.search(value)
    if control:
        raise Invalid(
            field,
            "remove the control character %(code)s at position %(position)s.",
            code=f"U+{ord(control.group()):04X}",
            position=str(control.start() + 1),
        )
    return unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n"))


def _short(field: str, value: str, most: int) -> str:
    if len(value) > most:
        raise Invalid(
            field,
            "too long: %(length)s of at most %(most)s characters.",
            length=f"{len(value):,}",
            most=f"{most:,}",
        )
    return value


def block(field: str, value: str, most: int) -> str:
    """``value`` with ``\n`` as line end; raises Invalid where it is too long or has characters that
    no feed can carry.
    """
    return _short(field, _plain(field, value).strip(), most)


def line(field: str, value: str, most: int, *, required: bool = False) -> str:
    """One line of plain text: runs of spaces and line ends become a space; empty where nothing in
    it is visible.

    Raises Invalid as `block` does, and for characters that would reverse the text after it.
    """
    value = _SPACES.sub(" ", _plain(field, value)).strip()
    override = _OVERRIDE.search(value)
    if override:
        raise Invalid(
            field,
            "remove the invisible character %(code)s at position %(position)s: it reverses the"
            " text.",
            code=f"U+{ord(override.group()):04X}",
            position=str(override.start() + 1),
        )
    value = _short(field, _closed(value) if _is_visible(value) else "", most)
    if required and not value:
        raise Invalid(field, "this can’t be empty.")
    return value


def _is_visible(value: str) -> bool:
    """Whether any character is visible: controls, spaces and marks without a letter are not."""
    return any(unicodedata.category(char)[0] not in "CZM" and char not in _BLANK for char in value)


def _closed(value: str) -> str:
    """``value`` with each run of another direction closed, so the text after it is not reversed."""
    open_runs: list[str] = []
    for char in value:
        if char in _OPENS:
            open_runs.append(_OPENS[char])
        elif open_runs and char == open_runs[-1]:
            open_runs.pop()
    return value + "".join(reversed(open_runs))


def web_link(field: str, value: str) -> str:
    """An absolute http or https address as a URI, which every feed can carry; empty for none."""
    value = line(field, value, MAX_LINK_CHARS)
    if not value:
        return ""
    uri = to_uri(value)
    # Browsers read a backslash as a slash, and would open another host than the one that is shown.
    if (
        uri is None
        or not uri.startswith(WEB_SCHEMES)
        or not value.isprintable()
        or " " in value
        or "\\" in value
    ):
        raise Invalid(field, "enter a complete web address, like https://example.org/page.")
    return _short(field, uri, MAX_LINK_CHARS)


def language_tag(field: str, value: str) -> str:
    """A language tag (BCP 47) of at most 35 characters, as RFC 5646 section 4.4.1 recommends."""
    if len(value) > 35 or not _LANGUAGE.fullmatch(value):
        raise Invalid(field, "enter a language tag, like en, de or pt-BR.")
    return value


def direction(language: str) -> str:
    """The direction in which the language is written: rtl or ltr."""
    return "rtl" if language.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


# Invisible characters that are no part of a word: fillers, variation selectors (Unicode,
# Default_Ignorable_Code_Point).
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# Signs that distinguish names such as C, C++ and C# or A+ and A-.
_SIGNS = (
    (re.compile(r"\+"), " plus "),
    (re.compile(r"(?<=[^\W_])#"), " sharp "),
    (re.compile(r"(?<=[^\W_])[-\u2212]$|^[-\u2212](?=\d)"), " minus "),
)


def is_slug_text(value: str) -> bool:
    """Whether every character may be in the slug of a tag or a contributor: letters, digits, marks
    and hyphens.

    Marks are parts of words (UAX #31: XID_Continue has the categories Mn and Mc); without them many
    words of Indian scripts would be the same.
    """
    return all(
        char.isalnum() or unicodedata.category(char) in {"Mn", "Mc"}
        for char in value.replace("-", "")
    )


def slugify(value: str, most: int = 80) -> str:
    """Lower-case words of any script, joined by hyphens; empty without a letter or digit."""
    # Case folding may decompose a letter, which the second normalization composes again.
    value = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
    parts = "".join(
        char if is_slug_text(char) else " " for char in _IGNORABLE.sub("", value).replace("-", " ")
    ).split()
    slug = "-".join(parts)[:most].strip("-")
    return slug if any(char.isalnum() for char in slug) else ""


def tag_slug(label: str) -> str:
    """The slug by which tags are compared, with the signs of names such as C++ as words.

    Empty without a letter or digit.  May be longer than MAX_TAG_SLUG_CHARS, and then is not stored.
    """
    label = unicodedata.normalize("NFKC", label)
    if not any(char.isalnum() for char in label):
        return ""
    for sign, word in _SIGNS:
        label = sign.sub(word, label.strip())
    return slugify(label, len(label) * 4)


def _labels(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are stored, without duplicates; tags that differ in case alone are one."""
    labels: dict[str, str] = {}
    for tag in tags:
        if not tag.strip():
            continue
        label = line("tags", tag, MAX_TAG_CHARS)
        slug = tag_slug(label)
        if not slug:
            raise Invalid(
                "tags",
                "%(tag)s has no letter or digit. Enter a word, or remove it.",
                tag=f"{(label or tag)!r:.80}",
            )
        if len(slug) > MAX_TAG_SLUG_CHARS:
            raise Invalid("tags", "shorten %(tag)s.", tag=f"{label!r:.80}")
        first = labels.setdefault(slug, label)
        if first.casefold() != label.casefold():
            raise Invalid(
                "tags",
                "%(first)s and %(second)s would have the same page. Keep one of them.",
                first=f"{first!r:.80}",
                second=f"{label!r:.80}",
            )
    return tuple(labels.values())


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def picture_name(field: str, value: str) -> str:
    """Check that ``value`` is the SHA-256 of a picture; raises Invalid."""
    if not _SHA256.fullmatch(value):
        raise Invalid(field, "upload the picture again: it is no longer here.")
    return value


@dataclass(frozen=True)
class PictureText:
    """An uploaded picture, by its SHA-256, with its alt text and its photographer or agency."""

    sha256: str
    alt: str
    credit: str = ""

    @property
    def words(self) -> str:
        """The text that replaces the picture where none can be shown."""
        return f"{self.alt} ({self.credit})" if self.credit else self.alt

    def cleaned(self, number: int) -> Self:
        """Check and normalize; ``number`` is the picture's place, for the error; raises Invalid."""
        alt = line("picture", self.alt, MAX_ALT_CHARS)
        if not alt:
            raise Invalid("picture", "add alt text for picture %(number)s.", number=str(number))
        return replace(
            self,
            sha256=picture_name("picture", self.sha256),
            alt=alt,
            credit=line("picture", self.credit, MAX_CREDIT_CHARS),
        )


def unpack_pictures(content: Mapping[str, Any]) -> tuple[PictureText, ...]:
    """The pictures of a packed text; early versions stored none."""
    return tuple(PictureText(**picture) for picture in content.get("pictures", []))


def pictures_of_entry(entry: Entry) -> tuple[PictureText, ...]:
    """The pictures of an entry; they must be loaded."""
    return tuple(
        PictureText(linked.picture.sha256, linked.alt, linked.credit) for linked in entry.pictures
    )


@dataclass(frozen=True)
class EntryText:
    """The text of an entry as an editor writes it.  ``byline`` holds slugs or exact names of
    contributors, and unknown ones are created.
    """

    title: str = ""
    dek: str = ""
    body: str = ""  # Markdown
    byline: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    link: str = ""
    importance: Importance = Importance.NORMAL
    pictures: tuple[PictureText, ...] = ()  # the first is the main picture
    # Set by `cleaned`, which is called before a transaction begins: rendering may take a second.
    body_html: str = field(default="", compare=False, repr=False)
    # without URLs, for the search
    body_text: str = field(default="", compare=False, repr=False)

    def cleaned(self) -> Self:
        """The text as it is stored, with its HTML and plain text; raises Invalid."""
        names = _unique(line("byline", name, MAX_NAME_CHARS) for name in self.byline)
        tags = _labels(self.tags)
        if len(names) > MAX_NAMES:
            raise Invalid("byline", "enter at most %(most)s names.", most=str(MAX_NAMES))
        if len(tags) > MAX_TAGS:
            raise Invalid("tags", "enter at most %(most)s tags.", most=str(MAX_TAGS))
        pictures = {picture.sha256: picture for picture in self.pictures}.values()
        if len(pictures) > MAX_PICTURES:
            raise Invalid("picture", "add at most %(most)s pictures.", most=str(MAX_PICTURES))
        body = block("body", self.body, MAX_BODY_CHARS)
        return replace(
            self,
            title=line("title", self.title, MAX_TITLE_CHARS, required=True),
            dek=line("dek", self.dek, MAX_DEK_CHARS),
            body=body,
            body_html=to_html(body),
            body_text=to_text(body),
            byline=names,
            tags=tags,
            link=web_link("link", self.link),
            pictures=tuple(picture.cleaned(n) for n, picture in enumerate(pictures, 1)),
        )

    def pack(self, contributor_ids: list[int]) -> dict[str, Any]:
        """A cleaned text as a revision stores it, including its HTML and plain text."""
        packed = asdict(self) | {"byline": contributor_ids, "importance": self.importance.value}
        return packed | {"tags": list(self.tags), "pictures": list(packed["pictures"])}

    @classmethod
    def unpack(cls, content: Mapping[str, Any], byline: Iterable[str] = ()) -> Self:
        """The text that `pack` stored; the ids of its contributors are left out."""
        return cls(
            content["title"],
            content["dek"],
            content["body"],
            tuple(byline),
            tuple(content["tags"]),
            content["link"],
            Importance(content["importance"]),
            unpack_pictures(content),
            content.get("body_html", ""),
            content.get("body_text", ""),
        )

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The current text of an entry; its credits, tags and pictures must be loaded."""
        return cls(
            entry.title,
            entry.dek,
            entry.body,
            tuple(person.slug for person in entry.byline),
            tuple(tag.label for tag in entry.tags),
            entry.link,
            entry.importance,
            pictures_of_entry(entry),
        )
