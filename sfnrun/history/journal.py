"""Where everything that happens goes: the history file, the events that are kept, whoever listens."""

from __future__ import annotations

from typing import Any, NamedTuple

from sfnrun.history.file import HistoryFile
from sfnrun.history.record import Event, Listener, Note

__all__ = ["Journal"]


class Journal:
    """Keeps events in a file, in a list, or tells a listener of them; each only if it is given."""

    def __init__(
        self, file: HistoryFile | None = None, kept: list[Event] | None = None, listener: Listener | None = None
    ) -> None:
        self._file = file
        self._kept = kept
        self._listener = listener
        self.count = 0

    def event(self, id: int, previous: int, at: int, type: str, fiber: str, details: dict[str, Any]) -> None:
        self.count = id
        if self._file is not None:
            self._file.event(previous, at, type, fiber, details)
        if self._kept is not None:
            self._kept.append(Event(id, previous, at, type, fiber, details))
        if self._listener is not None:
            self._listener.event(Event(id, previous, at, type, fiber, details))

    def note(self, kind: str, at: int, fiber: str, state: str, details: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.note(kind, at, fiber, state, details)
        if self._listener is not None:
            self._listener.note(Note(kind, at, fiber, state, details))

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        if self._file is not None:
            at, key, answer = answered
            self._file.answer(type(answer).__name__, at, key, answer._asdict())
