"""The site's feeds for the response cache."""

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
from feeds.cache.response_cache import Loader
from feeds.cache.validators import cache_control
from feeds.document.bounded_cache import BoundedCache
from feeds.document.feed_address import FeedTopic, Scope, parse_feed_path
from feeds.document.feed_document import FeedDocument, Format
from feeds.document.load import FeedLoader, FeedMoved
from models.db.database import Database
from models.text.errors import Gone, MovedPermanently, NotFound

_SHARE_OF_MEMORY = 0.125  # of the memory set for feeds, for rendered entries
# Few documents, because they share their entries with the memory of EntryReader.  Without them
# each format reads the feed by itself: a post to all documents of a stream and the site then takes
# 4.9 times as long as feedgen's two, not 2.6 times (`make bench feeds`).
_MAX_DOCUMENTS = 32


class CachedFeeds:
    """Finds the loader of each feed.  The formats of a feed share what was read for one of them."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._feed_loader = FeedLoader(db, settings)
        self._render = Renderer(int(settings.shelf_megabytes * 1_000_000 * _SHARE_OF_MEMORY))
        self._base_url = settings.base_url
        self._documents: BoundedCache[FeedTopic, FeedDocument] = BoundedCache(_MAX_DOCUMENTS)

    def __call__(self, path: str) -> Loader | None:
        """The loader of the feed at that decoded path; None where no feed can be."""
        address = parse_feed_path(path)
        return partial(self._load, *address) if address else None

    def _load(self, topic: FeedTopic, fmt: Format, reread: bool) -> Rendered | FinishedResponse:
        try:
            document = self._document(topic, reread)
        except MovedPermanently as exc:
            present = replace(topic, name=exc.present)
            return self._redirect("301 Moved Permanently", present, fmt)
        except NotFound:
            return NOT_FOUND
        except Gone as exc:
            return FinishedResponse("410 Gone", str(exc), MAX_AGE_ONE_MINUTE)
        except FeedMoved as exc:  # to a version that will be replaced one day, too
            return self._redirect("302 Found", exc.topic, fmt)
        links = [f'<{document.self_url(fmt)}>; rel="self"']
        links += [f'<{hub}>; rel="hub"' for hub in document.hubs]
        return Rendered(
            render=partial(self._render, document, fmt),
            # Only a hash, because the document is large.  Its key is random in each process, so
            # nobody can construct two documents that collide.
            fingerprint=hash(document),
            content_type=fmt.content_type,
            cache_control=cache_control(document.max_age),
            changed=document.changed,
            seq=document.seq,
            stream=topic.name if topic.scope is Scope.STREAM else None,
            valid_until=document.valid_until,
            headers=(*SAFE_HEADERS, ANY_ORIGIN, ("Link", ", ".join(links))),
        )

    def _document(self, topic: FeedTopic, reread: bool) -> FeedDocument:
        document = None if reread else self._documents.get(topic)
        if document is None:
            document = self._feed_loader.load(topic)
            self._documents.put(topic, document)
        return document

    def _redirect(self, status: str, topic: FeedTopic, fmt: Format) -> FinishedResponse:
        url = f"{self._base_url}{topic.folder}{fmt.file_name}"
        headers = (("Location", url), *MAX_AGE_ONE_MINUTE)
        return FinishedResponse(status, f"This is now at {url}", headers)
