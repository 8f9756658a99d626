"""Bytes that are dear to make, kept while there is room."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class ByteCache:
    """By key; the one unused for longest goes first.  For several threads at once."""

    def __init__(self, most: int) -> None:
        """``most`` bytes of values, in all."""
        self._most, self._held = most, 0
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The value of ``key``, made outside the lock where it is not there: two threads may make
        it, both the same.
        """
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = make()
        with self._lock:
            self._held += len(made) - len(self._kept.get(key, b""))
            self._kept[key] = made
            while self._held > self._most:
                self._held -= len(self._kept.popitem(last=False)[1])
        return made
