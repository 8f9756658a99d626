"""Which feed: whose entries, which of them, and since when; and the one address that each has."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self
from urllib.parse import quote

from feeds.document.feed_document import Format


class Scope(StrEnum):
    """Whose entries; the value is the folder that their addresses begin with."""

    SITE = ""
    STREAM = "streams"
    TAG = "tags"
    CONTRIBUTOR = "contributors"


class Flavour(StrEnum):
    """Which of them; the value is the folder that says so."""

    ALL = ""
    KEY = "key"  # key and breaking ones
    NEW = "new"  # for chat bots that follow feeds: each entry once, as it first came out


@dataclass(frozen=True, slots=True)
class Archive:
    """An older part (RFC 5005 section 4): the entries up to that seq; ``version`` changes with any
    of them or any older one.
    """

    upto: int
    version: int


@dataclass(frozen=True, slots=True)
class FeedTopic:
    """What a feed is about, whatever its format. ``name`` is a slug; of the site's own feeds it is
    empty.
    """

    scope: Scope = Scope.SITE
    name: str = ""
    flavour: Flavour = Flavour.ALL
    archive: Archive | None = None

    @property
    def folder(self) -> str:
        """The path in which the formats lie side by side, with a slash at both ends."""
        older = f"archive/{self.archive.upto}-{self.archive.version:x}" if self.archive else ""
        parts = [self.scope.value, quote(self.name, safe=""), self.flavour.value, older]
        return "/" + "".join(f"{part}/" for part in parts if part)

    @property
    def newest(self) -> Self:
        """The subscription document that this belongs to."""
        return replace(self, archive=None)


_FORMATS = {fmt.file_name: fmt for fmt in Format}
_FLAVOURS = {flavour.value: flavour for flavour in Flavour if flavour.value}
_SCOPES = {scope.value: scope for scope in Scope if scope.value}


def read_address(path: str) -> tuple[FeedTopic, Format] | None:
    """What lies at that decoded path; None where it is no feed's one address."""
    head, _, file_name = path.rpartition("/")
    fmt = _FORMATS.get(file_name)
    if fmt is None or not path.startswith("/"):
        return None
    parts = head.split("/")[1:]
    archive = None
    if len(parts) >= 2 and parts[-2] == "archive":
        archive = _archive(parts[-1])
        if archive is None:
            return None
        del parts[-2:]
    flavour = _FLAVOURS.get(parts[-1], Flavour.ALL) if len(parts) in {1, 3} else Flavour.ALL
    if flavour is not Flavour.ALL:
        parts.pop()
    if not parts:
        return FeedTopic(flavour=flavour, archive=archive), fmt
    if (
        len(parts) == 2
        and parts[0] in _SCOPES
        and 0 < len(parts[1]) <= 120
        and parts[1].isprintable()
    ):
        return FeedTopic(_SCOPES[parts[0]], parts[1], flavour, archive), fmt
    return None


def _archive(name: str) -> Archive | None:
    upto, _, version = name.partition("-")
    plain = (
        upto.isascii()
        and upto.isdecimal()
        and len(upto) < 19
        and version.isascii()
        and version.isalnum()
        and len(version) < 16
    )
    try:
        found = Archive(int(upto), int(version, 16)) if plain else None
    except ValueError:
        return None
    return found if found and name == f"{found.upto}-{found.version:x}" else None
