"""Replay by state path: driver and journal that match a recording with a definition that has new states.

A state path names a point of an execution by states and visits: "/Each#1[1.0]/Work#2" is the second visit of Work in
item 0 of the first attempt of the first visit of Each. A state that is new in the definition shifts the ids of later
events and the keys of later effects; it does not change these paths. Events in new states are set aside. All others
have to happen as recorded, path by path; their ids, keys and their order across branches may differ.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from sfnrun.effects import Answered, Call, Driver, Pause, Redriven, Resumed, Sleep, Slept, Started, Submitted
from sfnrun.history.recording import Line, Recording, answered_of, event_of, note_of
from sfnrun.history.timeline import Timeline
from sfnrun.history.visit import Visit
from sfnrun.record import Event, Listener, Note
from sfnrun.replayer.matching import adopt_recorded, describe_event, describe_value, divergence
from sfnrun.replayer.recorded import Exhausted

__all__ = ["RecordedPaths", "StatePathDriver", "StatePathMatcher", "UnrecordedTask"]


class UnrecordedTask(Exception):
    """A Task that is not in the recording, without a driver for it; `state` is its name."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


# State paths are opaque here: names of states may have any character, so the separators are others than above.
Path = str

# The number of an answer line among all lines, and the line.
NumberedAnswer = tuple[int, Line]


def _visit_in(timeline: Timeline, fiber: str) -> Visit | None:
    """Return the visit that a fiber is in, aborted or not, or that is around it."""
    visit = timeline.last.get(fiber)
    if visit is not None and visit.exited is None:
        return visit
    return _visit_in(timeline, fiber.rpartition("/")[0]) if fiber else None


def _path_of(timeline: Timeline, fiber: str) -> Path:
    visit = timeline.last.get(fiber)
    if visit is not None and visit.exited is None:
        return f"{_around(visit.around, visit.fork, fiber)}\x1f{visit.name}\x1e{visit.number}"
    around = _visit_in(timeline, fiber)
    return _around(around, around.forks if around is not None else 0, fiber)


def _around(visit: Visit | None, fork: int, fiber: str) -> Path:
    if visit is None:
        return ""
    outer = _around(visit.around, visit.fork, visit.fiber)
    return f"{outer}\x1f{visit.name}\x1e{visit.number}[{fork}.{fiber.rpartition('.')[2]}]"


class RecordedPaths:
    """A recording, indexed by state path.

    `events` are the recorded ones of each path, `keys` the keys of its effects, and `calls` the number of its Task
    calls. `answers` are by key. `states` are the names of all states that were entered.
    """

    def __init__(self, recording: Recording) -> None:
        self.events: dict[Path, deque[Event]] = {}
        self.keys: dict[Path, list[str]] = {}
        self.answers: dict[str, deque[NumberedAnswer]] = {}
        self.states: set[str] = set()
        self.calls: Counter[Path] = Counter()
        self.count = 0
        timeline = Timeline()
        for number, line in enumerate(recording.lines):
            if "event" in line:
                self.count += 1
                self._add_event(timeline, event_of(line, self.count, recording.start_time))
            elif "answer" in line:
                self._add_answer(timeline, number, line)
            else:
                timeline.note(note_of(line, recording.start_time))

    def is_new(self, visit: Visit | None) -> bool:
        """Return whether a visit is of a state, or inside of one, that was never entered."""
        while visit is not None and visit.name in self.states:
            visit = visit.around
        return visit is not None

    def _add_event(self, timeline: Timeline, event: Event) -> None:
        path, _ = _fold(timeline, event)
        self.events.setdefault(path, deque()).append(event)
        if event.type.endswith("StateEntered"):
            self.states.add(event.details["name"])
        elif event.type.endswith("Scheduled"):
            self.calls[path] += 1

    def _add_answer(self, timeline: Timeline, number: int, line: Line) -> None:
        key = line["key"]
        if key not in self.answers:
            self.answers[key] = deque()
            if ":" in key:
                self.keys.setdefault(_path_of(timeline, key.rpartition(":")[0]), []).append(key)
        self.answers[key].append((number, line))


def _fold(timeline: Timeline, event: Event) -> tuple[Path, Visit | None]:
    """Add an event to a timeline; return the path and the visit that it belongs to."""
    if event.type.endswith("StateEntered"):
        timeline.event(event)
        return _path_of(timeline, event.fiber), timeline.last[event.fiber]
    path, visit = _path_of(timeline, event.fiber), _visit_in(timeline, event.fiber)
    timeline.event(event)
    return path, visit


