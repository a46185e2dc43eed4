"""Fail-safe wrapper around a backend: every backend error is a counted miss, reported once.

A value that a failed write should have replaced must not be read again. So its key is dirty, and a miss, until a
tombstone has been written over it. Counters are collected in memory and written in batches; a process that is killed
loses its last batch only.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.cache.backend import Backend, MissHint, RawLookup, Replacement, TooLarge, Unavailable
from sfnrun.cache.entry import Entry, Unreadable, decode, encode, etag
from sfnrun.cache.key import tag_key
from sfnrun.payload import Json, Payload, loads

__all__ = ["Lookup", "Store", "StoredEntry"]

# Counters are written after this many changes, or this many seconds.
_BATCH = 1024
_BATCH_SECONDS = 1.0
# A tombstone must outlive every handler that was called before it was written.
_TOMBSTONE_SECONDS = 3600.0
_LAST_WRITES = 10_000


class Lookup(Struct, frozen=True):
    """What is stored under a key: an entry with its value, or nothing, and the `problem` if there was one.

    `etag` identifies what was stored, for `release`. `tag_version` is the version that entries of a tagged task must
    have; None if it is unknown, so that none of them is valid. `lease` is the right to call the handler; None if
    another process has it or none was requested. `lagging`: a replica returned something older than this process wrote.
    `task_known` and `hint` are what is remembered if nothing is stored.
    """

    entry: Entry | None = None
    payload: Payload | None = None
    failure: Json = None
    etag: bytes | None = None
    tag_version: str | None = ""
    lease: str | None = None
    problem: str = ""
    lagging: bool = False
    task_known: bool = False
    hint: MissHint | None = None

    def miss_reason(self, now: int) -> str:
        """Return why nothing is stored under the key: it never was, only others were, it expired or was evicted."""
        if self.hint is None:
            return "payload changed" if self.task_known else "first time"
        expires_at = self.hint.expires_at
        return "expired" if expires_at is not None and expires_at <= now else "evicted"


# With an empty lease: the caller may call the handler.
_UNAVAILABLE = Lookup(tag_version=None, lease="", problem="the cache is unavailable")


class StoredEntry(NamedTuple):
    """An entry as it is stored; `size` is in bytes."""

    key: str
    entry: Entry
    text: str
    size: int


class _LastWrite(NamedTuple):
    """What this process last wrote under a key; a replica that returns something earlier lags."""

    id: str
    stored_at: int


class Store:
    """Entries in a backend. `warn` is called with each warning for the user, once per kind."""

    def __init__(self, backend: Backend, warn: Callable[[str], None] = lambda line: None) -> None:
        self.backend = backend
        self._warn_user = warn
        self._warned: set[str] = set()
        self._guard = threading.Lock()
        self._flushing = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._changes = 0
        self._flushed_at = time.monotonic()
        self._dirty: dict[str, Entry] = {}
        self._dirty_tasks: set[str] = set()
        self._last_writes: dict[str, _LastWrite] = {}

    def lookup(
        self, key: str, task: str = "", expired_by: int | None = None, tagged: bool = False, written: bool = False
    ) -> Lookup:
        """Look up a key, and lease it if nothing is stored or it expires by `expired_by` (None: no lease).

        `tagged`: the task has a tag. `written`: other tasks write entries of this one, so an empty key is claimed.
        Without the claim, a key that stayed empty could not be told from one that was written and flushed since, and
        what the handler read before that write would be stored after it.
        """
        dirty = self._dirty.get(key)
        if dirty is not None and not self.put(key, dirty):
            return _UNAVAILABLE
        if tagged and task in self._dirty_tasks and not self.invalidate_all(task):
            return _UNAVAILABLE
        claim = _claim(task) if written and expired_by is not None else b""
        try:
            raw = self.backend.lookup(key, task, tag_key(task) if tagged else "", expired_by, claim)
        except (Unavailable, TooLarge) as error:
            self._not_stored(error)
            return _UNAVAILABLE
        lookup = self._parsed(key, raw, claim)
        return self._with_tag(lookup, task, raw.tag) if tagged else lookup

    def lookup_many(self, wanted: Sequence[tuple[str, str, bool]]) -> list[Lookup | None]:
        """Look up each (key, task, tagged), in one round trip; None where only `lookup` can decide."""
        tag_keys = {task: tag_key(task) for _, task, tagged in wanted if tagged}
        keys = [key for key, _, _ in wanted]
        try:
            found = self.backend.lookup_many([*keys, *tag_keys.values()])
        except Unavailable:  # reported by the lookup that follows
            return [None] * len(wanted)
        tags = dict(zip(tag_keys, found[len(keys) :], strict=True))
        return [
            self._clean(key, task, value, tags.get(task), tagged)
            for (key, task, tagged), value in zip(wanted, found, strict=False)
        ]

    def _clean(self, key: str, task: str, value: bytes | None, tag: bytes | None, tagged: bool) -> Lookup | None:
        is_dirty = key in self._dirty or task in self._dirty_tasks
        if value is None or is_dirty or (tagged and tag is None):
            return None
        lookup = self._parsed(key, RawLookup(value, tag), b"")
        return self._with_tag(lookup, task, tag) if tagged else lookup

    def _with_tag(self, lookup: Lookup, task: str, tag: bytes | None) -> Lookup:
        version = self._version(task, tag)
        return replace(lookup, tag_version=version, problem=lookup.problem if version else _UNAVAILABLE.problem)

    def _parsed(self, key: str, raw: RawLookup, claim: bytes) -> Lookup:
        value, lease = raw.value, raw.lease
        if value is None:
            claimed = etag(claim) if claim and lease is not None else None
            return Lookup(etag=claimed, lease=lease, task_known=raw.task_known, hint=raw.hint)
        try:
            return self._decoded(key, value, lease)
        except Unreadable as error:
            self._warn(f"unreadable {error}", f"ignored a cache entry in {self.backend.label}: the entry is {error}")
            return Lookup(etag=etag(value), lease=lease, problem=f"the entry is {error}")

    def _decoded(self, key: str, value: bytes, lease: str | None) -> Lookup:
        entry, text = decode(value)
        if entry.kind == "tombstone" and not entry.written_by:
            return Lookup(etag=etag(value), lease=lease)  # a claim
        last = self._last_writes.get(key)
        lagging = last is not None and entry.id != last.id and entry.stored_at <= last.stored_at
        try:
            payload = Payload.parse(text) if entry.kind == "value" else None
            failure = loads(text) if entry.kind == "error" else None
        except ValueError as error:
            raise Unreadable("foreign") from error
        return Lookup(entry, payload, failure, etag(value), "", lease, "", lagging)

    def release(
        self,
        key: str,
        lookup: Lookup,
        entry: Entry | None = None,
        text: str = "null",
        retention_seconds: float | None = None,
    ) -> bool:
        """End the lease of a lookup, and store an entry unless another was stored since: that one is newer."""
        lease, replacement = lookup.lease or "", None
        if entry is not None:
            entry = _with_id(entry)
            hint = MissHint(entry.task, entry.expires_at)
            replacement = Replacement(lookup.etag, encode(entry, text), retention_seconds, hint)
        elif not lease:
            return False
        try:
            stored = self.backend.release(key, lease, replacement)
        except (Unavailable, TooLarge) as error:
            self._not_stored(error)
            return False
        if stored and entry is not None:
            self._remember(key, entry)
        return stored

    def put(
        self, key: str, entry: Entry, text: str = "null", retention_seconds: float | None = _TOMBSTONE_SECONDS
    ) -> bool:
        """Store an entry unconditionally. If that fails, the key is dirty: its value is not read again."""
        entry = _with_id(entry)
        hint = None if entry.kind == "tombstone" else MissHint(entry.task, entry.expires_at)
        try:
            self.backend.put(key, encode(entry, text), retention_seconds, hint)
        except (Unavailable, TooLarge) as error:
            self._not_stored(error)
            self._dirty[key] = replace(entry, kind="tombstone", written_by=entry.written_by or entry.state)
            return False
        self._dirty.pop(key, None)
        self._remember(key, entry)
        return True

    def _remember(self, key: str, entry: Entry) -> None:
        if self.backend.may_lag:
            self._last_writes.pop(key, None)
            self._last_writes[key] = _LastWrite(entry.id, entry.stored_at)
            if len(self._last_writes) > _LAST_WRITES:
                del self._last_writes[next(iter(self._last_writes))]

    def tag_version(self, task: str) -> str | None:
        """Return the version of a task's tag; None if it is unknown, so that no entry of the task is valid."""
        return self.lookup(tag_key(task), task, tagged=True).tag_version

    def _version(self, task: str, tag: bytes | None) -> str | None:
        key = tag_key(task)
        try:
            if tag is None:
                self.backend.release(key, "", Replacement(None, _new_version(), None))
                tag = self.backend.lookup(key).value
        except Unavailable as error:
            self._unavailable(error)
        return None if tag is None else tag.decode("ascii", "replace")

    def invalidate_all(self, task: str) -> bool:
        """Invalidate all entries of a task, by a new version of its tag. Return whether that succeeded."""
        try:
            self.backend.put(tag_key(task), _new_version(), None)
        except Unavailable as error:
            self._unavailable(error)
            self._dirty_tasks.add(task)
            return False
        self._dirty_tasks.discard(task)
        return True

    def count(self, task: str, **counts: int) -> None:
        """Add to the counters of a task."""
        with self._guard:
            pending = self._counts
            for name, count in counts.items():
                pending[task, name] = pending.get((task, name), 0) + count
            self._changes += 1
            due = self._changes >= _BATCH or time.monotonic() - self._flushed_at >= _BATCH_SECONDS
        if due:
            self.flush()

    def flush(self) -> bool:
        """Write the pending counters; those that cannot be written stay pending."""
        if not self._flushing.acquire(blocking=False):
            return False
        try:
            with self._guard:
                counts, self._counts = self._counts, {}
                self._changes, self._flushed_at = 0, time.monotonic()
            try:
                if counts:
                    self.backend.add(counts)
            except (Unavailable, TooLarge) as error:
                self._restore(counts)
                self._unavailable(error)
                return False
            return True
        finally:
            self._flushing.release()

    def _restore(self, counts: dict[tuple[str, str], int]) -> None:
        with self._guard:
            for name, count in counts.items():
                self._counts[name] = self._counts.get(name, 0) + count

    def close(self) -> None:
        self.flush()
        self.backend.close()

    def scan(self) -> Iterator[StoredEntry]:
        """Yield every readable entry. Raises Unavailable."""
        for key, data in self.backend.scan():
            try:
                entry, text = decode(data)
            except Unreadable:
                continue
            if entry.kind != "tombstone":
                yield StoredEntry(key, entry, text, len(data))

    def _not_stored(self, error: Unavailable | TooLarge) -> None:
        if isinstance(error, Unavailable):
            self._unavailable(error)
        else:
            self._warn("too large", f"could not cache a result in {self.backend.label}: {error}")

    def _unavailable(self, error: Exception) -> None:
        with self._guard:
            self._counts["", "faults"] = self._counts.get(("", "faults"), 0) + 1
        self._warn("unavailable", f"cache unavailable ({error}); continuing without it")

    def _warn(self, kind: str, line: str) -> None:
        with self._guard:
            if kind in self._warned:
                return
            self._warned.add(kind)
        self._warn_user(line)


def _with_id(entry: Entry) -> Entry:
    return replace(entry, id=os.urandom(8).hex())


def _claim(task: str) -> bytes:
    """Return the bytes that say, under an empty key, that a result is on its way."""
    return encode(_with_id(Entry("tombstone", task, "", 0, 0)), "null")


def _new_version() -> bytes:
    return os.urandom(12).hex().encode()
