"""The topic of a feed, and the one path that each feed has."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self
from urllib.parse import quote

from feeds.document.feed_document import Format


class Scope(StrEnum):
    """Whose entries a feed has; the value is the first folder of its path."""

    SITE = ""
    STREAM = "streams"
    TAG = "tags"
    CONTRIBUTOR = "contributors"


class Flavour(StrEnum):
    """Which of these entries a feed has; the value is a folder of its path."""

    ALL = ""
    KEY = "key"  # key and breaking entries
    NEW = "new"  # for chat bots that follow feeds: each entry once, as it was first published


@dataclass(frozen=True, slots=True)
class Archive:
    """An older part of a feed (RFC 5005 section 4): the entries up to a seq.

    ``version`` changes with any of them or of older ones.
    """

    upto: int
    version: int


@dataclass(frozen=True, slots=True)
class FeedTopic:
    """The subject of a feed in any format.  ``name`` is a slug, empty for the site's own feeds."""

    scope: Scope = Scope.SITE
    name: str = ""
    flavour: Flavour = Flavour.ALL
    archive: Archive | None = None

    @property
    def folder(self) -> str:
        """The path of the folder with a file for each format, with a slash at both ends."""
        parts = [self.scope.value, quote(self.name, safe=""), self.flavour.value]
        if self.archive:
            parts.append(f"archive/{self.archive.upto}-{self.archive.version:x}")
        return "/" + "".join(f"{part}/" for part in parts if part)

    @property
    def newest(self) -> Self:
        """The subscription document that an archive belongs to."""
        return replace(self, archive=None)


_FORMATS = {fmt.file_name: fmt for fmt in Format}
# Numbers have no leading zeros: each archive has one address.
_PATH = re.compile(
    r"(?:/(?P<scope>streams|tags|contributors)/(?P<name>[^/]{1,120}))?"
    r"(?:/(?P<flavour>key|new))?"
    r"(?:/archive/(?P<upto>0|[1-9][0-9]{0,17})-(?P<version>0|[1-9a-f][0-9a-f]{0,14}))?"
    r"/(?P<file>[a-z]+\.[a-z]+)"
)


def parse_feed_path(path: str) -> tuple[FeedTopic, Format] | None:
    """The feed at that decoded path; None where none can be."""
    match = _PATH.fullmatch(path)
    if match is None or match["file"] not in _FORMATS:
        return None
    name = match["name"] or ""
    if not name.isprintable():
        return None
    archive = None
    if match["upto"]:
        archive = Archive(int(match["upto"]), int(match["version"], 16))
    topic = FeedTopic(Scope(match["scope"] or ""), name, Flavour(match["flavour"] or ""), archive)
    return topic, _FORMATS[match["file"]]
