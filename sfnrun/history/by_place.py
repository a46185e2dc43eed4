"""A recording taken apart by places, so that a definition with new states can be held against it.

What happens in a state that the recording does not know is set aside. All else has to happen as it was recorded, place
by place; ids, keys and the order across branches may differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from sfnrun.errors import Divergence
from sfnrun.history.agreement import agreed
from sfnrun.history.compare import ENVELOPE, shown, told
from sfnrun.history.file import Recording
from sfnrun.history.places import Places, around, state_of
from sfnrun.payload import Json
from sfnrun.record import Event, Listener, Note

__all__ = ["ByPlace", "RecordedPlaces"]

Line = Mapping[str, Json]


class RecordedPlaces:
    """`events` of each place in their order, `asked` the keys of its effects, `answers` by key.

    An answer is its number among the lines, and its line. `states` are the names of all states that were entered,
    `calls` counts the Tasks that each place scheduled.
    """

    def __init__(self, recording: Recording) -> None:
        self.events: dict[str, deque[Line]] = {}
        self.asked: dict[str, list[str]] = {}
        self.answers: dict[str, deque[tuple[int, Line]]] = {}
        self.states: set[str] = set()
        self.calls: dict[str, int] = {}
        places = Places()
        for number, line in enumerate(recording.lines):
            if "event" in line:
                self._add_event(places, line)
            elif "answer" in line:
                self._add_answer(places, number, line)

    def _add_event(self, places: Places, line: Line) -> None:
        type, fiber = line["event"], line.get("fiber", "")
        place = _happens(places, type, fiber, line)
        self.events.setdefault(place, deque()).append(line)
        if type.endswith("StateEntered"):
            self.states.add(line["name"])
        elif type.endswith("Scheduled"):
            self.calls[place] = self.calls.get(place, 0) + 1

    def _add_answer(self, places: Places, number: int, line: Line) -> None:
        key = line["key"]
        if key not in self.answers:
            self.answers[key] = deque()
            if ":" in key:
                self.asked.setdefault(places.of(key.rpartition(":")[0]), []).append(key)
        self.answers[key].append((number, line))


def _happens(places: Places, type: str, fiber: str, details: Mapping[str, Any]) -> str:
    """The place of an event."""
    if type.endswith("StateEntered"):
        places.enter(fiber, details["name"])
    place = places.of(fiber)
    if type.endswith("StateExited"):
        places.leave(fiber)
    return place


class ByPlace:
    """A journal that compares what happens now with what was recorded at the same place.

    `by_chance`: values may differ in what nobody can compute again, as in a history of AWS's.
    """

    def __init__(
        self, recorded: RecordedPlaces, listener: Listener | None, kept: list[Event], *, by_chance: bool
    ) -> None:
        self.places = Places()
        self._recorded = recorded
        self._listener = listener
        self._kept = kept
        self._by_chance = by_chance

    def event(self, event: Event) -> None:
        place = _happens(self.places, event.type, event.fiber, event.details)
        if not self.is_new(place):
            self._compare(place, event.type, event.details)
        self._kept.append(event)
        if self._listener is not None:
            self._listener.event(event)

    def note(self, note: Note) -> None:
        if self._listener is not None:
            self._listener.note(note)

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        """Answers are not compared: they come from the recording, or belong to what is new."""

    def is_new(self, place: str) -> bool:
        """Whether a place is a state, or inside one, that the recording does not know."""
        return any(state_of(part) not in self._recorded.states for part in around(place))

    def end(self) -> None:
        """Nothing more happens now. Raises Divergence if the recording goes on somewhere."""
        left = [(place, events[0]) for place, events in self._recorded.events.items() if events]
        if left:
            place, line = min(left, key=lambda one: one[0] == "")
            raise _divergence(place, "It was recorded, and does not happen now.", told(line["event"], line), "nothing")

    def _compare(self, place: str, type: str, details: Mapping[str, Any]) -> None:
        events = self._recorded.events.get(place)
        if not events:
            raise _divergence(place, "It was not recorded.", "nothing", told(type, details))
        line = events.popleft()
        if line["event"] != type or line.get("name") != details.get("name"):
            raise _divergence(place, "Another event happens now.", told(line["event"], line), told(type, details))
        for name in details.keys() | (line.keys() - ENVELOPE):
            now, recorded = details.get(name), line.get(name)
            if now != recorded and agreed(name, now, recorded, self._by_chance) is None:
                what = f"The {name} of {type} is another now."
                raise _divergence(place, what, shown(recorded), shown(now))


def _divergence(place: str, what: str, recorded: str, now: str) -> Divergence:
    state = state_of(place) or None
    where = f"In state '{state}': " if state else ""
    return Divergence(where + what, state=state, recorded=recorded, now=now)
