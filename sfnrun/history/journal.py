"""Journals that keep nothing, a list, or report to a listener, and several journals as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sfnrun.effects import Answered
from sfnrun.record import Event, Journal, Listener, Note

__all__ = ["EventList", "ListenerJournal", "MemoryJournal", "NullJournal", "combined"]


class NullJournal:
    """A journal that keeps nothing."""

    def event(self, event: Event) -> None:
        pass

    def note(self, note: Note) -> None:
        pass

    def answer(self, answered: Answered) -> None:
        pass

    def flush(self) -> None:
        pass


class EventList(NullJournal):
    """A journal that keeps the events in a list."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


class MemoryJournal(NullJournal):
    """A journal that keeps events and notes in memory, in their order."""

    def __init__(self) -> None:
        self._happened: list[Event | Note] = []

    def event(self, event: Event) -> None:
        self._happened.append(event)

    def note(self, note: Note) -> None:
        self._happened.append(note)

    def events(self) -> Iterator[Event]:
        """The events."""
        return (each for each in self._happened if isinstance(each, Event))

    def replay_to(self, listener: Listener) -> None:
        """Report every event and note to a listener, in order."""
        for each in self._happened:
            if isinstance(each, Event):
                listener.event(each)
            else:
                listener.note(each)


class ListenerJournal(NullJournal):
    """A journal that passes events and notes to a listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def event(self, event: Event) -> None:
        self._listener.event(event)

    def note(self, note: Note) -> None:
        self._listener.note(note)


class _Combined:
    def __init__(self, journals: Sequence[Journal]) -> None:
        self._journals = tuple(journals)
        self._event_methods: list[Callable[[Event], None]] = [journal.event for journal in journals]

    def event(self, event: Event) -> None:
        for method in self._event_methods:
            method(event)

    def note(self, note: Note) -> None:
        for journal in self._journals:
            journal.note(note)

    def answer(self, answered: Answered) -> None:
        for journal in self._journals:
            journal.answer(answered)

    def flush(self) -> None:
        for journal in self._journals:
            journal.flush()


def combined(journals: Sequence[Journal]) -> Journal:
    """Return one journal that writes to all of these, in order; a single one is returned as it is."""
    if not journals:
        return NullJournal()
    return journals[0] if len(journals) == 1 else _Combined(journals)
