"""A backend that never fails: what it cannot do is a miss, told once and counted, and the execution goes on.

What a failed write should have replaced must not be read again: such a key is tainted, and stays a miss until the mark
that it is gone has been written over it. Counters are gathered in memory and written down by the batch; a process that
is killed loses its last batch and no other.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.cache.backend import Answer, Asked, Backend, Taken, TooLarge, Unavailable
from sfnrun.cache.entry import Entry, Unreadable, decode, encode, head
from sfnrun.cache.key import generation_key
from sfnrun.payload import Json, Payload, loads

__all__ = ["Look", "Store", "Stored"]

_BATCH = 1024
_BATCH_SECONDS = 1.0
# How long the mark that an entry is gone must outlive any handler that read before it.
_GONE_SECONDS = 3600.0
_REMEMBERED = 10_000


class Look(Struct, frozen=True):
    """What was found under a key: an entry with its value, or nothing, and the `trouble` if there was some.

    `head` tells what was there, for `give`. `generation` is the mark that entries of a watched task must bear; None if
    it cannot be had, so that none of them is good. `lease` is the right to ask the handler, None while another has it
    or if none was wanted. `behind`: a replica gave something older than what we have written. `known` and `asked` are
    what is remembered if nothing is there.
    """

    entry: Entry | None = None
    payload: Payload | None = None
    failure: Json = None
    head: bytes | None = None
    generation: str | None = ""
    lease: str | None = None
    trouble: str = ""
    behind: bool = False
    known: bool = False
    asked: Asked | None = None

    def why_missing(self, now: int) -> str:
        """Why nothing is kept under a key: it never was, another one was, it expired, or it was evicted."""
        if self.asked is None:
            return "payload changed" if self.known else "first time"
        expires_at = self.asked.expires_at
        return "expired" if expires_at is not None and expires_at <= now else "evicted"


# A place that is out of reach keeps nobody from asking the handler.
_OUT_OF_REACH = Look(generation=None, lease="", trouble="the cache is out of reach")


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
        self._since = 0
        self._flushed_at = time.monotonic()
        self._tainted: dict[str, Entry] = {}
        self._tainted_tasks: set[str] = set()
        self._wrote: dict[str, _Wrote] = {}

    def take(
        self, key: str, task: str = "", dead: int | None = None, watched: bool = False, written: bool = False
    ) -> Look:
        """What is kept under a key; and the lease, if nothing is there or what expires by `dead` (None: no lease).

        `watched`: the task has a generation. `written`: others write entries of it, so an empty place is claimed.
        Without the claim, nothing would tell a place that stayed empty from one that was written and flushed meanwhile,
        and what was read before the write would be kept after it.
        """
        tainted = self._tainted.get(key)
        if tainted is not None and not self.put(key, tainted):
            return _OUT_OF_REACH
        if watched and task in self._tainted_tasks and not self.renew_generation(task):
            return _OUT_OF_REACH
        claim = _claim(task) if written and dead is not None else b""
        try:
            taken = self.backend.take(key, task, generation_key(task) if watched else "", dead, claim)
        except (Unavailable, TooLarge) as error:
            self._not_kept(error)
            return _OUT_OF_REACH
        look = self._look(key, taken, claim)
        return self._with_generation(look, task, taken.mark) if watched else look

    def look(self, wanted: Sequence[tuple[str, str, bool]]) -> list[Look | None]:
        """What is kept under (key, task, watched), for all of them in one trip; None where `take` has to see to it."""
        marks = {task: generation_key(task) for _, task, watched in wanted if watched}
        keys = [key for key, _, _ in wanted]
        try:
            found = self.backend.look([*keys, *marks.values()])
        except Unavailable:  # which is told when it is taken
            return [None] * len(wanted)
        marked = dict(zip(marks, found[len(keys) :], strict=True))
        return [
            self._looked(key, task, value, marked.get(task), watched)
            for (key, task, watched), value in zip(wanted, found, strict=False)
        ]

    def _looked(self, key: str, task: str, value: bytes | None, mark: bytes | None, watched: bool) -> Look | None:
        is_tainted = key in self._tainted or task in self._tainted_tasks
        if value is None or is_tainted or (watched and mark is None):
            return None
        look = self._look(key, Taken(value, mark), b"")
        return self._with_generation(look, task, mark) if watched else look

    def _with_generation(self, look: Look, task: str, mark: bytes | None) -> Look:
        generation = self._generation(task, mark)
        return replace(look, generation=generation, trouble=look.trouble if generation else _OUT_OF_REACH.trouble)

    def _look(self, key: str, taken: Taken, claim: bytes) -> Look:
        value, lease = taken.value, taken.lease
        if value is None:
            claimed = head(claim) if claim and lease is not None else None
            return Look(head=claimed, lease=lease, known=taken.known, asked=taken.asked)
        try:
            return self._read(key, value, lease)
        except Unreadable as error:
            self._tell(f"unreadable {error}", f"an entry in {self.backend.label} is {error}; it counts as a miss")
            return Look(head=head(value), lease=lease, trouble=f"the entry is {error}")

    def _read(self, key: str, value: bytes, lease: str | None) -> Look:
        entry, text = decode(value)
        if entry.kind == "gone" and not entry.by:
            return Look(head=head(value), lease=lease)  # somebody's claim
        wrote = self._wrote.get(key)
        behind = wrote is not None and entry.id != wrote.id and entry.stored_at <= wrote.stored_at
        try:
            payload = Payload.parse(text) if entry.kind == "value" else None
            failure = loads(text) if entry.kind == "error" else None
        except ValueError as error:
            raise Unreadable("foreign") from error
        return Look(entry, payload, failure, head(value), "", lease, "", behind)

    def give(
        self,
        key: str,
        look: Look,
        entry: Entry | None = None,
        text: str = "null",
        keep_seconds: float | None = None,
    ) -> bool:
        """Give the lease back; store an answer, unless something else was stored since we looked: that is newer."""
        lease, answer = look.lease or "", None
        if entry is not None:
            entry = _named(entry)
            answer = Answer(look.head, encode(entry, text), keep_seconds, Asked(entry.task, entry.expires_at))
        elif not lease:
            return False
        try:
            kept = self.backend.give(key, lease, answer)
        except (Unavailable, TooLarge) as error:
            self._not_kept(error)
            return False
        if kept and entry is not None:
            self._note(key, entry)
        return kept

    def put(self, key: str, entry: Entry, text: str = "null", keep_seconds: float | None = _GONE_SECONDS) -> bool:
        """Store over whatever is there. If that fails, what is there is not read again."""
        entry = _named(entry)
        asked = None if entry.kind == "gone" else Asked(entry.task, entry.expires_at)
        try:
            self.backend.put(key, encode(entry, text), keep_seconds, asked)
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

    def generation(self, task: str) -> str | None:
        """The mark that entries of the task must bear; None if it cannot be had, so that none of them is good."""
        return self.take(generation_key(task), task, watched=True).generation

    def _generation(self, task: str, mark: bytes | None) -> str | None:
        key = generation_key(task)
        try:
            if mark is None:
                self.backend.give(key, "", Answer(None, _mark(), None))
                mark = self.backend.take(key).value
        except Unavailable as error:
            self._down(error)
        return None if mark is None else mark.decode("ascii", "replace")

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

    def count(self, task: str, **counts: int) -> None:
        """Add to the counters of a task; written down after 1,024 of these, or a second."""
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
            with self._guard:
                counts, self._counts = self._counts, {}
                self._since, self._flushed_at = 0, time.monotonic()
            try:
                if counts:
                    self.backend.add(counts)
            except (Unavailable, TooLarge) as error:
                self._give_back(counts)
                self._down(error)
                return False
            return True
        finally:
            self._flushing.release()

    def _give_back(self, counts: dict[tuple[str, str], int]) -> None:
        with self._guard:
            for name, count in counts.items():
                self._counts[name] = self._counts.get(name, 0) + count

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


def _claim(task: str) -> bytes:
    """Says in an empty place that an answer is on its way."""
    return encode(_named(Entry("gone", task, "", 0, 0)), "null")


def _mark() -> bytes:
    return os.urandom(12).hex().encode()