class StatePathMatcher:
    """Journal that matches events with the recorded ones of the same path, and reports all to a listener.

    For an execution of AWS it is also the engine's ForeignHistory: recorded events get their ids and times. The states
    in `nondeterministic` make values that cannot be computed again, so the recorded ones are used.
    """

    def __init__(self, recorded: RecordedPaths, listener: Listener | None, nondeterministic: frozenset[str]) -> None:
        self.events: list[Event] = []
        self._recorded = recorded
        self._listener = listener
        self._nondeterministic = nondeterministic
        self._timeline = Timeline()
        self._is_foreign = False
        self._now = 0
        self._last_id = recorded.count

    def path_of(self, fiber: str) -> Path:
        """Return the state path of a fiber."""
        return _path_of(self._timeline, fiber)

    def is_new(self, fiber: str) -> bool:
        """Return whether a fiber is in a state that the recording does not have."""
        return self._recorded.is_new(_visit_in(self._timeline, fiber))

    def match(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> tuple[int, int]:
        """Return the id and the time of an event. A new event gets the time of the last answer."""
        self._is_foreign = True
        recorded = self._matched(Event(0, previous, self._now, type, fiber, details))
        if recorded is None:
            self._last_id += 1
            return self._last_id, self._now
        return recorded.id, recorded.at

    def event(self, event: Event) -> None:
        if not self._is_foreign:
            self._matched(event)
        self._now = event.at
        self.events.append(event)
        if self._listener is not None:
            self._listener.event(event)

    def note(self, note: Note) -> None:
        self._timeline.note(note)
        if self._listener is not None:
            self._listener.note(note)

    def answer(self, answered: Answered) -> None:
        """Answers are not compared: they come from the recording, or belong to a new state."""
        self._now = answered.at

    def flush(self) -> None:
        """Nothing is written."""

    def end(self) -> None:
        """The replay is over. Raises DivergenceError if recorded events are left."""
        left = [(path, events[0]) for path, events in self._recorded.events.items() if events]
        if left:
            path, event = min(left, key=lambda one: one[0] == "")
            what, text = "recorded event is missing from the replay", describe_event(event.type, event.details)
            raise divergence(what, _state_of(path), text, "nothing")

    def _matched(self, event: Event) -> Event | None:
        """Return the recorded event that this one is; None in a new state. Its details become the recorded ones."""
        type, fiber, details = event.type, event.fiber, event.details
        before = self._timeline.last.get(fiber) or self._timeline.last.get(fiber.rpartition("/")[0])
        path, visit = _fold(self._timeline, event)
        if self._recorded.is_new(visit):
            return None
        now, state = describe_event(type, details), _state_of(path)
        events = self._recorded.events.get(path)
        if not events:
            raise divergence("event is not in the recording", state, "nothing", now)
        recorded = events.popleft()
        if recorded.type != type or recorded.details.get("name") != details.get("name"):
            raise divergence("different event", state, describe_event(recorded.type, recorded.details), now)
        # The input of a state was made by the state before it, or around it.
        maker = before if type.endswith("StateEntered") else self._timeline.last.get(fiber)
        nondeterministic = maker is not None and maker.name in self._nondeterministic
        name = adopt_recorded(details, recorded.details, nondeterministic)
        if name is not None:
            sides = describe_value(recorded.details.get(name)), describe_value(details.get(name))
            raise divergence(f"{name} of {type} differs", state, *sides)
        return recorded


def _state_of(path: Path) -> str | None:
    return path.rpartition("\x1f")[2].partition("\x1e")[0] or None


class StatePathDriver:
    """Answers the n-th effect of a state path as the n-th of the recording was answered, in the recorded order.

    `matcher` knows the path of a fiber. `live` answers Tasks that are not in the recording; without it they raise
    UnrecordedTask.
    """

    def __init__(
        self, recorded: RecordedPaths, start_time: int, matcher: StatePathMatcher, live: Driver | None
    ) -> None:
        self._recorded = recorded
        self._start_time = start_time
        self._matcher = matcher
        self._live = live
        self._begun: Counter[Path] = Counter()
        self._calls: Counter[Path] = Counter()
        self._open: dict[str, deque[NumberedAnswer]] = {"": recorded.answers.get("", deque())}
        self._new: set[str] = set()
        self._due: deque[Answered] = deque()

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        if ":" not in key:  # the timeout of the execution
            self._open[key] = self._recorded.answers.get(key, deque())
            return
        fiber = key.rpartition(":")[0]
        unknown = isinstance(effect, Pause) and effect.state not in self._recorded.states
        if unknown or self._matcher.is_new(fiber):
            self._begin_new(key, effect, at)
            return
        path = self._matcher.path_of(fiber)
        keys = self._recorded.keys.get(path, [])
        number, self._begun[path] = self._begun[path], self._begun[path] + 1
        self._calls[path] += isinstance(effect, Call)
        if number < len(keys):
            self._open[key] = self._recorded.answers[keys[number]]
        elif isinstance(effect, Call) and self._calls[path] > self._recorded.calls[path]:
            self._begin_new(key, effect, at)

    def _begin_new(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        """An effect that is not in the recording: a Sleep passes, a Pause continues, and a Task is called."""
        if isinstance(effect, Sleep):
            self._due.append(Answered(effect.until, key, Slept()))
        elif isinstance(effect, Pause):
            self._due.append(Answered(at, key, Resumed()))
        elif self._live is None:
            raise UnrecordedTask(effect.request.state)
        else:
            self._new.add(key)
            self._live.begin(key, effect, at)

    def cancel(self, key: str) -> None:
        self._open.pop(key, None)
        if key in self._new and self._live is not None:
            self._new.discard(key)
            self._live.cancel(key)

    def redriven(self) -> Answered | None:
        """Return the recorded order to redrive the execution, if that is its next answer."""
        orders = self._open[""]
        if orders and orders[0][1]["answer"] == Redriven.__name__:
            return answered_of(orders.popleft()[1], self._start_time)
        return None

    def next(self, flush: Callable[[], None]) -> Answered:
        if self._new and self._live is not None:
            answered = self._live.next(flush)
            if not isinstance(answered.answer, Started | Submitted):
                self._new.discard(answered.key)
            return answered
        if self._due:
            return self._due.popleft()
        waiting = [
            (answers[0][0], key)
            for key, answers in self._open.items()
            if answers and answers[0][1]["answer"] != Redriven.__name__
        ]
        if not waiting:
            raise Exhausted
        key = min(waiting)[1]
        answered = answered_of(self._open[key].popleft()[1], self._start_time)
        return answered._replace(key=key)
