"""What lies in a cache, for people: figures by task, lists, single entries; clearing, exporting and importing.

Secrets are kept from view: members named in `redact` were masked when the entry was kept, and a single entry shows its
shape and no values unless asked to. Times are milliseconds since 1970, ages are judged at `now`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

import msgspec

from sfnrun.cache.backend import Asked, Facts, Unavailable, is_entry_key
from sfnrun.cache.entry import Entry, encode
from sfnrun.cache.store import Store, Stored
from sfnrun.errors import UsageError
from sfnrun.payload import Json, loads

__all__ = ["Inventory", "Line", "Shown", "Stats", "TaskStats"]

_HIDDEN = "•••"


class TaskStats(NamedTuple):
    """One task's figures. `oldest_ms` is the age of its oldest entry, None without one."""

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
        """The part of all questions that was answered from the cache, fresh; None if there were none."""
        asked = self.hits + self.misses + self.stale
        return self.hits / asked if asked else None


class Stats(NamedTuple):
    """All tasks' figures, in order of name, and what the backend knows of itself. `faults` counts its failures."""

    label: str
    tasks: tuple[TaskStats, ...]
    facts: Facts
    faults: int


class Line(NamedTuple):
    """One entry in a list. `expires_in_ms` is negative for an expired one, None for one that never expires."""

    key: str
    task: str
    kind: str
    question: str
    age_ms: int
    expires_in_ms: int | None
    bytes: int
    took_ms: int


class Shown(NamedTuple):
    """One entry as a whole: what is known of it, and its value, masked or not."""

    key: str
    entry: Entry
    value: Json


class _Exported(msgspec.Struct, frozen=True):
    """One line of an export: as an Entry has it, with the text of the value as it was."""

    key: str
    entry: Entry
    text: str


class Inventory:
    """What lies in a store. Every method may raise Unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def stats(self, now: int) -> Stats:
        """Figures by task; hits and misses since the cache was last cleared."""
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
        return Stats(self._store.backend.label, tasks, self._store.backend.facts(), faults)

    def entries(self, now: int, task: str | None = None) -> list[Line]:
        """The entries, of one task or all, the youngest first."""
        found = [stored for stored in self._store.scan() if task in (None, stored.entry.task, stored.entry.state)]
        return [_line(stored, now) for stored in sorted(found, key=lambda stored: -stored.entry.stored_at)]

    def show(self, key: str, *, reveal: bool = False) -> Shown:
        """The entry whose key begins so. Raises UsageError if it is none, or several."""
        found = [stored for stored in self._store.scan() if stored.key.startswith(key)]
        if len(found) != 1:
            what = f"{len(found)} entries have keys" if found else "no entry has a key"
            raise UsageError(f"{what} that begin with {key!r}" if found else f"{what} that begins with {key!r}")
        value = loads(found[0].text)
        return Shown(found[0].key, found[0].entry, value if reveal else _masked(value))

    def clear(self, *, task: str | None = None, expired_at: int | None = None) -> int:
        """Remove the entries of one task, those that had expired by a time, or everything. How many there were."""
        if task is None and expired_at is None:
            count = 0
            with suppress(Unavailable):  # a folder that cannot be read can still be emptied
                count = sum(1 for _ in self._store.scan())
            self._store.backend.clear()
            return count
        keys = [stored.key for stored in self._store.scan() if _meant(stored.entry, task, expired_at)]
        for key in keys:
            self._store.backend.delete(key)
        return len(keys)

    def export(self) -> Iterator[str]:
        """Every entry as a line of JSON, values and all."""
        for stored in self._store.scan():
            yield msgspec.json.encode(_Exported(stored.key, stored.entry, stored.text)).decode()

    def import_lines(self, lines: Iterable[str]) -> int:
        """Keep what was exported; how many entries that were. Raises UsageError, with nothing kept, if it was not."""
        entries = [_read(number, line) for number, line in enumerate(lines, 1) if line.strip()]
        for exported in entries:
            entry = exported.entry
            data, asked = encode(entry, exported.text), Asked(entry.task, entry.expires_at)
            self._store.backend.put(exported.key, data, None, asked)
        return len(entries)


def _task_stats(task: str, figures: dict[str, int]) -> TaskStats:
    known = {name: count for name, count in figures.items() if name in TaskStats._fields}
    if not known.get("entries"):
        known.pop("oldest_ms", None)
    return TaskStats(task, **known)


def _line(stored: Stored, now: int) -> Line:
    key, entry, _text, size = stored
    expires_in = None if entry.expires_at is None else entry.expires_at - now
    age = now - entry.stored_at
    return Line(key, entry.task, entry.kind, entry.question, age, expires_in, size, entry.really_took_ms)


def _meant(entry: Entry, task: str | None, expired_at: int | None) -> bool:
    if task not in (None, entry.task, entry.state):
        return False
    return expired_at is None or (entry.expires_at is not None and entry.expires_at <= expired_at)


def _masked(value: Json) -> Json:
    """The shape of a value: names and lengths, but no text and no number."""
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
        raise UsageError(f"line {number} is no exported entry: {error}") from error
    if not is_entry_key(exported.key):
        raise UsageError(f"line {number} is no exported entry: {exported.key!r} is no key of ours")
    return exported
