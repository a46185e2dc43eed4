"""Inspect, clear, export and import a cache.

Keys named in `redact` were masked when an entry was stored, and a single entry is shown with its value masked unless
`reveal` is set. Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

import msgspec

from sfnrun.cache.backend import BackendInfo, MissHint, Unavailable, is_entry_key
from sfnrun.cache.entry import Entry, encode
from sfnrun.cache.store import Store, StoredEntry
from sfnrun.config.names import tasks_named
from sfnrun.errors import UsageError
from sfnrun.payload import Json, loads

__all__ = ["CacheAdmin", "CacheStats", "EntryDetails", "EntrySummary", "TaskStats"]

_HIDDEN = "•••"


class TaskStats(NamedTuple):
    """Figures of one task. `oldest_ms` is the age of its oldest entry, None without one."""

    task: str
    entries: int = 0
    bytes: int = 0
    oldest_ms: int | None = None
    hits: int = 0
    misses: int = 0
    stale: int = 0
    bypassed: int = 0
    calls: int = 0
    stores: int = 0
    saved_ms: int = 0

    @property
    def hit_rate(self) -> float | None:
        """Fraction of the lookups that were fresh hits; None if there were no lookups."""
        lookups = self.hits + self.misses + self.stale
        return self.hits / lookups if lookups else None


class CacheStats(NamedTuple):
    """Figures of all tasks, by name, and of the backend. `faults` counts the errors of the backend."""

    label: str
    tasks: tuple[TaskStats, ...]
    info: BackendInfo
    faults: int


class EntrySummary(NamedTuple):
    """An entry in a list. `expires_in_ms` is negative for an expired entry, None for one that never expires."""

    key: str
    task: str
    kind: str
    key_text: str
    age_ms: int
    expires_in_ms: int | None
    bytes: int
    took_ms: int


class EntryDetails(NamedTuple):
    """An entry with its metadata and its value, masked or not."""

    key: str
    entry: Entry
    value: Json


class _Exported(msgspec.Struct, frozen=True):
    """A line of an export; `text` is the JSON text of the value, unchanged."""

    key: str
    entry: Entry
    text: str


class CacheAdmin:
    """Inspects and changes the entries of a store. Every method may raise Unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def stats(self, now: int) -> CacheStats:
        """Return figures by task; hits and misses count since the cache was last cleared."""
        self._store.flush()
        found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for (task, name), count in self._store.backend.counts().items():
            found[task][name] += count
        for stored in self._store.scan():
            figures = found[stored.entry.task]
            figures["entries"] += 1
            figures["bytes"] += stored.size
            figures["oldest_ms"] = max(figures["oldest_ms"], now - stored.entry.stored_at)
        faults = found.pop("", {}).get("faults", 0)
        tasks = tuple(_task_stats(task, figures) for task, figures in sorted(found.items()))
        return CacheStats(self._store.backend.label, tasks, self._store.backend.info(), faults)

    def entries(self, now: int, task: str | None = None) -> list[EntrySummary]:
        """Return the entries of one task, or of all, newest first."""
        found = [stored for stored in self._store.scan() if _is_of(stored.entry, task)]
        return [_line(stored, now) for stored in sorted(found, key=lambda stored: -stored.entry.stored_at)]

    def show(self, key: str, *, reveal: bool = False) -> EntryDetails:
        """Return the entry with this key, or with a key that starts with it. Raises UsageError if it is not unique."""
        found = [stored for stored in self._store.scan() if stored.key.startswith(key)]
        if len(found) != 1:
            count = f"{len(found)} entries match" if found else "no entry matches"
            raise UsageError(f"{count} the key prefix '{key}'")
        value = loads(found[0].text)
        return EntryDetails(found[0].key, found[0].entry, value if reveal else _masked(value))

    def clear(self, *, task: str | None = None, expired_at: int | None = None) -> int:
        """Remove the entries of one task, those that expired by a time, or everything. Return how many there were."""
        if task is None and expired_at is None:
            count = 0
            with suppress(Unavailable):  # a directory that cannot be read can still be emptied
                count = sum(1 for _ in self._store.scan())
            self._store.backend.clear()
            return count
        keys = [stored.key for stored in self._store.scan() if _meant(stored.entry, task, expired_at)]
        for key in keys:
            self._store.backend.delete(key)
        return len(keys)

    def export(self) -> Iterator[str]:
        """Yield every entry, including its value, as a line of JSON."""
        for stored in self._store.scan():
            yield msgspec.json.encode(_Exported(stored.key, stored.entry, stored.text)).decode()

    def import_lines(self, lines: Iterable[str]) -> int:
        """Store exported entries and return how many. Raises UsageError, and stores none, if a line is not an entry."""
        entries = [_read(number, line) for number, line in enumerate(lines, 1) if line.strip()]
        for exported in entries:
            entry = exported.entry
            data, hint = encode(entry, exported.text), MissHint(entry.task, entry.expires_at)
            self._store.backend.put(exported.key, data, None, hint)
        return len(entries)


def _task_stats(task: str, figures: dict[str, int]) -> TaskStats:
    known = {name: count for name, count in figures.items() if name in TaskStats._fields}
    if not known.get("entries"):
        known.pop("oldest_ms", None)
    return TaskStats(task, **known)


def _line(stored: StoredEntry, now: int) -> EntrySummary:
    key, entry, _text, size = stored
    expires_in = None if entry.expires_at is None else entry.expires_at - now
    age = now - entry.stored_at
    return EntrySummary(key, entry.task, entry.kind, entry.key_text, age, expires_in, size, entry.real_took_ms)


def _is_of(entry: Entry, task: str | None) -> bool:
    """Whether an entry belongs to a task, which is named as under `tasks:` in sfnrun.yaml; None: every task."""
    return task in (None, entry.task) or bool(tasks_named([str(task)], entry.state, entry.task, entry.task))


def _meant(entry: Entry, task: str | None, expired_at: int | None) -> bool:
    if not _is_of(entry, task):
        return False
    return expired_at is None or (entry.expires_at is not None and entry.expires_at <= expired_at)


def _masked(value: Json) -> Json:
    """Return the shape of a value: its keys and lengths, without strings and numbers."""
    if isinstance(value, dict):
        return {name: _masked(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return value if value is None or isinstance(value, bool) else _HIDDEN


def _read(number: int, line: str) -> _Exported:
    try:
        exported = msgspec.json.decode(line, type=_Exported)
        loads(exported.text)
    except ValueError as error:
        raise UsageError(f"line {number} is not an exported cache entry: {error}") from error
    if not is_entry_key(exported.key):
        raise UsageError(f"line {number} is not an exported cache entry: invalid key {exported.key!r}")
    return exported
