"""JSON Lines trace: each event as GetExecutionHistory returns it, and each note.

{"timestamp": "2026-11-22T08:30:00.000Z", "type": "PassStateEntered", "id": 2, "previousEventId": 0, …}
{"timestamp": "2026-11-22T08:30:00.000Z", "note": "retry", "state": "Charge", "fiber": "", "attempt": 1, …}
"""

from __future__ import annotations

from typing import TextIO

from sfnrun.payload import dumps
from sfnrun.record import Event, Note, timestamp

__all__ = ["JsonLines"]


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
