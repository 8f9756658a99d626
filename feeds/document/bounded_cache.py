"""A cache of bounded size that evicts the least recently used values."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """For several threads.  ``size_of`` measures a value; without it each counts as 1."""

    def __init__(self, max_size: int, size_of: Callable[[V], int] = lambda _: 1) -> None:
        self._max_size = max_size
        self._size_of = size_of
        self._size = 0
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        with self._lock:
            former = self._values.pop(key, None)
            if former is not None:
                self._size -= self._size_of(former)
            self._values[key] = value
            self._size += self._size_of(value)
            while self._size > self._max_size:
                _, evicted = self._values.popitem(last=False)
                self._size -= self._size_of(evicted)
