"""Where everything that happens goes, if it goes to more than one place: a file, a list, whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sfnrun.history.lines import Answered
from sfnrun.record import Event, Listener, Note

__all__ = ["Journal", "Kept", "Nowhere", "Told", "together"]


class Journal(Protocol):
    """Takes events, notes and answers; all that it has taken is safe when `flush` returns."""

    def event(self, event: Event) -> None: ...

    def note(self, note: Note) -> None: ...

    def answer(self, answered: Answered) -> None: ...

    def flush(self) -> None: ...


class Nowhere:
    """Forgets everything."""

    def event(self, event: Event) -> None:
        pass

    def note(self, note: Note) -> None:
        pass

    def answer(self, answered: Answered) -> None:
        pass

    def flush(self) -> None:
        pass


class Kept(Nowhere):
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


class Told(Nowhere):
    """Tells a listener of events and notes."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def event(self, event: Event) -> None:
        self._listener.event(event)

    def note(self, note: Note) -> None:
        self._listener.note(note)


class _Together:
    def __init__(self, journals: Sequence[Journal]) -> None:
        self._journals = tuple(journals)
        self._tell_event: list[Callable[[Event], None]] = [journal.event for journal in journals]

    def event(self, event: Event) -> None:
        for tell in self._tell_event:
            tell(event)

    def note(self, note: Note) -> None:
        for journal in self._journals:
            journal.note(note)

    def answer(self, answered: Answered) -> None:
        for journal in self._journals:
            journal.answer(answered)

    def flush(self) -> None:
        for journal in self._journals:
            journal.flush()


def together(journals: Sequence[Journal]) -> Journal:
    """One journal that writes to all of them, in order; just the one if there is one, which costs nothing."""
    if not journals:
        return Nowhere()
    return journals[0] if len(journals) == 1 else _Together(journals)
