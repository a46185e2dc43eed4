"""Where everything that happens goes, if it goes to more than one place: a file, a list, whoever listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from sfnrun.history.record import Event, Listener, Note

__all__ = ["Journal", "Kept", "Nowhere", "Told", "together"]


class Journal(Protocol):
    """Takes events, notes and answers; an answer is safe when `answer` returns."""

    def event(self, id: int, previous: int, at: int, type: str, fiber: str, details: dict[str, Any]) -> None: ...

    def note(self, kind: str, at: int, fiber: str, state: str, details: dict[str, Any]) -> None: ...

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None: ...


class Nowhere:
    """Forgets everything."""

    def event(self, id: int, previous: int, at: int, type: str, fiber: str, details: dict[str, Any]) -> None:
        pass

    def note(self, kind: str, at: int, fiber: str, state: str, details: dict[str, Any]) -> None:
        pass

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        pass


class Kept(Nowhere):
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, id: int, previous: int, at: int, type: str, fiber: str, details: dict[str, Any]) -> None:
        self.events.append(Event(id, previous, at, type, fiber, details))


class Told(Nowhere):
    """Tells a listener of events and notes."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def event(self, id: int, previous: int, at: int, type: str, fiber: str, details: dict[str, Any]) -> None:
        self._listener.event(Event(id, previous, at, type, fiber, details))

    def note(self, kind: str, at: int, fiber: str, state: str, details: dict[str, Any]) -> None:
        self._listener.note(Note(kind, at, fiber, state, details))


class _Together:
    def __init__(self, journals: Sequence[Journal]) -> None:
        self._journals = tuple(journals)

    def event(self, id: int, previous: int, at: int, type: str, fiber: str, details: dict[str, Any]) -> None:
        for journal in self._journals:
            journal.event(id, previous, at, type, fiber, details)

    def note(self, kind: str, at: int, fiber: str, state: str, details: dict[str, Any]) -> None:
        for journal in self._journals:
            journal.note(kind, at, fiber, state, details)

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        for journal in self._journals:
            journal.answer(answered)


def together(journals: Sequence[Journal]) -> Journal:
    """One journal that writes to all of them, in order; just the one if there is one, which costs nothing."""
    if not journals:
        return Nowhere()
    return journals[0] if len(journals) == 1 else _Together(journals)
