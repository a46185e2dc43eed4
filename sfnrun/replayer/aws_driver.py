"""Answers as another interpreter's history tells them: what a Task's events say, at the times they say it.

An effect is answered by the event that follows the last one of its fiber: TaskSucceeded after TaskStarted, the exit of
a Wait after its entry. Every state is paused before, and its entry answers the Pause. Of all effects that are open the
one whose event came first is answered first, so branches take turns as they did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from sfnrun.effects import (
    Answer,
    Answered,
    Call,
    Failed,
    Pause,
    Redriven,
    Resumed,
    Sleep,
    Slept,
    Started,
    Stopped,
    Submitted,
    Succeeded,
    TimedOut,
)
from sfnrun.errors import HistoryError
from sfnrun.payload import Json, Payload
from sfnrun.replayer.recorded import Exhausted

__all__ = ["Given", "RetraceDriver", "Told", "Track"]


class Told(Protocol):
    """A recorded event; `details` has payloads as JSON text, `fiber` is None until it has happened again."""

    @property
    def fiber(self) -> str | None: ...
    @property
    def id(self) -> int: ...
    @property
    def previous(self) -> int: ...
    @property
    def at(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def details(self) -> Mapping[str, Json]: ...


class Track(Protocol):
    """Recorded events, and how far they have happened again; `last` is the one of each fiber that the next points to.

    Of the attempt that goes on `began` is the first event and `stopped` the last, if that came from outside; `redriven`
    is the first of the next one.
    """

    last: dict[str, int]

    @property
    def began(self) -> Told: ...

    @property
    def stopped(self) -> Told | None: ...
    @property
    def redriven(self) -> Told | None: ...

    def is_in(self, fiber: str, state: str) -> bool: ...

    def after(self, id: int) -> Iterable[Told]: ...

    def entries_of(self, fiber: str, type: str, name: str) -> Iterable[Told]: ...

    def after_failure(self, fiber: str) -> Iterable[Told]: ...

    def rest(self) -> Iterator[Told]: ...


class Given(NamedTuple):
    """An answer that was given, and the id of the event that told of it."""

    event: int
    answered: Answered


class RetraceDriver:
    """Answers effects from a Track. `given` has all answers in their order.

    Raises Exhausted where the history tells of no more.
    """

    def __init__(self, track: Track) -> None:
        self._track = track
        self._open: dict[str, Sleep | Call | Pause] = {}
        self._asked_at: dict[str, int] = {}
        self._expected: dict[str, Told] = {}
        self.given: list[Given] = []

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        self._open[key] = effect
        self._asked_at[key] = at

    def cancel(self, key: str) -> None:
        self._open.pop(key, None)
        self._expected.pop(key, None)

    def redriven(self) -> Answered | None:
        """The order to redrive the execution, if it was."""
        event = self._track.redriven
        return None if event is None else self._give(event, "", Redriven())

    def next(self, flush: Callable[[], None]) -> Answered:
        event, key = min(self._answers(), default=None, key=lambda one: one[0].id) or self._woken()
        answer = self._answer(event, key)
        self._expected.pop(key, None)
        if not isinstance(answer, Started | Submitted):
            self._open.pop(key, None)
        return self._give(event, key, answer)

    def _give(self, event: Told, key: str, answer: Answer) -> Answered:
        answered = Answered(event.at, key, answer)
        self.given.append(Given(event.id, answered))
        return answered

    def _answers(self) -> list[tuple[Told, str]]:
        found: list[tuple[Told, str]] = []
        for key, effect in self._open.items():
            if key == DEADLINE:
                continue
            event = self._expected.get(key)
            if event is None or event.fiber is not None:
                event = min(self._following(key, effect), default=None, key=lambda told: told.id)
            if event is not None:
                self._expected[key] = event
                found.append((event, key))
        stopped = self._track.stopped
        if stopped is not None:
            found.append((stopped, DEADLINE if stopped.type == "ExecutionTimedOut" else ""))
        return found

    def _following(self, key: str, effect: Sleep | Call | Pause) -> list[Told]:
        fiber = key.rpartition(":")[0]
        if isinstance(effect, Pause):
            if self._track.is_in(fiber, effect.state):
                return self._going_on_with(fiber, effect)
            return list(self._track.entries_of(fiber, effect.type, effect.state))
        after = list(self._track.after(self._track.last[fiber]))
        if isinstance(effect, Call):
            return [event for event in after if event.type in ANSWERS]
        return _going_on(after) or _going_on(self._track.after_failure(fiber))

    def _going_on_with(self, fiber: str, pause: Pause) -> list[Told]:
        """What tells that a redriven state goes on. Only a Task tells first: what waits or fails does so at once."""
        if pause.type != "Task":
            return [self._track.began]
        after = (*self._track.after(self._track.last[fiber]), *self._track.after_failure(fiber))
        return [event for event in after if event.type.endswith(("Scheduled", "StateExited", "EvaluationFailed"))]

    def _woken(self) -> tuple[Told, str]:
        """What no event of its own follows: an evaluation that fails on the next attempt points elsewhere.

        So does a state that was not entered there, and then the next event will tell.
        """
        event = next(self._track.rest(), None)
        keys = [key for key, effect in self._open.items() if not isinstance(effect, Call) and key != DEADLINE]
        if event is None or not keys:
            raise Exhausted
        return event, min(keys, key=lambda key: self._likeness(key, event))

    def _likeness(self, key: str, event: Told) -> int:
        """How little an event looks like the one that an effect waits for: 0 for a failure that was not seen yet.

        Before it comes one that nothing can catch, which ends the execution where it stands and is due since ever.
        Then come states that are redriven and tell nothing, of these first the one that the event points to.
        """
        effect, fiber = self._open[key], key.rpartition(":")[0]
        if isinstance(effect, Sleep):
            return -1 if effect.until == 0 else 0 if effect.until <= self._asked_at[key] else 3
        if isinstance(effect, Pause) and self._track.is_in(fiber, effect.state):
            return 1 if event.previous == self._track.last[fiber] else 2
        return 3

    def _answer(self, event: Told, key: str) -> Answer:
        if key == "":
            return Stopped(event.details.get("error"), event.details.get("cause"))
        effect = self._open.get(key)
        if isinstance(effect, Pause):
            return Resumed()
        if not isinstance(effect, Call):
            return Slept()
        if event.type.endswith("TimedOut"):
            return TimedOut(heartbeat=_is_heartbeat(effect, event.at - self._asked_at[key]))
        return ANSWERS[event.type](event)


DEADLINE = "deadline"
# The last event points to whatever was told last, not to who brought the end about.
ENDS = ("ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut")


def _going_on(events: Iterable[Told]) -> list[Told]:
    return [event for event in events if event.type not in ENDS]


def _is_heartbeat(call: Call, took: int) -> bool:
    """AWS tells both as States.Timeout; a Task that had time left was silent for too long."""
    return call.heartbeat_ms is not None and (call.timeout_ms is None or took < call.timeout_ms)


def _output(event: Told) -> Payload:
    about = event.details.get("outputDetails")
    if "output" not in event.details or (isinstance(about, dict) and about.get("truncated")):
        raise HistoryError(
            f"The event {event.id} ({event.type}) has no output, so what its Task answered is not known.",
            "Log with execution data (includeExecutionData), or leave out --no-include-execution-data.",
        )
    return Payload.parse(event.details["output"])


def _failed(event: Told) -> Answer:
    return Failed(event.details.get("error"), event.details.get("cause"))


ANSWERS: dict[str, Callable[[Told], Answer]] = {}
for _stem in ("Task", "LambdaFunction", "Activity"):
    ANSWERS[f"{_stem}Started"] = lambda event: Started(event.details.get("workerName"))
    ANSWERS[f"{_stem}Submitted"] = lambda event: Submitted(_output(event))
    ANSWERS[f"{_stem}Succeeded"] = lambda event: Succeeded(_output(event))
    ANSWERS[f"{_stem}TimedOut"] = lambda event: TimedOut()
    for _end in ("Failed", "ScheduleFailed", "StartFailed", "SubmitFailed"):
        ANSWERS[f"{_stem}{_end}"] = _failed
