"""The shelf: documents that are made once for each change, and kept as bytes that only need to be
sent.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from feeds.cache.cached_response import CachedResponse, Copy, FinishedResponse, Rendered

# seconds since a document was asked for, after which it is made again only when it is asked for
RECENT_SECONDS = 60.0
RETRY_SECONDS = (
    1.0  # seconds for which the last good document is served after one could not be made
)
# seconds that a reader waits while another's request makes a document, where an old one is there
WAIT_SECONDS = 0.5

Make = Callable[[bool], Rendered | FinishedResponse]
"""Makes one document; where not asked to read anew, perhaps from what was read for another one."""
UNAVAILABLE = FinishedResponse(
    "503 Service Unavailable",
    "This cannot be made at the moment. Try again soon.",
    (("Retry-After", "5"), ("Cache-Control", "no-store")),
)


@dataclass(frozen=True, slots=True)
class PublicChanges:
    """The site's counter, and those of the streams that moved."""

    site: int
    streams: Mapping[str, int]


class OutageLog(Protocol):
    """Says what fails once, and once that it works again."""

    def report(self, what: str, exc: Exception, /) -> None: ...
    def over(self, what: str, /) -> None: ...


class Watching(Protocol):
    """A watcher, as far as a shelf is concerned."""

    def is_alive(self) -> bool: ...
    def wake(self) -> None: ...


