"""The response cache: feeds and pages as finished bytes, loaded again when their stream changes."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from feeds.cache.cached_response import CachedResponse, Copy, FinishedResponse, Rendered

# A response that nobody requested for so long is not refreshed in the background.
RECENT_SECONDS = 60.0
# A stale response is served for so long after loading it again failed or took too long.
RETRY_SECONDS = 1.0
# A request waits so long for another one that is loading the document, if there is a stale one.
WAIT_SECONDS = 0.5

Loader = Callable[[bool], Rendered | FinishedResponse]
"""Reads one document.  Called with False, it may use what was read for another format of a feed."""
UNAVAILABLE = FinishedResponse(
    "503 Service Unavailable",
    "This cannot be made at the moment. Try again soon.",
    (("Retry-After", "5"), ("Cache-Control", "no-store")),
)
_CHECKING = "looking for changes"


@dataclass(frozen=True, slots=True)
class PublicChanges:
    """The site's seq, and those of the streams that changed."""

    site_seq: int
    stream_seqs: Mapping[str, int]


class OutageLog(Protocol):
    """A log that writes each failure once, and once that it is over."""

    def report(self, what: str, exc: Exception, /) -> None: ...
    def over(self, what: str, /) -> None: ...


class Watcher(Protocol):
    """The cache's view of `feeds.cache.change_watcher.ChangeWatcher`."""

    def is_alive(self) -> bool: ...
    def wake(self) -> None: ...


