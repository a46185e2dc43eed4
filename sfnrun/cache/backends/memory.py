"""`memory://`: kept in this process and gone with it; bounded, the least recently or least often used go first."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from sfnrun.cache.backend import Answer, Asked, Counts, Facts, Taken, TooLarge, is_entry_key
from sfnrun.cache.entry import head, is_dead

__all__ = ["MemoryBackend"]

# How many keys are remembered for the sake of a later miss's reason.
_REMEMBERED = 100_000


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

    def take(self, key: str, task: str = "", mark: str = "", dead: int | None = None, claim: bytes = b"") -> Taken:
        """The lease is always free: among the threads of a process the flights see to it."""
        with self._lock:
            value, marked = self._get(key), self._get(mark) if mark else None
            if dead is None or not is_dead(value, dead):
                return Taken(value, marked)
            if value is None and claim:
                self._put(key, claim)
            return Taken(value, marked, "", task in self._tasks, self._asked.get(key))

    def look(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        with self._lock:
            return [self._get(key) for key in keys]

    def _get(self, key: str) -> bytes | None:
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
            self._uses[key] += 1
        return value

    def give(self, key: str, lease: str, answer: Answer | None = None) -> bool:
        with self._lock:
            there = self._values.get(key)
            if answer is None or (None if there is None else head(there)) != answer.seen:
                return False
            self._put(key, answer.value)
            self._remember(key, answer.asked)
            return True

    def put(self, key: str, value: bytes, keep_seconds: float | None, asked: Asked | None = None) -> None:
        with self._lock:
            self._put(key, value)
            self._remember(key, asked)

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

    def _remember(self, key: str, asked: Asked | None) -> None:
        if asked is None:
            return
        self._tasks.add(asked.task)
        self._asked.pop(key, None)
        self._asked[key] = asked
        if len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]

    def delete(self, key: str) -> None:
        with self._lock:
            self._remove(key)

    def scan(self) -> Iterator[tuple[str, bytes]]:
        with self._lock:
            items = list(self._values.items())
        return ((key, value) for key, value in items if is_entry_key(key))

    def add(self, counts: dict[tuple[str, str], int]) -> None:
        with self._lock:
            self._counts.update(counts)
        counts.clear()

    def counts(self) -> Counts:
        return dict(self._counts)

    def facts(self) -> Facts:
        return Facts(self._size, self._limit, self._evictions, self._eviction)

    def clear(self) -> None:
        with self._lock:
            self._start()

    def close(self) -> None:
        return None
