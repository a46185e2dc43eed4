"""Agenda of a World: a heap of timed entries for all its executions, and a second one for daemons.

Entries of equal time come in the order in which they were added, over all executions. So the order of everything
follows from what was asked for, and never from how fast a handler was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

__all__ = ["Agenda", "Entry", "Job", "Owner"]

# Void entries stay where they are until the heap has this many, or has doubled since they were last dropped.
COMPACT_AT = 1024


class Owner(Protocol):
    """Adds entries. An entry is void once its key is not `open` any more."""

    open: dict[str, Any]


# Time in milliseconds since 1970, place in the order, Owner, key, and what happens then.
Entry = tuple[int, int, Any, str, Any]


class Job:
    """Something to do that belongs to no execution. `cancel` makes its entry void."""

    __slots__ = ("open", "run")

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run
        self.open: dict[str, Any] = {"": None}

    def cancel(self) -> None:
        """Do not run it; has no effect on one that has run."""
        self.open.clear()


class Agenda:
    """Entries by time. A daemon keeps nothing going: time does not advance for it alone, see `first`."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._daemons: list[Entry] = []
        self._count = 0
        self._limits = [COMPACT_AT, COMPACT_AT]

    def __len__(self) -> int:
        return len(self._heap) + len(self._daemons)

    def reserve(self, count: int) -> int:
        """Reserve places in the order for entries that are added later; return the number of the first."""
        first = self._count + 1
        self._count += count
        return first

    def push(self, at: int, owner: Owner, key: str, what: Any, number: int = 0, *, daemon: bool = False) -> None:
        """Add an entry, in the reserved place `number` or behind all others of its time."""
        if not number:
            self._count = number = self._count + 1
        heap = self._daemons if daemon else self._heap
        heappush(heap, (at, number, owner, key, what))
        if len(heap) >= self._limits[daemon]:
            self._compact(heap, daemon)

    def _compact(self, heap: list[Entry], daemon: bool) -> None:
        """Drop void entries: the deadlines of ended executions are up to a year ahead and keep them in memory."""
        heap[:] = [entry for entry in heap if entry[3] in entry[2].open]
        heapify(heap)
        self._limits[daemon] = max(COMPACT_AT, 2 * len(heap))

    def take(self, until: float, *, daemons: bool = True) -> Entry | None:
        """Remove and return the next entry if its time has come by `until`; without `daemons` not the last of them."""
        heap = self._heap
        while heap:
            entry = heap[0]
            if entry[3] not in entry[2].open:
                heappop(heap)
            elif self._daemons:
                break
            else:
                return heappop(heap) if entry[0] <= until else None
        found = self.first(daemons=daemons)
        if found is None or found[0] > until:
            return None
        return heappop(heap if heap and heap[0] is found else self._daemons)

    def first(self, *, daemons: bool = True) -> Entry | None:
        """Return the next entry, which stays; without `daemons` None if nothing else is left."""
        heap, behind = self._heap, self._daemons
        while heap and heap[0][3] not in heap[0][2].open:
            heappop(heap)
        if not heap and not daemons:
            return None
        while behind and behind[0][3] not in behind[0][2].open:
            heappop(behind)
        if behind and (not heap or behind[0] < heap[0]):
            return behind[0]
        return heap[0] if heap else None

    def together(self, at: int) -> Iterator[Entry]:
        """Return the entries of a time before which there are none, in no order: they are on top of the heap."""
        heap, places = self._heap, [0]
        while places:
            place = places.pop()
            if place < len(heap) and heap[place][0] == at:
                places += (2 * place + 1, 2 * place + 2)
                if heap[place][3] in heap[place][2].open:
                    yield heap[place]
