"""`memory://`: entries of one process, bounded, with LRU or LFU eviction."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from sfnrun.cache.backend import BackendInfo, Counts, MissHint, RawLookup, Replacement, TooLarge, is_entry_key
from sfnrun.cache.entry import etag, is_expired

__all__ = ["MemoryBackend"]

# Number of miss hints kept.
_HINTS = 100_000


class MemoryBackend:
    """Entries in a dict. `size_limit` is in bytes, `eviction` "lru" or "lfu"."""

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
        self._hints: dict[str, MissHint] = {}
        self._tasks: set[str] = set()
        self._size = 0
        self._evictions = 0

    def lookup(
        self, key: str, task: str = "", tag: str = "", expired_by: int | None = None, claim: bytes = b""
    ) -> RawLookup:
        """The lease is always free: between the threads of a process, single flight takes its place."""
        with self._lock:
            value, tag_value = self._get(key), self._get(tag) if tag else None
            if expired_by is None or not is_expired(value, expired_by):
                return RawLookup(value, tag_value)
            if value is None and claim:
                self._put(key, claim)
            return RawLookup(value, tag_value, "", task in self._tasks, self._hints.get(key))

    def lookup_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        with self._lock:
            return [self._get(key) for key in keys]

    def _get(self, key: str) -> bytes | None:
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
            self._uses[key] += 1
        return value

    def release(self, key: str, lease: str, replacement: Replacement | None = None) -> bool:
        with self._lock:
            stored = self._values.get(key)
            if replacement is None or (None if stored is None else etag(stored)) != replacement.etag:
                return False
            self._put(key, replacement.value)
            self._remember(key, replacement.hint)
            return True

    def put(self, key: str, value: bytes, retention_seconds: float | None, hint: MissHint | None = None) -> None:
        with self._lock:
            self._put(key, value)
            self._remember(key, hint)

    def _put(self, key: str, value: bytes) -> None:
        if len(value) > self._limit:
            raise TooLarge(f"{len(value):,} bytes exceed the size limit of {self._limit:,}")
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

    def _remember(self, key: str, hint: MissHint | None) -> None:
        if hint is None:
            return
        self._tasks.add(hint.task)
        self._hints.pop(key, None)
        self._hints[key] = hint
        if len(self._hints) > _HINTS:
            del self._hints[next(iter(self._hints))]

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

    def info(self) -> BackendInfo:
        return BackendInfo(self._size, self._limit, self._evictions, self._eviction)

    def clear(self) -> None:
        with self._lock:
            self._start()

    def close(self) -> None:
        return None
