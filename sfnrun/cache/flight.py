"""The same key is asked for once at a time: the first calls, the others wait for what it brings."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

__all__ = ["Flight", "Flights"]

T = TypeVar("T")


class Flight(Generic[T]):
    """A call under way. `leads` says whether it is yours to make; `mine` whether this very thread is making it."""

    __slots__ = ("_gate", "_leader", "_result")

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        self._leader = threading.get_ident()
        self._result: T | None = None

    @property
    def mine(self) -> bool:
        return self._leader == threading.get_ident()

    def wait(self, seconds: float) -> T | None:
        """What the call brought; None if that cannot be shared, or takes longer: then ask yourself."""
        if not self._gate.acquire(timeout=seconds):
            return None
        self._gate.release()
        return self._result

    def _land(self, result: T | None) -> None:
        self._result = result
        self._gate.release()


class Flights(Generic[T]):
    """The calls under way by key."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[str, Flight[T]] = {}

    def enter(self, key: str) -> tuple[Flight[T], bool]:
        """The flight of a key, and whether you lead it: then you must `land` it, whatever happens."""
        with self._guard:
            flight = self._open.get(key)
            if flight is not None:
                return flight, False
            flight = self._open[key] = Flight()
            return flight, True

    def land(self, key: str, flight: Flight[T], result: T | None) -> None:
        with self._guard:
            del self._open[key]
        flight._land(result)
