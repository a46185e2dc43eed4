"""The trace for programs: every event as a line of JSON, as GetExecutionHistory gives it, and every note.

{"timestamp": "2026-11-22T08:30:00.000Z", "type": "PassStateEntered", "id": 2, "previousEventId": 0, …}
{"timestamp": "2026-11-22T08:30:00.000Z", "note": "retry", "state": "Charge", "fiber": "", "attempt": 1, …}
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

from sfnrun.history.project import aws_event
from sfnrun.payload import dumps
from sfnrun.record import Event, Note

__all__ = ["JsonLines"]


class JsonLines:
    """A Listener that writes to a stream, as long as somebody reads it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._open = True

    def event(self, event: Event) -> None:
        self._write({**aws_event(event), "timestamp": _timestamp(event.at)})

    def note(self, note: Note) -> None:
        told = {"timestamp": _timestamp(note.at), "note": note.kind, "state": note.state, "fiber": note.fiber}
        self._write({**told, **note.details})

    def _write(self, line: dict[str, object]) -> None:
        if not self._open:
            return
        try:
            self._stream.write(dumps(line) + "\n")
        except (OSError, ValueError):
            # EPIPE, or a stream that was closed: the execution goes on without a reader.
            self._open = False


def _timestamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
