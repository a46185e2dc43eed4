"""Gives a recorded execution its pace back: waits between events as long as they were apart, divided by a speed."""

from __future__ import annotations

import time
from collections.abc import Callable

from sfnrun.errors import UsageError
from sfnrun.record import Event, Listener, Note

__all__ = ["Paced", "speed_of"]


class Paced:
    """A Listener in front of another one: `speed` 10 is ten times as fast as it was."""

    def __init__(
        self,
        listener: Listener,
        speed: float | None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._listener = listener
        self._speed = speed
        self._sleep = sleep
        self._at: int | None = None

    def event(self, event: Event) -> None:
        self._wait_until(event.at)
        self._listener.event(event)

    def note(self, note: Note) -> None:
        self._wait_until(note.at)
        self._listener.note(note)

    def _wait_until(self, at: int) -> None:
        before, self._at = self._at, at
        if self._speed is not None and before is not None and at > before:
            self._sleep((at - before) / 1000 / self._speed)


def speed_of(text: str) -> float | None:
    """The number in "10", "10x" or "0.5"; None for "max". Raises UsageError."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(f"--speed {text!r} is neither a number above 0 nor 'max'", "try --speed 10 or --speed max")
    return speed
