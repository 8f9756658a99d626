"""Absolute URLs, made from BASE_URL and never from the request's Host."""

from dataclasses import dataclass, replace

from feeds.document.feed_address import FeedTopic, Flavour, Scope
from feeds.document.feed_document import Format
from web.context import service

_NAMES = {Format.ATOM: "Atom", Format.RSS: "RSS", Format.JSON: "JSON"}


@dataclass(frozen=True)
class FeedLink:
    name: str  # of the format
    url: str
    media_type: str


def site_url(path: str) -> str:
    return service().settings.base_url + path


def contributor_url(slug: str) -> str:
    return page_url(FeedTopic(Scope.CONTRIBUTOR, slug))


def stream_url(slug: str) -> str:
    return site_url(f"/streams/{slug}")


def entry_url(slug: str, uid: str) -> str:
    return f"{stream_url(slug)}/entries/{uid}"


def page_url(topic: FeedTopic) -> str:
    """The page that a feed belongs to."""
    return site_url(topic.folder.rstrip("/") or "/")


def feed_url(topic: FeedTopic, fmt: Format) -> str:
    return site_url(topic.folder + fmt.file_name)


def feeds_of(topic: FeedTopic, flavour: str = "") -> list[FeedLink]:
    """The feed in that flavour and all formats, Atom first."""
    topic = replace(topic, flavour=Flavour(flavour))
    return [FeedLink(name, feed_url(topic, fmt), fmt.media_type) for fmt, name in _NAMES.items()]
