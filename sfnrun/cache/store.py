"""A backend that never fails: what it cannot do is a miss, told once and counted, and the execution goes on.

What a failed write should have replaced must not be read again: such a key is tainted, and stays a miss until the mark
that it is gone has been written over it. Counters are gathered in memory and written down by the batch; a process that
is killed loses its last batch and no other.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from sfnrun.cache.backend import Asked, Backend, Batch, Lease, TooLarge, Unavailable
from sfnrun.cache.entry import Entry, Unreadable, decode, encode, head
from sfnrun.cache.key import generation_key
from sfnrun.payload import Json, Payload, loads

__all__ = ["Look", "NoLease", "Store", "Stored"]

_BATCH = 128
_BATCH_SECONDS = 1.0
# How long the mark that an entry is gone must outlive any handler that read before it.
_GONE_SECONDS = 3600.0
_REMEMBERED = 10_000


class Look(NamedTuple):
    """What was found under a key: an entry with its value, or nothing, and the `trouble` if there was some.

    `head` tells what was there, for `keep`. `behind`: a replica gave something older than what we have written.
    """

    entry: Entry | None = None
    payload: Payload | None = None
    failure: Json = None
    head: bytes | None = None
    trouble: str = ""
    behind: bool = False


class NoLease:
    """What is given for a lease when the backend is out of reach: nothing is held, nothing to give back."""

    def release(self) -> None:
        return None


class Stored(NamedTuple):
    """One entry as it lies there; `size` is in bytes."""

    key: str
    entry: Entry
    text: str
    size: int


class _Wrote(NamedTuple):
    """What this process last wrote under a key; a replica that gives something earlier is behind."""

    id: str
    stored_at: int


class Store:
    """Entries in a backend. `say` is given each thing once that the person at the keyboard should know."""

    def __init__(self, backend: Backend, say: Callable[[str], None] = lambda line: None) -> None:
        self.backend = backend
        self._say = say
        self._said: set[str] = set()
        self._guard = threading.Lock()
        self._flushing = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._asked: dict[str, Asked] = {}
        self._since = 0
        self._flushed_at = time.monotonic()
        self._tainted: dict[str, Entry] = {}
        self._tainted_tasks: set[str] = set()
        self._wrote: dict[str, _Wrote] = {}

    def look(self, key: str) -> Look:
        """What is kept under a key."""
        tainted = self._tainted.get(key)
        if tainted is not None and not self.put(key, tainted):
            return Look(trouble="the cache is out of reach")
        try:
            data = self.backend.get(key)
        except Unavailable as error:
            self._down(error)
            return Look(trouble="the cache is out of reach")
        wrote = self._wrote.get(key) if self.backend.may_lag else None
        if data is None:
            return Look(trouble="not on the replica yet" if wrote else "")
        try:
            return self._read(data, wrote)
        except Unreadable as error:
            self._tell(f"unreadable {error}", f"an entry in {self.backend.label} is {error}; it counts as a miss")
            return Look(head=head(data), trouble=f"the entry is {error}")

    def _read(self, data: bytes, wrote: _Wrote | None) -> Look:
        entry, text = decode(data)
        if entry.kind == "gone" and not entry.by:
            return Look(head=head(data))  # somebody's claim
        behind = wrote is not None and entry.id != wrote.id and entry.stored_at <= wrote.stored_at
        try:
            payload = Payload.parse(text) if entry.kind == "value" else None
            failure = loads(text) if entry.kind == "error" else None
        except ValueError as error:
            raise Unreadable("foreign") from error
        return Look(entry, payload, failure, head(data), "", behind)

    def claim(self, key: str, task: str) -> bytes | None:
        """Say in an empty place that an answer is on its way; the head to `keep` it over, None if it is not empty.

        Without it, nothing would tell a place that stayed empty from one that was written and flushed meanwhile, and
        what was read before the write would be kept after it.
        """
        mark = encode(_named(Entry("gone", task, "", 0, 0)), "null")
        try:
            return head(mark) if self.backend.swap(key, None, mark, _GONE_SECONDS) else None
        except (Unavailable, TooLarge) as error:
            self._not_kept(error)
            return None

    def keep(self, key: str, entry: Entry, text: str, seen: bytes | None, keep_seconds: float | None) -> bool:
        """Store an answer, unless something else was stored since `seen` was read: that is newer."""
        entry = _named(entry)
        try:
            kept = self.backend.swap(key, seen, encode(entry, text), keep_seconds)
        except (Unavailable, TooLarge) as error:
            self._not_kept(error)
            return False
        if kept:
            self._note(key, entry)
        return kept

    def put(self, key: str, entry: Entry, text: str = "null", keep_seconds: float | None = _GONE_SECONDS) -> bool:
        """Store over whatever is there. If that fails, what is there is not read again."""
        entry = _named(entry)
        try:
            self.backend.put(key, encode(entry, text), keep_seconds)
        except (Unavailable, TooLarge) as error:
            self._not_kept(error)
            self._tainted[key] = replace(entry, kind="gone", by=entry.by or entry.state)
            return False
        self._tainted.pop(key, None)
        self._note(key, entry)
        return True

    def _note(self, key: str, entry: Entry) -> None:
        if self.backend.may_lag:
            self._wrote.pop(key, None)
            self._wrote[key] = _Wrote(entry.id, entry.stored_at)
            if len(self._wrote) > _REMEMBERED:
                del self._wrote[next(iter(self._wrote))]
        if entry.kind != "gone":
            with self._guard:
                self._asked[key] = Asked(entry.task, entry.expires_at)

    def generation(self, task: str) -> str | None:
        """The mark that entries of the task must bear; None if it cannot be had, so that none of them is good."""
        if task in self._tainted_tasks and not self.renew_generation(task):
            return None
        key = generation_key(task)
        try:
            found = self.backend.get(key)
            if found is None:
                self.backend.swap(key, None, _mark(), None)
                found = self.backend.get(key)
        except Unavailable as error:
            self._down(error)
            return None
        return None if found is None else found.decode("ascii", "replace")

    def renew_generation(self, task: str) -> bool:
        """Make all entries of a task stale."""
        try:
            self.backend.put(generation_key(task), _mark(), None)
        except Unavailable as error:
            self._down(error)
            self._tainted_tasks.add(task)
            return False
        self._tainted_tasks.discard(task)
        return True

    def lease(self, key: str) -> Lease | None:
        """The right to call for a key among all processes; None while another has it."""
        try:
            return self.backend.lease(key)
        except Unavailable as error:
            self._down(error)
            return NoLease()

    def release(self, lease: Lease) -> None:
        try:
            lease.release()
        except Unavailable as error:
            self._down(error)

    def why_missing(self, task: str, key: str, now: int) -> str:
        """Why nothing is kept under a key: it never was, another one was, it expired, or it was evicted."""
        with self._guard:
            asked = self._asked.get(key)
            known = any(other.task == task for other in self._asked.values()) if asked is None else True
        if asked is None:
            try:
                recalled = self.backend.recall(task, key)
            except Unavailable as error:
                self._down(error)
                return "the cache is out of reach"
            asked, known = recalled.key, known or recalled.task
        if asked is None:
            return "payload changed" if known else "first time"
        return "expired" if asked.expires_at is not None and asked.expires_at <= now else "evicted"

    def count(self, task: str, **counts: int) -> None:
        """Add to the counters of a task; written down after 128 of these, or a second."""
        with self._guard:
            gathered = self._counts
            for name, count in counts.items():
                gathered[task, name] = gathered.get((task, name), 0) + count
            self._since += 1
            due = self._since >= _BATCH or time.monotonic() - self._flushed_at >= _BATCH_SECONDS
        if due:
            self.flush()

    def flush(self) -> bool:
        """Write down what has been gathered; what cannot be written is kept for the next time."""
        if not self._flushing.acquire(blocking=False):
            return False
        try:
            batch = self._take()
            try:
                self.backend.record(batch)
            except (Unavailable, TooLarge) as error:
                self._give_back(batch)
                self._down(error)
                return False
            return True
        finally:
            self._flushing.release()

    def _take(self) -> Batch:
        with self._guard:
            batch = Batch(dict(self._counts), dict(self._asked))
            self._counts.clear()
            self._asked.clear()
            self._since, self._flushed_at = 0, time.monotonic()
        return batch

    def _give_back(self, batch: Batch) -> None:
        with self._guard:
            for name, count in batch.counts.items():
                self._counts[name] = self._counts.get(name, 0) + count
            self._asked = {**batch.asked, **self._asked} if len(batch.asked) < _REMEMBERED else self._asked

    def close(self) -> None:
        self.flush()
        self.backend.close()

    def scan(self) -> Iterator[Stored]:
        """Every readable entry. Raises Unavailable."""
        for key, data in self.backend.scan():
            try:
                entry, text = decode(data)
            except Unreadable:
                continue
            if entry.kind != "gone":
                yield Stored(key, entry, text, len(data))

    def _not_kept(self, error: Unavailable | TooLarge) -> None:
        if isinstance(error, Unavailable):
            self._down(error)
        else:
            self._tell("too large", f"an answer was not kept in {self.backend.label}: {error}")

    def _down(self, error: Exception) -> None:
        with self._guard:
            self._counts["", "faults"] = self._counts.get(("", "faults"), 0) + 1
        self._tell("down", f"the cache is out of reach ({error}); the run goes on without it")

    def _tell(self, kind: str, line: str) -> None:
        with self._guard:
            if kind in self._said:
                return
            self._said.add(kind)
        self._say(line)


def _named(entry: Entry) -> Entry:
    return replace(entry, id=os.urandom(8).hex())


def _mark() -> bytes:
    return os.urandom(12).hex().encode()
