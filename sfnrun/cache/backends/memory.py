"""`memory://`: kept in this process and gone with it; bounded, the least recently or least often used go first."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping

from sfnrun.cache.backend import Asked, Batch, Facts, Recalled, TooLarge, is_entry_key
from sfnrun.cache.entry import head

__all__ = ["MemoryBackend"]


# How many keys are remembered for the sake of a later miss's reason.
_REMEMBERED = 100_000


class _Free:
    """A lease where no other process can be in the way."""

    def release(self) -> None:
        return None


_FREE = _Free()


class MemoryBackend:
    """Bytes in a dict. `size_limit` is in bytes, `eviction` "lru" or "lfu"."""

    label = "memory"
    may_lag = False

    def __init__(self, size_limit: int = 64 * 2**20, eviction: str = "lru") -> None:
        self._limit = size_limit
        self._eviction = eviction
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._values: dict[str, bytes] = {}  # in order of use, the most recent last
        self._uses: Counter[str] = Counter()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._asked: dict[str, Asked] = {}
        self._tasks: set[str] = set()
        self._size = 0
        self._evictions = 0

    def get(self, key: str) -> bytes | None:
        with self._lock:
            value = self._values.pop(key, None)
            if value is not None:
                self._values[key] = value
                self._uses[key] += 1
            return value

    def put(self, key: str, value: bytes, keep_seconds: float | None) -> None:
        with self._lock:
            self._put(key, value)

    def swap(self, key: str, seen: bytes | None, value: bytes, keep_seconds: float | None) -> bool:
        with self._lock:
            there = self._values.get(key)
            if (None if there is None else head(there)) != seen:
                return False
            self._put(key, value)
            return True

    def _put(self, key: str, value: bytes) -> None:
        if len(value) > self._limit:
            raise TooLarge(f"{len(value):,} bytes, over the size limit of {self._limit:,}")
        self._remove(key)
        self._values[key] = value
        self._size += len(value)
        while self._size > self._limit:
            self._remove(self._victim(spared=key))
            self._evictions += 1

    def _victim(self, spared: str) -> str:
        others = (key for key in self._values if key != spared)
        return min(others, key=self._uses.__getitem__) if self._eviction == "lfu" else next(others)

    def _remove(self, key: str) -> None:
        value = self._values.pop(key, None)
        if value is not None:
            self._size -= len(value)
            del self._uses[key]

    def delete(self, key: str) -> None:
        with self._lock:
            self._remove(key)

    def lease(self, key: str) -> _Free:
        return _FREE

    def scan(self) -> Iterator[tuple[str, bytes]]:
        with self._lock:
            items = list(self._values.items())
        return ((key, value) for key, value in items if is_entry_key(key))

    def record(self, batch: Batch) -> None:
        with self._lock:
            self._counts.update(batch.counts)
            self._asked.update(batch.asked)
            self._tasks.update(asked.task for asked in batch.asked.values())
            for key in list(self._asked)[: max(0, len(self._asked) - _REMEMBERED)]:
                del self._asked[key]
            batch.counts.clear()
            batch.asked.clear()

    def recall(self, task: str, key: str) -> Recalled:
        return Recalled(task in self._tasks, self._asked.get(key))

    def counts(self) -> Mapping[tuple[str, str], int]:
        return dict(self._counts)

    def facts(self) -> Facts:
        return Facts(self._size, self._limit, self._evictions, self._eviction)

    def clear(self) -> None:
        with self._lock:
            self._start()

    def close(self) -> None:
        return None
