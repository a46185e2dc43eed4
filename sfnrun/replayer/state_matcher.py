"""A recording taken apart by places, so that a definition with new states can be held against it.

What happens in a state that the recording does not know is set aside. All else has to happen as it was recorded, place
by place; ids, keys and the order across branches may differ.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from sfnrun.errors import DivergenceError
from sfnrun.history.file import Recording
from sfnrun.payload import Json
from sfnrun.record import Event, Listener, Note
from sfnrun.replayer.compare import ENVELOPE, shown, told
from sfnrun.replayer.matching import settled
from sfnrun.replayer.places import Places, around, state_of

__all__ = ["ByPlace", "Known", "RecordedPlaces"]


class Known(NamedTuple):
    """A recorded event; payloads in `details` are JSON text."""

    id: int
    at: int
    type: str
    details: Mapping[str, Json]


class RecordedPlaces:
    """`events` of each place in their order, `asked` the keys of its effects, `answers` by key.

    An answer is its number among the lines, and its line. `states` are the names of all states that were entered,
    `calls` counts the Tasks that each place scheduled, `count` all events.
    """

    def __init__(self, recording: Recording) -> None:
        self.events: dict[str, deque[Known]] = {}
        self.asked: dict[str, list[str]] = {}
        self.answers: dict[str, deque[tuple[int, Mapping[str, Json]]]] = {}
        self.states: set[str] = set()
        self.calls: dict[str, int] = {}
        self.count = 0
        self._began: int = recording.start["start_time"]
        places = Places()
        for number, line in enumerate(recording.lines):
            if "event" in line:
                self._add_event(places, line)
            elif "answer" in line:
                self._add_answer(places, number, line)

    def is_new(self, place: str) -> bool:
        """Whether a place is a state, or inside one, that was never entered."""
        return any(state_of(part) not in self.states for part in around(place))

    def _add_event(self, places: Places, line: Mapping[str, Json]) -> None:
        type, fiber = line["event"], line.get("fiber", "")
        place = _happens(places, type, fiber, line)
        self.count += 1
        details = {name: value for name, value in line.items() if name not in ENVELOPE}
        known = Known(self.count, self._began + line["at"], type, details)
        self.events.setdefault(place, deque()).append(known)
        if type.endswith("StateEntered"):
            self.states.add(line["name"])
        elif type.endswith("Scheduled"):
            self.calls[place] = self.calls.get(place, 0) + 1

    def _add_answer(self, places: Places, number: int, line: Mapping[str, Json]) -> None:
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
    """Holds what happens now against what was recorded at the same place, and tells of it.

    A Journal; and for an execution that AWS ran also its Ledger, which gives recorded events the numbers and the times
    that they had. `by_chance` names the states whose values nobody can compute again: the recorded ones count.
    """

    def __init__(self, recorded: RecordedPlaces, listener: Listener | None, by_chance: frozenset[str]) -> None:
        self.places = Places()
        self.kept: list[Event] = []
        self._recorded = recorded
        self._listener = listener
        self._by_chance = by_chance
        self._is_booked = False
        self._state: dict[str, str] = {}
        self._now = 0
        self._last = recorded.count

    def match(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> tuple[int, int]:
        """The number and the time that an event had; one that is new has the time of the last answer."""
        self._is_booked = True
        known = self._held(type, fiber, details)
        if known is None:
            self._last += 1
            return self._last, self._now
        return known.id, known.at

    def event(self, event: Event) -> None:
        if not self._is_booked:
            self._held(event.type, event.fiber, event.details)
        self._now = event.at
        self.kept.append(event)
        if self._listener is not None:
            self._listener.event(event)

    def note(self, note: Note) -> None:
        if self._listener is not None:
            self._listener.note(note)

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        """Answers are not compared: they come from the recording, or belong to what is new."""
        self._now = answered[0]

    def flush(self) -> None:
        """Nothing is written."""

    def end(self) -> None:
        """Nothing more happens now. Raises DivergenceError if the recording goes on somewhere."""
        left = [(place, events[0]) for place, events in self._recorded.events.items() if events]
        if left:
            place, known = min(left, key=lambda one: one[0] == "")
            recorded = told(known.type, known.details)
            raise _divergence(place, "It was recorded, and does not happen now.", recorded, "nothing")

    def _held(self, type: str, fiber: str, details: dict[str, Any]) -> Known | None:
        """The recorded event that this one is, if its place is not new; its details become what they were."""
        place = _happens(self.places, type, fiber, details)
        maker = self._maker(type, fiber, details)
        if self._recorded.is_new(place):
            return None
        events = self._recorded.events.get(place)
        if not events:
            raise _divergence(place, "It was not recorded.", "nothing", told(type, details))
        known = events.popleft()
        if known.type != type or known.details.get("name") != details.get("name"):
            recorded, now = told(known.type, known.details), told(type, details)
            raise _divergence(place, "Another event happens now.", recorded, now)
        name = settled(details, known.details, maker in self._by_chance)
        if name is not None:
            what = f"The {name} of {type} is another now."
            raise _divergence(place, what, shown(known.details.get(name)), shown(details.get(name)))
        return known

    def _maker(self, type: str, fiber: str, details: Mapping[str, Any]) -> str | None:
        """The state that made what an event tells: the one before, or around it, of what a state is given."""
        if not type.endswith("StateEntered"):
            return self._state.get(fiber)
        maker = self._state.get(fiber) or self._state.get(fiber.rpartition("/")[0])
        self._state[fiber] = details["name"]
        return maker


def _divergence(place: str, what: str, recorded: str, now: str) -> DivergenceError:
    state = state_of(place) or None
    where = f"In state '{state}': " if state else ""
    return DivergenceError(where + what, state=state, recorded=recorded, now=now)