class ResponseCache:
    """Responses by path, for any number of threads.

    ``loader_of`` gives the loader of a path, None where nothing cacheable can be.
    ``changes_since`` gives what changed after a seq of the site.

    A watcher calls `check_for_changes` after each commit, so that no request has to.  Without one
    each `get` checks first: correct as well, but slow.
    """

    def __init__(
        self,
        loader_of: Callable[[str], Loader | None],
        changes_since: Callable[[int], PublicChanges | None],
        *,
        max_bytes: int,
        threads: int,
        outages: OutageLog,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._loader_of = loader_of
        self._changes_since = changes_since
        self._max_bytes = max_bytes
        self._outages = outages
        self._clock = clock
        self._responses: dict[str, CachedResponse] = {}
        self._loading: dict[str, Future[CachedResponse | FinishedResponse]] = {}
        self._site_seq = 0
        self._stream_seqs: dict[str, int] = {}
        self._lock = threading.Lock()
        self._check_lock = threading.Lock()
        self._load_slots = threading.BoundedSemaphore(threads)
        self.watcher: Watcher | None = None
        self.bytes = 0
        self.failures = 0  # documents that could not be loaded

    def get_fresh(self, path: str) -> CachedResponse | None:
        """The response that can be sent without any check: the whole cost of a hit."""
        response = self._responses.get(path)
        if response is None:
            return None
        now = self._clock()
        if now >= response.fresh_until:
            return None
        response.last_access = now
        return response

    def get(self, path: str) -> CachedResponse | FinishedResponse | None:
        """The response of that path, loaded where needed; None where no loader knows the path."""
        loader = self._loader_of(path)
        if loader is None:
            return None
        if not self.watched:
            self._try_to_check()
        response = self._responses.get(path)
        if response is not None:
            response.last_access = self._clock()
            if response.last_access < response.fresh_until or self._revalidate(response):
                return response
        return self._load_once(path, loader)

    def refresh(self, path: str) -> None:
        """Load the document in the background; this does not count as an access."""
        loader = self._loader_of(path)
        if loader:
            self._load_once(path, loader)

    def encode(self, response: CachedResponse, coding: str) -> Copy:
        """The response in a coding, compressed for the first reader that accepts it."""
        copy = response.add(coding)
        with self._lock:
            growth = response.measure()
            if self._responses.get(response.path) is response:
                self.bytes += growth
                self._evict_least_recent()
        return copy

    def check_for_changes(self) -> None:
        """Mark as stale what changed since the last check.  Raises the database's errors."""
        with self._check_lock:
            changes = self._changes_since(self._site_seq)
            if changes is None:
                return
            with self._lock:
                if changes.site_seq < self._site_seq:  # another database, as after a restore
                    self._responses.clear()
                    self._stream_seqs.clear()
                    self.bytes = 0
                self._site_seq = changes.site_seq
                self._stream_seqs.update(changes.stream_seqs)
                for response in self._responses.values():
                    self._mark_if_stale(response)

    def paths_to_refresh(self) -> list[str]:
        """Stale responses that were requested recently, the last requested first.

        A response that nobody requested since it was loaded is left out.  Otherwise a robot that
        reads all pages of a story once would have each of them loaded again with each change.
        """
        now = self._clock()
        due = []
        with self._lock:
            for response in self._responses.values():
                requested = response.last_access > max(response.loaded_at, now - RECENT_SECONDS)
                if requested and not self._is_usable(response, now):
                    due.append(response)
        due.sort(key=attrgetter("last_access"), reverse=True)
        return [response.path for response in due]

    @property
    def watched(self) -> bool:
        """Whether a watcher runs in this process."""
        return self.watcher is not None and self.watcher.is_alive()

    def wake(self) -> None:
        """Have the watcher check at once, after a change by this process.  Does not wait for it."""
        if self.watcher:
            self.watcher.wake()

    def __len__(self) -> int:
        return len(self._responses)

    def _try_to_check(self) -> None:
        try:
            self.check_for_changes()
        except Exception as exc:
            self._outages.report(_CHECKING, exc)
        else:
            self._outages.over(_CHECKING)

    def _revalidate(self, response: CachedResponse) -> bool:
        """Whether it is still fresh; if so, adds a Last-Modified that could not be sent before."""
        now = self._clock()
        with self._lock:
            if not _is_fresh(response, now):
                return False
            self._set_fresh_until(response, now)
            return True

    def _set_fresh_until(self, response: CachedResponse, now: float) -> None:
        headers_final_until = response.update_last_modified(now)
        response.fresh_until = 0.0
        if self.watched:
            response.fresh_until = min(headers_final_until, response.expires_at)

    @staticmethod
    def _is_usable(response: CachedResponse, now: float) -> bool:
        return now < response.fresh_until or _is_fresh(response, now)

    def _latest_seq(self, stream: str | None) -> int:
        return self._site_seq if stream is None else self._stream_seqs.get(stream, 0)

    def _mark_if_stale(self, response: CachedResponse) -> None:
        if response.seq < self._latest_seq(response.stream):
            response.stale = True
            response.fresh_until = 0.0

    def _load_once(self, path: str, loader: Loader) -> CachedResponse | FinishedResponse:
        """Load the document, or wait for the thread that does; a stale one beats a long wait."""
        with self._lock:
            stale = self._responses.get(path)
            if stale and self._is_usable(stale, self._clock()):
                return stale
            pending = self._loading.get(path)
            if pending is None:
                self._loading[path] = Future()
        if pending is None:
            return self._load_for_all(path, loader)
        try:
            return pending.result(WAIT_SECONDS if stale else None)
        except TimeoutError:  # a database that hangs must not hold every thread
            assert stale is not None
            return self._serve_stale(stale)

    def _load_for_all(self, path: str, loader: Loader) -> CachedResponse | FinishedResponse:
        """Load the document in this thread, and hand it to the threads that wait for it."""
        stale = self._responses.get(path)
        response: CachedResponse | FinishedResponse = UNAVAILABLE
        try:
            if self._load_slots.acquire(timeout=WAIT_SECONDS if stale else None):
                try:
                    response = self._load(path, loader, stale)
                finally:
                    self._load_slots.release()
            elif stale:
                response = self._serve_stale(stale)
        finally:
            with self._lock:
                future = self._loading.pop(path)
            future.set_result(response)
        return response

    def _load(
        self, path: str, loader: Loader, stale: CachedResponse | None
    ) -> CachedResponse | FinishedResponse:
        rendered: Rendered | FinishedResponse | None = None
        try:
            rendered = loader(False)
            if isinstance(rendered, Rendered) and self._is_outdated(rendered):
                rendered = loader(True)
            if isinstance(rendered, FinishedResponse):
                with self._lock:
                    self._evict(path)
                return rendered
            if stale and stale.fingerprint == rendered.fingerprint:
                response = stale
            else:
                response = CachedResponse(path, rendered, stale, self._clock())
        except Exception as exc:
            # Only paths where something is are logged: a client can request arbitrary ones.
            exists = stale is not None or rendered is not None
            self._outages.report(f"making {path}" if exists else "making a document", exc)
            with self._lock:
                self.failures += 1
            return self._serve_stale(stale) if stale else UNAVAILABLE
        self._outages.over(f"making {path}")
        self._outages.over("making a document")
        self._store(response, rendered)
        return response

    def _is_outdated(self, rendered: Rendered) -> bool:
        if rendered.valid_until and rendered.valid_until.timestamp() <= self._clock():
            return True
        with self._lock:
            return rendered.seq < self._latest_seq(rendered.stream)

    def _serve_stale(self, stale: CachedResponse) -> CachedResponse:
        """Let requests have the stale response for `RETRY_SECONDS` without another attempt."""
        with self._lock:
            stale.fresh_until = self._clock() + RETRY_SECONDS
        return stale

    def _store(self, response: CachedResponse, rendered: Rendered) -> None:
        """Replace the former response; a change during the rendering leaves this one stale, too."""
        with self._lock:
            now = self._clock()
            response.stale = False
            response.loaded_at = now
            response.confirm(rendered)
            # A database whose clock is behind ours would give the document that has expired again.
            response.expires_at = max(response.expires_at, now + RETRY_SECONDS)
            self._set_fresh_until(response, now)
            self._mark_if_stale(response)
            self._evict(response.path)
            if response.size <= self._max_bytes:
                self._responses[response.path] = response
                self.bytes += response.size
                self._evict_least_recent()

    def _evict(self, path: str) -> None:
        response = self._responses.pop(path, None)
        if response:
            self.bytes -= response.size

    def _evict_least_recent(self) -> None:
        """Evict an eighth at a time, so that not every new response sorts all of them."""
        if self.bytes <= self._max_bytes:
            return
        for response in sorted(self._responses.values(), key=attrgetter("last_access")):
            if self.bytes <= self._max_bytes * 7 // 8:
                break
            self._evict(response.path)


def _is_fresh(response: CachedResponse, now: float) -> bool:
    return not response.stale and now < response.expires_at
