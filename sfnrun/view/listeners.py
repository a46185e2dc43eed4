"""Listeners that print nothing for people: JSON Lines, and the pace of a recorded execution.

{"timestamp": "2026-11-22T08:30:00.000Z", "type": "PassStateEntered", "id": 2, "previousEventId": 0, …}
{"timestamp": "2026-11-22T08:30:00.000Z", "note": "retry", "state": "Charge", "fiber": "", "attempt": 1, …}
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from sfnrun.errors import UsageError
from sfnrun.payload import dumps
from sfnrun.record import Event, Listener, Note, timestamp

__all__ = ["JsonLines", "Paced", "speed_of"]


class JsonLines:
    """A Listener that writes to a stream until its reader closes it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._open = True

    def event(self, event: Event) -> None:
        self._write({**event.to_aws(), "timestamp": timestamp(event.at)})

    def note(self, note: Note) -> None:
        envelope = {"timestamp": timestamp(note.at), "note": note.kind, "state": note.state, "fiber": note.fiber}
        self._write({**envelope, **note.details})

    def _write(self, line: dict[str, object]) -> None:
        if not self._open:
            return
        try:
            self._stream.write(dumps(line) + "\n")
        except (OSError, ValueError):
            # EPIPE, or a closed stream: the execution continues without a reader.
            self._open = False


class Paced:
    """A Listener in front of another one, which waits between events as they were apart, divided by `speed`."""

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
        message = f"invalid value for --speed: {text!r} is not a positive number or 'max'"
        raise UsageError(message, "for example: --speed 10")
    return speed
