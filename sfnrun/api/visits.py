"""Visits of states by their places: resolve PLACE among the visits of an execution, and describe what is there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from sfnrun.addresses import Place, Step, parse_place
from sfnrun.api.options import moment
from sfnrun.asl.model import Machine, Task, every_state
from sfnrun.config.names import tasks_named
from sfnrun.errors import UsageError, did_you_mean
from sfnrun.history.visit import Attempt, Visit, VisitOutcome
from sfnrun.payload import Json, Payload
from sfnrun.tasks.resolve import named_function

__all__ = [
    "FoundVisit",
    "Places",
    "StateVisit",
    "StateVisits",
    "TaskCall",
    "TaskCalls",
    "state_visit",
    "states_of",
    "tasks_of",
]


class FoundVisit(NamedTuple):
    """The visit and the attempt that a place was resolved to, with the full `place`."""

    visit: Visit
    attempt: int
    place: Place


class Places:
    """Resolves places among the visits of an execution, whose definitions have these `states`."""

    def __init__(self, visits: Sequence[Visit], states: Collection[str] = ()) -> None:
        self.visits = visits
        self.states = {*states, *(visit.name for visit in visits)}
        # How often each state was visited in each fiber.
        self._counts = {(visit.fiber, visit.name): visit.number for visit in visits}

    def of(self, visit: Visit, attempt: int | None = None) -> Place:
        """The full place of a visit; the number of a visit or an attempt is left out where there was only one."""
        steps: list[Step] = []
        item: int | None = None
        inner: Visit | None = visit
        while inner is not None:
            number = inner.number if self._counts[inner.fiber, inner.name] > 1 else None
            steps.append(Step(inner.name, number, attempt, item))
            item = inner.item
            attempt = inner.fork if inner.around is not None and inner.around.forks > 1 else None
            inner = inner.around
        return Place(tuple(reversed(steps)))

    def text(self, visit: Visit, attempt: int | None = None) -> str:
        """The same as text."""
        return self.of(visit, attempt).text(self.states)

    def find(self, place: Place | str) -> FoundVisit:
        """The visit at a place: of several the first that failed, else the last; by default its last attempt.

        Raises UsageError if nothing is there.
        """
        if isinstance(place, str):
            place = parse_place(place, self.states)
        found = self.all_at(place)
        visit = next((each for each in found if each.outcome == "failed"), found[-1])
        last, attempts = place.steps[-1], len(visit.attempts)
        attempt = attempts if last.attempt is None or last.item is not None else last.attempt
        if attempt > attempts:
            raise UsageError(f"no attempt {attempt} of '{visit.name}': it had {attempts}")
        return FoundVisit(visit, attempt, self.of(visit, attempt if attempts > 1 else None))

    def all_at(self, place: Place) -> list[Visit]:
        """The visits that a place can mean, in the order of their entries; at least one. Raises UsageError."""
        for step in place.steps:
            self._check(step.state)
        *outer, last = place.steps
        if last.item is None:
            found = [visit for visit in self.visits if _is_at(visit, last) and _is_inside(visit, outer)]
        else:
            found = [visit for visit in self.visits if _is_inside(visit, place.steps)]
        if not found:
            raise UsageError(f"no visit at '{place.text(self.states)}'", "run `sfnrun trace show` to list the visits")
        return found

    def _check(self, state: str) -> None:
        if state not in self.states:
            names = ", ".join(f"'{name}'" for name in sorted(self.states)[:20])
            raise UsageError(f"unknown state '{state}'", did_you_mean(state, self.states, f"the states: {names}"))
        if all(visit.name != state for visit in self.visits):
            raise UsageError(f"state '{state}' was not visited", "run `sfnrun trace show` to list the visits")


def _is_at(visit: Visit, step: Step) -> bool:
    return visit.name == step.state and step.visit in (None, visit.number)


def _is_inside(visit: Visit, steps: Sequence[Step]) -> bool:
    """Whether the visits around a visit include all the steps, in their order; others can be in between."""
    remaining = list(steps)
    inner = visit
    while remaining and inner.around is not None:
        outer, step = inner.around, remaining[-1]
        if _is_at(outer, step) and step.item in (None, inner.item) and step.attempt in (None, inner.fork):
            remaining.pop()
        inner = outer
    return not remaining


class TaskCall(Struct, frozen=True):
    """One call of a Task: what its handler got, and what it answered. `ended` is None if it never did."""

    place: str
    payload: Json
    output: Json
    error: str | None
    cause: str | None
    started: datetime
    ended: datetime | None


class TaskCalls(Struct, frozen=True):
    """The calls of a Task, in their order."""

    calls: tuple[TaskCall, ...]


class StateVisit(Struct, frozen=True):
    """One visit of a state; `place` is its address.

    `exited` is None if the state was not left. `attempts` counts them. `cache` is what the cache did for a Task.
    """

    place: str
    state: str
    type: str
    entered: datetime
    exited: datetime | None
    took: timedelta
    outcome: VisitOutcome
    error: str | None
    cause: str | None
    attempts: int
    input: Json
    output: Json
    cache: Json = None


class StateVisits(Struct, frozen=True):
    """The visits at a place. The other members are those of the first visit that failed, else of the last one."""

    visits: tuple[StateVisit, ...]

    @property
    def chosen(self) -> StateVisit:
        """The first visit that failed, else the last one."""
        return next((visit for visit in self.visits if visit.outcome == "failed"), self.visits[-1])

    @property
    def input(self) -> Json:
        return self.chosen.input

    @property
    def output(self) -> Json:
        return self.chosen.output

    @property
    def error(self) -> str | None:
        return self.chosen.error

    @property
    def attempts(self) -> int:
        return self.chosen.attempts


def states_of(places: Places) -> Mapping[str, StateVisits]:
    """The visits of an execution by PLACE; it iterates over the names of the states that were visited."""
    return _States(places)


class _States(Mapping[str, StateVisits]):
    def __init__(self, places: Places) -> None:
        self._places = places

    def __getitem__(self, place: str) -> StateVisits:
        found = self._places.all_at(parse_place(place, self._places.states))
        return StateVisits(tuple(state_visit(visit, self._places) for visit in found))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(visit.name for visit in self._places.visits))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def tasks_of(places: Places, definition: Machine | None) -> Mapping[str, TaskCalls]:
    """The calls of Tasks by TASK (a state, function or resource); it iterates over the names of the states."""
    return _Tasks(places, definition)


class _Tasks(Mapping[str, TaskCalls]):
    def __init__(self, places: Places, definition: Machine | None) -> None:
        self._places = places
        graph = None if definition is None else definition.graph
        tasks = [] if graph is None else [state for state in every_state(graph) if isinstance(state, Task)]
        self._names = {task.name: (named_function(task), task.resource.arn) for task in tasks}

    def __getitem__(self, name: str) -> TaskCalls:
        visits = [visit for visit in self._places.visits if self._is_called(visit.name, name)]
        if not visits and not any(self._is_called(state, name) for state in self._names):
            known = [*self._names, *(function for function, _ in self._names.values() if function)]
            raise UsageError(f"unknown Task '{name}'", did_you_mean(name, known))
        return TaskCalls(tuple(call for visit in visits for call in self._calls(visit)))

    def _is_called(self, state: str, name: str) -> bool:
        function, resource = self._names.get(state, (None, ""))
        return bool(tasks_named([name], state, function, resource))

    def _calls(self, visit: Visit) -> Iterator[TaskCall]:
        several = len(visit.attempts) > 1
        for number, attempt in enumerate(visit.attempts, 1):
            if attempt.began is not None:
                place = self._places.text(visit, number if several else None)
                yield _task_call(place, attempt, attempt.began)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(visit.name for visit in self._places.visits if visit.calls))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _task_call(place: str, attempt: Attempt, began: int) -> TaskCall:
    return TaskCall(
        place=place,
        payload=_value(attempt.payload),
        output=_value(attempt.result),
        error=attempt.error,
        cause=attempt.cause,
        started=moment(began),
        ended=None if attempt.ended is None else moment(attempt.ended),
    )


def state_visit(visit: Visit, places: Places) -> StateVisit:
    """The public record of a visit."""
    return StateVisit(
        place=places.text(visit),
        state=visit.name,
        type=visit.type,
        entered=moment(visit.began),
        exited=None if visit.exited is None or visit.ended is None else moment(visit.ended),
        took=timedelta(milliseconds=visit.took),
        outcome=visit.outcome,
        error=visit.error,
        cause=visit.cause,
        attempts=len(visit.attempts),
        input=_value(visit.input),
        output=_value(visit.output),
        cache=next((note.details for note in reversed(visit.notes) if note.kind == "cache"), None),
    )


def _value(payload: Payload | None) -> Json:
    return None if payload is None else payload.value
