"""A folder, kept by diskcache: `str` keys and `bytes` values only, and nothing in it is ever unpickled.

Whoever can write the folder can plant rows, so what we did not write ourselves is read as nothing: pickled values, keys
that are no words, file names that lead elsewhere. diskcache writes on every read to know what was used last; here the
uses are noted in memory and written when room must be made, which makes a hit six times as fast.
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

from sfnrun.cache.backend import Answer, Asked, Counts, Facts, Taken, TooLarge, Unavailable, is_entry_key
from sfnrun.cache.backends.locks import locks_in
from sfnrun.cache.backends.raw_cache import RawCache, refuse_foreign_settings
from sfnrun.cache.breaker import Breaker
from sfnrun.cache.entry import head, is_dead
from sfnrun.private import make_directory

__all__ = ["DiskBackend"]

_EVICTION = {"lru": "least-recently-used", "lfu": "least-frequently-used"}
_READS_WRITE_NOTHING = "least-recently-stored"
_REMEMBERED = 100_000
_USES_HELD = 10_000
# How long the mark that an answer is on its way must outlive any handler.
_CLAIM_SECONDS = 3600.0
_TABLES = (
    "CREATE TABLE IF NOT EXISTS Tally (task TEXT, name TEXT, value INTEGER, PRIMARY KEY (task, name))",
    "CREATE TABLE IF NOT EXISTS Asked (key TEXT PRIMARY KEY, task TEXT, expires_at INTEGER)",
    "CREATE INDEX IF NOT EXISTS Asked_task ON Asked (task)",
)
_READ = "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1 AND (expire_time IS NULL OR expire_time > ?)"
_FAILURES = (sqlite3.Error, OSError, diskcache.Timeout)


class _Cursors(threading.local):
    """One for each thread; to make one takes a tenth of a hit."""

    cursor: Any = None

    def of(self, cache: Any) -> Any:
        if self.cursor is None:
            self.cursor = cache._con.cursor()
        return self.cursor


class DiskBackend:
    """Entries in `folder` (mode 0700). `size_limit` is in bytes, `eviction` "lru" or "lfu", `timeout` in seconds."""

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
        self._used: dict[str, tuple[float, int]] = {}
        self._asked: dict[str, Asked] = {}  # not yet written down
        self._tasks: set[str] = set()
        self._written = 0

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """The diskcache.Cache; every failure of the block is Unavailable."""
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
        # All settings are given, so none is taken from the folder.
        ours = {"size_limit": self._limit, "eviction_policy": _EVICTION[self._eviction], "cull_limit": 0}
        with closing(sqlite3.connect(database, timeout=self._timeout)) as held:
            # While it opens, diskcache closes its connection twice. Where that is the last one, sqlite syncs the disk.
            held.execute("PRAGMA schema_version").fetchone()
            cache = RawCache(self.folder, self._timeout, **{**diskcache.DEFAULT_SETTINGS, **ours})
            for statement in _TABLES:
                cache._sql(statement)
        cache.eviction_policy = _READS_WRITE_NOTHING
        self._locks = locks_in(str(self.folder.resolve()))
        return cache

    def take(self, key: str, task: str = "", mark: str = "", dead: int | None = None, claim: bytes = b"") -> Taken:
        with self._breaker:  # without the ceremony of _open: this is what a hit costs
            cache = self._open_now()
            value = self._get(cache, key)
            marked = self._get(cache, mark) if mark else None
            if dead is None or not is_dead(value, dead):
                return Taken(value, marked)
            if not self._locks.take(key):
                return Taken(value, marked)
            try:
                return self._taken(cache, key, task, marked, claim)
            except BaseException:
                self._locks.drop(key)
                raise

    def look(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        with self._open() as cache:
            return [self._get(cache, key) for key in keys]

    def _get(self, cache: Any, key: str) -> bytes | None:
        """What diskcache's `get` gives, without its statistics and its notes of what was read: twice as fast."""
        now = time.time()
        row = self._cursors.of(cache).execute(_READ, (key, now)).fetchone()
        if row is None:
            return None
        self._used[key] = (now, self._used.pop(key, (0.0, 0))[1] + 1)
        mode, filename, value = row
        if mode != diskcache.core.MODE_RAW or type(value) is not bytes:
            try:
                value = cache.disk.fetch(mode, filename, value, False)
            except FileNotFoundError:  # somebody has replaced it meanwhile
                return None
        found: bytes = value
        return found

    def _taken(self, cache: Any, key: str, task: str, marked: bytes | None, claim: bytes) -> Taken:
        """What is there now that we have the lease: another process may have stored it since."""
        if claim:
            with self._transaction(cache):
                value = self._get(cache, key)
                if value is None:
                    cache.set(key, claim, expire=_CLAIM_SECONDS)
        else:
            value = self._get(cache, key)
        if value is not None:
            return Taken(value, marked, key)
        asked = self._asked.get(key) or _recall(cache, key)
        known = asked is not None or task in self._tasks or _knows(cache, task)
        return Taken(None, marked, key, known, asked)

    def give(self, key: str, lease: str, answer: Answer | None = None) -> bool:
        try:
            return answer is not None and self._swap(key, answer)
        finally:
            if lease:
                self._locks.drop(key)

    def _swap(self, key: str, answer: Answer) -> bool:
        self._refuse_too_large(answer.value)
        with self._open() as cache:
            with self._transaction(cache):
                there = self._get(cache, key)
                if (None if there is None else head(there)) != answer.seen:
                    return False
                cache.set(key, answer.value, expire=answer.keep_seconds)
            self._remember(key, answer.asked)
            self._cull(cache, len(answer.value))
            return True

    @contextmanager
    def _transaction(self, cache: Any) -> Iterator[None]:
        """One writer of this process at a time: sqlite has those that come together try again and again."""
        with self._writing, cache.transact():
            yield

    def _remember(self, key: str, asked: Asked | None) -> None:
        """Written down with the counters: a row of its own for each answer takes as long as the answer."""
        if asked is not None:
            self._asked[key] = asked
            self._tasks.add(asked.task)

    def put(self, key: str, value: bytes, keep_seconds: float | None, asked: Asked | None = None) -> None:
        self._refuse_too_large(value)
        with self._open() as cache:
            with self._transaction(cache):
                cache.set(key, value, expire=keep_seconds)
            self._remember(key, asked)
            self._cull(cache, len(value))

    def _refuse_too_large(self, value: bytes) -> None:
        if len(value) > self._limit:
            raise TooLarge(f"{len(value):,} bytes, over the size limit of {self._limit:,}")

    def _cull(self, cache: Any, written: int) -> None:
        """Make room when there may be too little; looked at after every hundredth of the limit."""
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
            cache.eviction_policy = _READS_WRITE_NOTHING
            self._culling.release()

    def _write_uses_if_they_matter(self, cache: Any) -> None:
        """What was used in a folder that is less than half full makes no difference when room is made, long after."""
        if cache.volume() * 2 > self._limit:
            self._write_uses(cache)
        self._used.clear()

    def _write_uses(self, cache: Any) -> None:
        used, self._used = self._used, {}
        cache._con.executemany(
            "UPDATE Cache SET access_time = ?, access_count = access_count + ? WHERE key = ? AND raw = 1",
            [(at, times, key) for key, (at, times) in list(used.items())],
        )

    def delete(self, key: str) -> None:
        with self._open() as cache:
            cache.delete(key)

    @property
    def _is_there(self) -> bool:
        """Who only looks makes no folder."""
        return self._opened is not None or self.folder.exists()

    def scan(self) -> Iterator[tuple[str, bytes]]:
        if not self._is_there:
            return
        with self._open() as cache:
            for key in cache.iterkeys():
                value = self._get(cache, key) if is_entry_key(key) else None
                if value is not None:
                    yield key, value

    def add(self, counts: dict[tuple[str, str], int]) -> None:
        with self._open() as cache, self._transaction(cache):
            _add(cache, counts)
            asked, self._asked = self._asked, {}
            cache._con.executemany(
                "INSERT OR REPLACE INTO Asked VALUES (?, ?, ?)", [(key, *each) for key, each in asked.items()]
            )
            cache._sql("DELETE FROM Asked WHERE rowid <= (SELECT MAX(rowid) FROM Asked) - ?", (_REMEMBERED,))
            if len(self._used) > _USES_HELD:
                self._write_uses_if_they_matter(cache)
        counts.clear()

    def counts(self) -> Counts:
        if not self._is_there:
            return {}
        with self._open() as cache:
            rows = cache._sql("SELECT task, name, value FROM Tally WHERE task <> ''").fetchall()
        return {(task, name): value for task, name, value in rows}

    def facts(self) -> Facts:
        if not self._is_there:
            return Facts(0, self._limit, 0, self._eviction)
        with self._open() as cache:
            rows = cache._sql("SELECT value FROM Tally WHERE task = '' AND name = 'evictions'").fetchall()
            return Facts(cache.volume(), self._limit, rows[0][0] if rows else 0, self._eviction)

    def clear(self) -> None:
        if not self._is_there:
            return
        self._asked.clear()
        self._tasks.clear()
        try:
            with self._open() as cache:
                cache.clear()
                cache._sql("DELETE FROM Tally")
                cache._sql("DELETE FROM Asked")
        except Unavailable:
            self._remove_files()

    def _remove_files(self) -> None:
        """Start anew where the database itself is broken; only what diskcache makes is removed."""
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


def _recall(cache: Any, key: str) -> Asked | None:
    row = cache._sql("SELECT task, expires_at FROM Asked WHERE key = ?", (key,)).fetchone()
    return None if row is None else Asked(*row)


def _knows(cache: Any, task: str) -> bool:
    return cache._sql("SELECT 1 FROM Asked WHERE task = ? LIMIT 1", (task,)).fetchone() is not None


def _add(cache: Any, counts: Counts) -> None:
    cache._con.executemany(
        "INSERT INTO Tally VALUES (?, ?, ?) ON CONFLICT (task, name) DO UPDATE SET value = value + excluded.value",
        [(task, name, count) for (task, name), count in counts.items() if count],
    )