class ResponseCache:
    """Documents by path. ``makers`` says how what lies at a path is made, None where nothing of
    ours does; ``changes`` is asked what moved after a count. For any number of threads.

    A watcher (`feeds.cache.change_watcher`) calls `look` whenever something was committed, and then
    nobody who asks has to. Without one each `find` looks first: right as well, but not fast.
    """

    def __init__(
        self,
        makers: Callable[[str], Make | None],
        changes: Callable[[int], PublicChanges | None],
        *,
        most_bytes: int,
        threads: int,
        troubles: OutageLog,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._makers, self._changes, self._most_bytes, self._troubles, self._clock = (
            makers,
            changes,
            most_bytes,
            troubles,
            clock,
        )
        self._kept: dict[str, CachedResponse] = {}
        self._flights: dict[str, Future[CachedResponse | FinishedResponse]] = {}
        self._site, self._streams = 0, dict[str, int]()  # the counters when we last looked
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._making = threading.BoundedSemaphore(threads)
        self.watcher: Watching | None = None
        self.bytes = 0
        self.faults = 0  # documents that could not be made

    def ready(self, path: str) -> CachedResponse | None:
        """The document at that path where it can be sent as it is: the whole cost of a hit."""
        kept = self._kept.get(path)
        if kept is None:
            return None
        now = self._clock()
        if now >= kept.until:
            return None
        kept.asked = now
        return kept

    def find(self, path: str) -> CachedResponse | FinishedResponse | None:
        """The document at that path, made where it must be; None where no maker knows the path."""
        make = self._makers(path)
        if make is None:
            return None
        if not self.watched:
            self._try_to_look()
        kept = self._kept.get(path)
        if kept is not None:
            kept.asked = self._clock()
            if kept.asked < kept.until or self._still_good(kept):
                return kept
        return self._once(path, make)

    def renew(self, path: str) -> None:
        """Make the document at that path again, which nobody asked for this time."""
        if make := self._makers(path):
            self._once(path, make)

    def copy(self, kept: CachedResponse, coding: str) -> Copy:
        """A document in a coding; made for the first reader who takes it."""
        copy = kept.add(coding)
        with self._lock:
            grown = kept.measure()
            if self._kept.get(kept.path) is kept:
                self.bytes += grown
                self._keep_within_bound()
        return copy

    def look(self) -> None:
        """Make stale what has changed since the last look, and nothing else. Raises what the
        database raises.
        """
        with self._looking:
            moves = self._changes(self._site)
            if moves is None:
                return
            with self._lock:
                if moves.site < self._site:  # another database, as after a restore
                    self._kept.clear()
                    self._streams.clear()
                    self.bytes = 0
                self._site = moves.site
                self._streams.update(moves.streams)
                for kept in self._kept.values():
                    self._age(kept)

    def wanted(self) -> list[str]:
        """What was asked for lately and has to be made again, the last asked for first.

        What nobody has asked for again since it was made waits until somebody does: else who reads
        all pages of a story once would have each of them made anew with each change.
        """
        now = self._clock()
        with self._lock:
            due = [
                kept
                for kept in self._kept.values()
                if now >= kept.until and kept.asked > max(kept.made, now - RECENT_SECONDS)
            ]
            due = [kept for kept in due if not self._is_good(kept, now)]
        return [kept.path for kept in sorted(due, key=_asked, reverse=True)]

    @property
    def watched(self) -> bool:
        """Whether a watcher runs, in this process."""
        return self.watcher is not None and self.watcher.is_alive()

    def wake(self) -> None:
        """Something was changed by this process: look at once.  Returns before that."""
        if self.watcher:
            self.watcher.wake()

    def __len__(self) -> int:
        return len(self._kept)

    def _try_to_look(self) -> None:
        try:
            self.look()
        except Exception as exc:
            self._troubles.report("looking for changes", exc)
        else:
            self._troubles.over("looking for changes")

    def _still_good(self, kept: CachedResponse) -> bool:
        """Whether it may be served; then perhaps with the Last-Modified that was not yet right
        before.
        """
        now = self._clock()
        with self._lock:
            if not self._is_good(kept, now):
                return False
            stands = kept.date(now)
            kept.until = min(stands, kept.expires) if self.watched else 0.0
            return True

    def _is_good(self, kept: CachedResponse, now: float) -> bool:
        return not kept.stale and now < kept.expires

    def _latest(self, stream: str | None) -> int:
        return self._site if stream is None else self._streams.get(stream, 0)

    def _age(self, kept: CachedResponse) -> None:
        if kept.stamp < self._latest(kept.stream):
            kept.stale, kept.until = True, 0.0

    def _once(self, path: str, make: Make) -> CachedResponse | FinishedResponse:
        """Make it, or wait for another thread that does already; an old one is better than a long
        wait.
        """
        with self._lock:
            kept, now = self._kept.get(path), self._clock()
            if kept and (now < kept.until or self._is_good(kept, now)):
                return kept
            flight = self._flights.get(path)
            if mine := flight is None:
                flight = self._flights[path] = Future()
        if mine:
            return self._fly(path, make, flight)
        try:
            return flight.result(WAIT_SECONDS if kept else None)
        except TimeoutError:  # a database that hangs must not hold every thread
            assert kept is not None
            return self._rest(kept)

    def _fly(
        self, path: str, make: Make, flight: "Future[CachedResponse | FinishedResponse]"
    ) -> CachedResponse | FinishedResponse:
        old = self._kept.get(path)
        found: CachedResponse | FinishedResponse = UNAVAILABLE
        try:
            if self._making.acquire(timeout=WAIT_SECONDS if old else None):
                try:
                    found = self._make(path, make, old)
                finally:
                    self._making.release()
            elif old:
                found = self._rest(old)
        finally:
            with self._lock:
                del self._flights[path]
            flight.set_result(found)
        return found

    def _make(
        self, path: str, make: Make, old: CachedResponse | None
    ) -> CachedResponse | FinishedResponse:
        made: Rendered | FinishedResponse | None = None
        try:
            made = make(False)
            if isinstance(made, Rendered) and self._is_old(made):
                made = make(True)
            if isinstance(made, FinishedResponse):
                return self._take_away(path, made)
            new = (
                old
                if old and old.same == made.same
                else CachedResponse(path, made, old, self._clock())
            )
        except Exception as exc:
            # Anybody may ask for any path, and only those where something lies may fill the log.
            return self._keep_old(
                old, f"making {path}" if old or made else "making a document", exc
            )
        self._troubles.over(f"making {path}")
        self._troubles.over("making a document")
        return self._put(new, made)

    def _is_old(self, made: Rendered) -> bool:
        with self._lock:
            return made.stamp < self._latest(made.stream) or bool(
                made.valid_until and made.valid_until.timestamp() <= self._clock()
            )

    def _keep_old(
        self, old: CachedResponse | None, what: str, exc: Exception
    ) -> CachedResponse | FinishedResponse:
        self._troubles.report(what, exc)
        with self._lock:
            self.faults += 1
        return self._rest(old) if old else UNAVAILABLE

    def _rest(self, old: CachedResponse) -> CachedResponse:
        """Let the old one do for a moment."""
        with self._lock:
            old.until = self._clock() + RETRY_SECONDS
        return old

    def _put(self, new: CachedResponse, made: Rendered) -> CachedResponse:
        """Let it stand in the old one's place: already stale where something moved while it was
        made.
        """
        with self._lock:
            now = self._clock()
            new.stale, new.made = False, now
            new.confirm(made)
            # a database whose clock is behind ours would say the same again
            new.expires = max(new.expires, now + RETRY_SECONDS)
            new.until = min(new.date(now), new.expires) if self.watched else 0.0
            self._age(new)
            self._remove(new.path)
            if new.size <= self._most_bytes:
                self._kept[new.path] = new
                self.bytes += new.size
                self._keep_within_bound()
        return new

    def _take_away(self, path: str, answer: FinishedResponse) -> FinishedResponse:
        with self._lock:
            self._remove(path)
        return answer

    def _remove(self, path: str) -> None:
        if old := self._kept.pop(path, None):
            self.bytes -= old.size

    def _keep_within_bound(self) -> None:
        """What was not asked for the longest goes, an eighth at a time."""
        if self.bytes > self._most_bytes:
            for kept in sorted(self._kept.values(), key=_asked):
                if self.bytes <= self._most_bytes * 7 // 8:
                    break
                self._remove(kept.path)


def _asked(kept: CachedResponse) -> float:
    return kept.asked
