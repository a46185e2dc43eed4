"""Entries in a directory, in the files of diskcache, for all processes of one machine.

diskcache writes on every read, to know what was used last. Here uses are noted in memory and written only when entries
must be evicted, which makes a hit six times as fast (tests/bench/cache.py).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import diskcache

from sfnrun.cache.backend import (
    CLAIM_SECONDS,
    BackendInfo,
    Counts,
    MissHint,
    RawLookup,
    Replacement,
    TooLarge,
    Unavailable,
    is_entry_key,
)
from sfnrun.cache.backends.locks import locks_in
from sfnrun.cache.backends.raw_cache import RawCache, refuse_foreign_settings
from sfnrun.cache.concurrency import Breaker
from sfnrun.cache.entry import etag, is_expired
from sfnrun.private import make_directory

__all__ = ["DiskBackend"]

_EVICTION = {"lru": "least-recently-used", "lfu": "least-frequently-used"}
_NO_WRITE_ON_READ = "least-recently-stored"
_HINTS = 100_000
_USES = 10_000  # noted before they are written or dropped
_TABLES = (
    "CREATE TABLE IF NOT EXISTS Tally (task TEXT, name TEXT, value INTEGER, PRIMARY KEY (task, name))",
    "CREATE TABLE IF NOT EXISTS Asked (key TEXT PRIMARY KEY, task TEXT, expires_at INTEGER)",
    "CREATE INDEX IF NOT EXISTS Asked_task ON Asked (task)",
)
_READ = "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1 AND (expire_time IS NULL OR expire_time > ?)"
_FAILURES = (sqlite3.Error, OSError, diskcache.Timeout)


class _Cursors(threading.local):
    """One cursor for each thread; to make one takes a tenth of a hit."""

    cursor: Any = None

    def of(self, cache: Any) -> Any:
        if self.cursor is None:
            self.cursor = cache._con.cursor()
        return self.cursor


class DiskBackend:
    """Entries in the directory `folder` (mode 0700).

    `size_limit` is in bytes, `eviction` "lru" or "lfu", `timeout` for the lock of the database in seconds.
    """

    may_lag = False

    def __init__(
        self,
        folder: Path | str,
        size_limit: int = 2**30,
        eviction: str = "lru",
        timeout: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = Path(folder)
        self.label = f"disk {folder}"
        self._limit = size_limit
        self._eviction = eviction
        self._timeout = timeout
        self._clock = clock
        self._breaker = Breaker(self.label, _FAILURES, clock)
        self._opening = threading.Lock()
        self._culling = threading.Lock()
        self._writing = threading.Lock()
        self._opened: Any = None
        self._cursors = _Cursors()
        self._uses: dict[str, tuple[float, int]] = {}
        self._hints: dict[str, MissHint] = {}  # not written yet
        self._tasks: set[str] = set()
        self._written = 0

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """Open the cache; every failure of the block is Unavailable."""
        with self._breaker:
            yield self._open_now()

    def _open_now(self) -> Any:
        if self._opened is None:
            with self._opening:
                if self._opened is None:
                    self._opened = self._create()
        return self._opened

    def _create(self) -> Any:
        make_directory(self.folder)
        if os.name == "posix" and self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)
        database = self.folder / diskcache.core.DBNAME
        refuse_foreign_settings(database)
        # All settings are passed, so that none is read from the directory.
        ours = {"size_limit": self._limit, "eviction_policy": _EVICTION[self._eviction], "cull_limit": 0}
        with closing(sqlite3.connect(database, timeout=self._timeout)) as held:
            # diskcache closes its connection twice while it opens. SQLite syncs the disk when the last one is closed.
            held.execute("PRAGMA schema_version").fetchone()
            cache = RawCache(self.folder, self._timeout, **{**diskcache.DEFAULT_SETTINGS, **ours})
            for statement in _TABLES:
                cache._sql(statement)
        cache.eviction_policy = _NO_WRITE_ON_READ
        self._locks = locks_in(str(self.folder.resolve()))
        return cache

    def lookup(
        self, key: str, task: str = "", tag: str = "", expired_by: int | None = None, claim: bytes = b""
    ) -> RawLookup:
        with self._breaker:  # not `_open`, whose generator would cost a tenth of a hit
            cache = self._open_now()
            value = self._get(cache, key)
            tag_value = self._get(cache, tag) if tag else None
            if expired_by is None or not is_expired(value, expired_by):
                return RawLookup(value, tag_value)
            if not self._locks.acquire(key):
                return RawLookup(value, tag_value)
            try:
                return self._taken(cache, key, task, tag_value, claim)
            except BaseException:
                self._locks.release(key)
                raise

    def lookup_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        with self._open() as cache:
            return [self._get(cache, key) for key in keys]

    def _get(self, cache: Any, key: str) -> bytes | None:
        """Read like `diskcache.Cache.get`, but without its statistics and its notes of what was read: twice as fast."""
        now = time.time()
        row = self._cursors.of(cache).execute(_READ, (key, now)).fetchone()
        if row is None:
            return None
        self._uses[key] = (now, self._uses.pop(key, (0.0, 0))[1] + 1)
        mode, filename, value = row
        if mode != diskcache.core.MODE_RAW or type(value) is not bytes:
            try:
                value = cache.disk.fetch(mode, filename, value, False)
            except FileNotFoundError:  # another process has replaced the entry
                return None
        found: bytes = value
        return found

    def _taken(self, cache: Any, key: str, task: str, tag_value: bytes | None, claim: bytes) -> RawLookup:
        """Look again under the lease: another process can have stored the entry since."""
        if claim:
            with self._transaction(cache):
                value = self._get(cache, key)
                if value is None:
                    cache.set(key, claim, expire=CLAIM_SECONDS)
        else:
            value = self._get(cache, key)
        if value is not None:
            return RawLookup(value, tag_value, key)
        hint = self._hints.get(key) or _recall(cache, key)
        task_known = hint is not None or task in self._tasks or _knows(cache, task)
        return RawLookup(None, tag_value, key, task_known, hint)

    def release(self, key: str, lease: str, replacement: Replacement | None = None) -> bool:
        try:
            return replacement is not None and self._swap(key, replacement)
        finally:
            if lease:
                self._locks.release(key)

    def _swap(self, key: str, replacement: Replacement) -> bool:
        self._refuse_too_large(replacement.value)
        with self._open() as cache:
            with self._transaction(cache):
                stored = self._get(cache, key)
                if (None if stored is None else etag(stored)) != replacement.etag:
                    return False
                cache.set(key, replacement.value, expire=replacement.retention_seconds)
            self._remember(key, replacement.hint)
            self._cull(cache, len(replacement.value))
            return True

    @contextmanager
    def _transaction(self, cache: Any) -> Iterator[None]:
        """Let one thread write at a time: SQLite makes threads that write together poll for the lock."""
        with self._writing, cache.transact():
            yield

    def _remember(self, key: str, hint: MissHint | None) -> None:
        """Note a hint; it is written with the counters, since a row for each entry would double the time of a write."""
        if hint is not None:
            self._hints[key] = hint
            self._tasks.add(hint.task)

    def put(self, key: str, value: bytes, retention_seconds: float | None, hint: MissHint | None = None) -> None:
        self._refuse_too_large(value)
        with self._open() as cache:
            with self._transaction(cache):
                cache.set(key, value, expire=retention_seconds)
            self._remember(key, hint)
            self._cull(cache, len(value))

    def _refuse_too_large(self, value: bytes) -> None:
        if len(value) > self._limit:
            raise TooLarge(f"{len(value):,} bytes exceed the size limit of {self._limit:,}")

    def _cull(self, cache: Any, written: int) -> None:
        """Evict entries if the directory is too large; checked after every hundredth of the limit."""
        self._written += written
        if self._written < self._limit // 100 or not self._culling.acquire(blocking=False):
            return
        try:
            self._written = 0
            if cache.volume() > self._limit:
                cache.expire()
                with self._transaction(cache):
                    self._write_uses(cache)
                cache.eviction_policy = _EVICTION[self._eviction]
                evicted = cache.cull()
                with self._transaction(cache):
                    _add(cache, {("", "evictions"): evicted})
        finally:
            cache.eviction_policy = _NO_WRITE_ON_READ
            self._culling.release()

    def _write_uses_if_they_matter(self, cache: Any) -> None:
        """Drop the uses if the directory is less than half full: eviction is too far off for them to matter."""
        if cache.volume() * 2 > self._limit:
            self._write_uses(cache)
        self._uses.clear()

    def _write_uses(self, cache: Any) -> None:
        used, self._uses = self._uses, {}
        cache._con.executemany(
            "UPDATE Cache SET access_time = ?, access_count = access_count + ? WHERE key = ? AND raw = 1",
            [(at, times, key) for key, (at, times) in list(used.items())],
        )

    def delete(self, key: str) -> None:
        with self._open() as cache:
            cache.delete(key)

    @property
    def _exists(self) -> bool:
        """Whether there is a directory to read; only a write creates it."""
        return self._opened is not None or self.folder.exists()

    def scan(self) -> Iterator[tuple[str, bytes]]:
        if not self._exists:
            return
        with self._open() as cache:
            for key in cache.iterkeys():
                value = self._get(cache, key) if is_entry_key(key) else None
                if value is not None:
                    yield key, value

    def add(self, counts: dict[tuple[str, str], int]) -> None:
        with self._open() as cache, self._transaction(cache):
            _add(cache, counts)
            hints, self._hints = self._hints, {}
            cache._con.executemany(
                "INSERT OR REPLACE INTO Asked VALUES (?, ?, ?)", [(key, *each) for key, each in hints.items()]
            )
            cache._sql("DELETE FROM Asked WHERE rowid <= (SELECT MAX(rowid) FROM Asked) - ?", (_HINTS,))
            if len(self._uses) > _USES:
                self._write_uses_if_they_matter(cache)
        counts.clear()

    def counts(self) -> Counts:
        if not self._exists:
            return {}
        with self._open() as cache:
            rows = cache._sql("SELECT task, name, value FROM Tally WHERE task <> ''").fetchall()
        return {(task, name): value for task, name, value in rows}

    def info(self) -> BackendInfo:
        if not self._exists:
            return BackendInfo(0, self._limit, 0, self._eviction)
        with self._open() as cache:
            rows = cache._sql("SELECT value FROM Tally WHERE task = '' AND name = 'evictions'").fetchall()
            return BackendInfo(cache.volume(), self._limit, rows[0][0] if rows else 0, self._eviction)

    def clear(self) -> None:
        if not self._exists:
            return
        self._hints.clear()
        self._tasks.clear()
        try:
            with self._open() as cache:
                cache.clear()
                cache._sql("DELETE FROM Tally")
                cache._sql("DELETE FROM Asked")
        except Unavailable:
            self._remove_files()

    def _remove_files(self) -> None:
        """Remove the files that diskcache makes, when the database is damaged."""
        self._opened, self._cursors = None, _Cursors()
        for path in self.folder.glob("cache.db*"):
            path.unlink()
        for path in self.folder.glob("[0-9a-f][0-9a-f]"):
            shutil.rmtree(path, ignore_errors=True)
        self._breaker = Breaker(self.label, _FAILURES, self._clock)

    def close(self) -> None:
        if self._opened is None:
            return
        with suppress(Unavailable), self._open() as cache, cache.transact():
            self._write_uses_if_they_matter(cache)
        self._opened.close()
        self._opened, self._cursors = None, _Cursors()


def _recall(cache: Any, key: str) -> MissHint | None:
    row = cache._sql("SELECT task, expires_at FROM Asked WHERE key = ?", (key,)).fetchone()
    return None if row is None else MissHint(*row)


def _knows(cache: Any, task: str) -> bool:
    return cache._sql("SELECT 1 FROM Asked WHERE task = ? LIMIT 1", (task,)).fetchone() is not None


def _add(cache: Any, counts: Counts) -> None:
    cache._con.executemany(
        "INSERT INTO Tally VALUES (?, ?, ?) ON CONFLICT (task, name) DO UPDATE SET value = value + excluded.value",
        [(task, name, count) for (task, name), count in counts.items() if count],
    )
