"""The same key is asked for once at a time: the first calls, the others wait for what it brings."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

__all__ = ["Flight", "Flights"]

T = TypeVar("T")


class Flight(Generic[T]):
    """A call under way; `mine` says whether this very thread is making it."""

    __slots__ = ("_gate", "_leader", "_result")

    def __init__(self) -> None:
        self._leader = threading.get_ident()
        self._gate: threading.Lock | None = None  # made for the first who waits
        self._result: T | None = None

    @property
    def mine(self) -> bool:
        return self._leader == threading.get_ident()

    def wait(self, seconds: float) -> T | None:
        """What the call brought; None if that cannot be shared, or takes longer: then ask yourself."""
        assert self._gate is not None
        if not self._gate.acquire(timeout=seconds):
            return None
        self._gate.release()
        return self._result


class Flights(Generic[T]):
    """The calls under way by key."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[str, Flight[T]] = {}

    def enter(self, key: str) -> tuple[Flight[T], bool]:
        """The flight of a key, and whether you lead it: then you must `land` it, whatever happens."""
        with self._guard:
            flight = self._open.get(key)
            if flight is None:
                flight = self._open[key] = Flight()
                return flight, True
            if flight._gate is None:
                flight._gate = threading.Lock()
                flight._gate.acquire()
            return flight, False

    def land(self, key: str, flight: Flight[T], result: T | None) -> None:
        with self._guard:
            del self._open[key]
            flight._result = result
            if flight._gate is not None:
                flight._gate.release()
