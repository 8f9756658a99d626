"""What an editor may write: cleaned and checked at the door, packed for a revision."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from models.tables.stories import Entry, Importance
from models.text.errors import Invalid
from models.text.markdown import to_html, to_text
from models.text.uris import to_uri

# characters at most
(
    MAX_TITLE_CHARS,
    MAX_DEK_CHARS,
    MAX_NOTE_CHARS,
    MAX_BODY_CHARS,
    MAX_LINK_CHARS,
    MAX_NAME_CHARS,
    MAX_TAG_CHARS,
) = 300, 1_000, 1_000, 100_000, 2_000, 100, 60
MAX_TAG_SLUG_CHARS = 80
MAX_ALT_CHARS, MAX_CREDIT_CHARS = 1_000, 200
MAX_NAMES, MAX_TAGS, MAX_PICTURES = 20, 20, 10

# XML 1.0 bears none of these, and lone surrogates fit no encoding (XML 1.0 section 2.2).  Tab and
# line ends are white space.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)

# What ends a line or is squeezed; no-break, ideographic and other spaces are meant as they are.
_SPACES = re.compile("[ \t\n\x85\u2028\u2029]+")
# Letters and symbols that show nothing: Default_Ignorable_Code_Point (UAX #44) beyond categories C
# and M, and the empty Braille cell.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# UAX #9: what opens and what closes a run of another direction.
_OVERRIDE = re.compile("[\u202d\u202e]")
_OPENS = dict.fromkeys("\u202a\u202b", "\u202c") | dict.fromkeys("\u2066\u2067\u2068", "\u2069")

_RIGHT_TO_LEFT = {"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"}
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
WEB_SCHEMES = ("http://", "https://")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _plain(field: str, value: str) -> str:
    found = _FORBIDDEN.search(value)
    if found:
        raise Invalid(
            field,
            "remove the control character %(code)s at position %(position)s.",
            code=f"U+{ord(found.group()):04X}",
            position=str(found.start() + 1),
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
    """``value`` with plain line ends; raises Invalid where it is too long or holds characters that
    no feed can carry.
    """
    return _short(field, _plain(field, value).strip(), most)


def line(field: str, value: str, most: int, *, required: bool = False) -> str:
    """One line of plain text: runs of spaces and line ends become a space; empty where nothing of
    it can be seen.

    Raises Invalid for what `block` refuses, and for what would turn round the text that follows it.
    """
    value = _SPACES.sub(" ", _plain(field, value)).strip()
    override = _OVERRIDE.search(value)
    if override:
        raise Invalid(
            field,
            "remove the invisible character %(code)s at position %(position)s: it reverses the text.",
            code=f"U+{ord(override.group()):04X}",
            position=str(override.start() + 1),
        )
    value = _short(field, _closed(value) if _is_visible(value) else "", most)
    if required and not value:
        raise Invalid(field, "this can’t be empty.")
    return value


def _is_visible(value: str) -> bool:
    """Whether any character shows by itself: controls, spaces and marks without a letter do not."""
    return any(unicodedata.category(char)[0] not in "CZM" and char not in _BLANK for char in value)


def _closed(value: str) -> str:
    """``value`` with each run of another direction ended, so that it turns nothing behind it."""
    open_runs: list[str] = []
    for char in value:
        if char in _OPENS:
            open_runs.append(_OPENS[char])
        elif open_runs and char == open_runs[-1]:
            open_runs.pop()
    return value + "".join(reversed(open_runs))


def web_link(field: str, value: str) -> str:
    """An absolute http or https address as a URI, which every feed can carry, or nothing."""
    value = line(field, value, MAX_LINK_CHARS)
    if not value:
        return ""
    uri = to_uri(value)
    # Browsers read a backslash as a slash, so that they would go elsewhere than the host that is
    # shown.
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
    """A language tag (BCP 47), at most as long as RFC 5646 section 4.4.1 asks everybody to bear."""
    if len(value) > 35 or not _LANGUAGE.fullmatch(value):
        raise Invalid(field, "enter a language tag, like en, de or pt-BR.")
    return value


def direction(language: str) -> str:
    """rtl or ltr, as that language is written."""
    return "rtl" if language.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


# Characters that show nothing and are no part of a word: fillers, variation selectors (Unicode,
# Default_Ignorable_Code_Point).
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# What tells names such as C, C++ and C# or A+ and A- apart.
_SIGNS = (
    (re.compile(r"\+"), " plus "),
    (re.compile(r"(?<=[^\W_])#"), " sharp "),
    (re.compile(r"(?<=[^\W_])[-\u2212]$|^[-\u2212](?=\d)"), " minus "),
)


def is_slug_text(value: str) -> bool:
    """Whether every character may be in the slug of a tag or a contributor: letters, digits and
    marks, with hyphens between.

    Marks are parts of words (UAX #31: XID_Continue has the categories Mn and Mc); without them many
    words of Indian scripts would be one.
    """
    return all(
        char.isalnum() or unicodedata.category(char) in {"Mn", "Mc"}
        for char in value.replace("-", "")
    )


def slugify(value: str, most: int = 80) -> str:
    """Lower-case words joined by hyphens, letters of any script kept; empty where there is no
    letter or digit.
    """
    # Folding case may take a letter apart, which is then put together again.
    value = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
    words = "".join(
        char if is_slug_text(char) else " " for char in _IGNORABLE.sub("", value).replace("-", " ")
    ).split()
    slug = "-".join(words)[:most].strip("-")
    return slug if any(char.isalnum() for char in slug) else ""


def tag_slug(label: str) -> str:
    """What is compared of a tag: its slug, with the signs of names such as C++ as words.

    Empty for a label without a letter or digit. Longer than `MAX_TAG_SLUG_CHARS` for some that cannot be
    stored.
    """
    label = unicodedata.normalize("NFKC", label)
    if not any(char.isalnum() for char in label):
        return ""
    for sign, word in _SIGNS:
        label = sign.sub(word, label.strip())
    return slugify(label, len(label) * 4)


def _labels(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are stored, none twice; a later one that only differs in case is the first one."""
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
    """The SHA-256 of a picture that was sent before."""
    if not _SHA256.fullmatch(value):
        raise Invalid(field, "upload the picture again: it is no longer here.")
    return value


@dataclass(frozen=True)
class PictureText:
    """A picture that was sent before, by its SHA-256; what it shows, for who cannot see it; and who
    made it.
    """

    sha256: str
    alt: str
    credit: str = ""

    @property
    def words(self) -> str:
        """What stands for it where no picture can."""
        return f"{self.alt} ({self.credit})" if self.credit else self.alt

    def cleaned(self, number: int) -> Self:
        """The same, fit to be stored as the picture of that number."""
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
    """The pictures of a packed text; one from before there were any has no word of them."""
    return tuple(PictureText(**shown) for shown in content.get("pictures", []))


def pictures_of_entry(entry: Entry) -> tuple[PictureText, ...]:
    """The pictures that an entry shows; they must be loaded."""
    return tuple(
        PictureText(shown.picture.sha256, shown.alt, shown.credit) for shown in entry.pictures
    )


@dataclass(frozen=True)
class EntryText:
    """What an editor writes. ``byline`` holds slugs or exact names of contributors; one that is
    unknown is made.
    """

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
    # without addresses: for the search
    body_text: str = field(default="", compare=False, repr=False)

    def cleaned(self) -> Self:
        """A text fit to be stored, with its HTML and plain text; raises Invalid, which names the
        field and says what to do.
        """
        names = _unique(line("byline", name, MAX_NAME_CHARS) for name in self.byline)
        tags = _labels(self.tags)
        if len(names) > MAX_NAMES:
            raise Invalid("byline", "enter at most %(most)s names.", most=str(MAX_NAMES))
        if len(tags) > MAX_TAGS:
            raise Invalid("tags", "enter at most %(most)s tags.", most=str(MAX_TAGS))
        pictures = {shown.sha256: shown for shown in self.pictures}.values()  # none twice
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
            pictures=tuple(shown.cleaned(n) for n, shown in enumerate(pictures, 1)),
        )

    def pack(self, contributor_ids: list[int]) -> dict[str, Any]:
        """A cleaned text as a revision keeps it, with what was made of it, so that nobody waits for
        that.
        """
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
            pictures_of_entry(entry),
        )
