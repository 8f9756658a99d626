"""From a path to the feed that lies there, as the shelf takes it."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from config.settings import Settings
from feeds.cache.cached_response import (
    ANY_ORIGIN,
    MAX_AGE_ONE_MINUTE,
    NOT_FOUND,
    SAFE_HEADERS,
    FinishedResponse,
    Rendered,
)
from feeds.cache.renderer import Renderer
from feeds.cache.response_cache import Make
from feeds.cache.validators import cache_control
from feeds.document.feed_address import FeedTopic, Scope, read_address
from feeds.document.feed_document import FeedDocument, Format
from feeds.document.load import FeedLoader, FeedMoved
from models.db.database import Database
from models.text.errors import Gone, MovedPermanently, NotFound

SHARE_OF_CACHE_BYTES = 0.125  # of the memory that is set for feeds, for written entries
_REMEMBERED = 32  # documents; they share their entries with the loader's memory


class FeedLoaderForCache:
    """Makes the site's feeds, each at its one address. The formats of a feed share what was read
    for one of them.
    """

    def __init__(self, db: Database, settings: Settings) -> None:
        self._loader = FeedLoader(db, settings)
        self._render = Renderer(int(settings.shelf_megabytes * 1_000_000 * SHARE_OF_CACHE_BYTES))
        self._base_url = settings.base_url
        self._read: OrderedDict[FeedTopic, FeedDocument] = OrderedDict()

    def __call__(self, path: str) -> Make | None:
        """How the feed at that decoded path is made; None where no feed can lie there."""
        found = read_address(path)
        return partial(self._make, *found) if found else None

    def _make(self, topic: FeedTopic, fmt: Format, anew: bool) -> Rendered | FinishedResponse:
        try:
            document = self._document(topic, anew)
        except MovedPermanently as exc:
            return _elsewhere(
                "301 Moved Permanently",
                f"{self._base_url}{replace(topic, name=exc.present).folder}{fmt.file_name}",
            )
        except NotFound:
            return NOT_FOUND
        except Gone as exc:
            return FinishedResponse("410 Gone", str(exc), MAX_AGE_ONE_MINUTE)
        except FeedMoved as exc:  # to a version that will be over one day, too
            return _elsewhere("302 Found", f"{self._base_url}{exc.topic.folder}{fmt.file_name}")
        return _made(topic, document, fmt, partial(self._render, document, fmt))

    def _document(self, topic: FeedTopic, anew: bool) -> FeedDocument:
        document = None if anew else self._read.get(topic)
        if document is None:
            document = self._read[topic] = self._loader.load(topic)
            while len(self._read) > _REMEMBERED:
                with suppress(KeyError):  # another thread took it away
                    self._read.popitem(last=False)
        return document


def _elsewhere(status: str, place: str) -> FinishedResponse:
    return FinishedResponse(
        status, f"This is now at {place}", (("Location", place), *MAX_AGE_ONE_MINUTE)
    )


def _made(
    topic: FeedTopic, document: FeedDocument, fmt: Format, render: Callable[[], bytes]
) -> Rendered:
    links = (
        f'<{document.self_url(fmt)}>; rel="self"',
        *(f'<{hub}>; rel="hub"' for hub in document.hubs),
    )
    return Rendered(
        render=render,
        # by a key that is drawn for each process, so nobody can find two that meet; the document is
        # large
        same=hash(document),
        content_type=fmt.content_type,
        cache_control=cache_control(document.max_age),
        changed=document.changed,
        stamp=document.stamp,
        stream=topic.name if topic.scope is Scope.STREAM else None,
        valid_until=document.valid_until,
        headers=(*SAFE_HEADERS, ANY_ORIGIN, ("Link", ", ".join(links))),
    )
