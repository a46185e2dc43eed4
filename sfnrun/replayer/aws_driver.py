"""Driver that takes answers from the events of an execution of AWS, at the times of those events.

An effect is answered by the event that follows the last one of its fiber: TaskSucceeded after TaskStarted, the exit of
a Wait after its entry. Every state is paused before it runs, and its entry answers the Pause. Of all open effects, the
one whose event came first is answered first, so branches take turns as they did on AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

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
from sfnrun.engine.loop import DEADLINE
from sfnrun.errors import HistoryError
from sfnrun.payload import Payload
from sfnrun.record import STATUS_OF, Event
from sfnrun.replayer.aws_events import AwsEventIndex
from sfnrun.replayer.recorded import Exhausted

__all__ = ["AwsReplayDriver", "GivenAnswer"]


class GivenAnswer(NamedTuple):
    """An answer of the driver, and the id of the event that it was taken from."""

    event: int
    answered: Answered


class AwsReplayDriver:
    """Answers effects from an AwsEventIndex. `given` are all answers in their order.

    Raises Exhausted if the history has no more answers.
    """

    def __init__(self, index: AwsEventIndex) -> None:
        self._index = index
        self._open: dict[str, Sleep | Call | Pause] = {}
        self._begun_at: dict[str, int] = {}
        self._expected: dict[str, Event] = {}
        self.given: list[GivenAnswer] = []

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        self._open[key] = effect
        self._begun_at[key] = at

    def cancel(self, key: str) -> None:
        self._open.pop(key, None)
        self._expected.pop(key, None)

    def redriven(self) -> Answered | None:
        """Return the order to redrive the execution, if it was redriven."""
        event = self._index.redriven
        return None if event is None else self._give(event, "", Redriven())

    def next(self, flush: Callable[[], None]) -> Answered:
        event, key = min(self._answers(), default=None, key=lambda one: one[0].id) or self._without_event()
        answer = self._answer(event, key)
        self._expected.pop(key, None)
        if not isinstance(answer, Started | Submitted):
            self._open.pop(key, None)
        return self._give(event, key, answer)

    def _give(self, event: Event, key: str, answer: Answer) -> Answered:
        answered = Answered(event.at, key, answer)
        self.given.append(GivenAnswer(event.id, answered))
        return answered

    def _answers(self) -> list[tuple[Event, str]]:
        found: list[tuple[Event, str]] = []
        for key, effect in self._open.items():
            if key == DEADLINE:
                continue
            event = self._expected.get(key)
            if event is None or self._index.has_happened(event):
                event = min(self._following(key, effect), default=None, key=lambda one: one.id)
            if event is not None:
                self._expected[key] = event
                found.append((event, key))
        stopped = self._index.stopped
        if stopped is not None:
            found.append((stopped, DEADLINE if stopped.type == "ExecutionTimedOut" else ""))
        return found

    def _following(self, key: str, effect: Sleep | Call | Pause) -> list[Event]:
        fiber = key.rpartition(":")[0]
        if isinstance(effect, Pause):
            if self._index.is_in(fiber, effect.state):
                return self._continuing(fiber, effect)
            return list(self._index.entries_of(fiber, effect.type, effect.state))
        after = list(self._index.after(self._index.last[fiber]))
        if isinstance(effect, Call):
            return [event for event in after if event.type in ANSWERS]
        return _not_last(after) or _not_last(self._index.after_failure(fiber))

    def _continuing(self, fiber: str, pause: Pause) -> list[Event]:
        """The events that a redriven state continues with. Of the others only Tasks have one: they wait or fail."""
        if pause.type != "Task":
            return [self._index.began]
        after = (*self._index.after(self._index.last[fiber]), *self._index.after_failure(fiber))
        return [event for event in after if event.type.endswith(("Scheduled", "StateExited", "EvaluationFailed"))]

    def _without_event(self) -> tuple[Event, str]:
        """Return the next event and the effect that it fits best, if no event follows any effect.

        An evaluation that fails on the next attempt points elsewhere, and so does a state that was not entered on AWS.
        """
        event = next(self._index.rest(), None)
        keys = [key for key, effect in self._open.items() if not isinstance(effect, Call) and key != DEADLINE]
        if event is None or not keys:
            raise Exhausted
        return event, min(keys, key=lambda key: self._rank(key, event))

    def _rank(self, key: str, event: Event) -> int:
        """Return the sort key of effects, the smaller the likelier that the event answers this one.

        -1: a failure that nothing can catch; it ends the execution at once. 0: a failure that was not seen yet.
        1: a redriven state that the event points to. 2: another redriven state. 3: everything else.
        """
        effect, fiber = self._open[key], key.rpartition(":")[0]
        if isinstance(effect, Sleep):
            return -1 if effect.until == 0 else 0 if effect.until <= self._begun_at[key] else 3
        if isinstance(effect, Pause) and self._index.is_in(fiber, effect.state):
            return 1 if event.previous == self._index.last[fiber] else 2
        return 3

    def _answer(self, event: Event, key: str) -> Answer:
        if key == "":
            return Stopped(event.details.get("error"), event.details.get("cause"))
        effect = self._open.get(key)
        if isinstance(effect, Pause):
            return Resumed()
        if not isinstance(effect, Call):
            return Slept()
        if event.type.endswith("TimedOut"):
            return TimedOut(heartbeat=_is_heartbeat(effect, event.at - self._begun_at[key]))
        return ANSWERS[event.type](event)


def _not_last(events: Iterable[Event]) -> list[Event]:
    """Return the events without the last of the execution, which points to the last event of any branch."""
    return [event for event in events if event.type not in STATUS_OF or event.type == "ExecutionSucceeded"]


def _is_heartbeat(call: Call, took: int) -> bool:
    """AWS records both timeouts as States.Timeout. A Task with time left has missed a heartbeat."""
    return call.heartbeat_ms is not None and (call.timeout_ms is None or took < call.timeout_ms)


def _output(event: Event) -> Payload:
    output, about = event.details.get("output"), event.details.get("outputDetails")
    if not isinstance(output, Payload) or (isinstance(about, dict) and about.get("truncated")):
        raise HistoryError(
            f"event {event.id} ({event.type}) has no output, so the result of its Task is unknown",
            "log with execution data (includeExecutionData), or remove --no-include-execution-data",
        )
    return output


def _failed(event: Event) -> Answer:
    return Failed(event.details.get("error"), event.details.get("cause"))


ANSWERS: dict[str, Callable[[Event], Answer]] = {}
for _stem in ("Task", "LambdaFunction", "Activity"):
    ANSWERS[f"{_stem}Started"] = lambda event: Started(event.details.get("workerName"))
    ANSWERS[f"{_stem}Submitted"] = lambda event: Submitted(_output(event))
    ANSWERS[f"{_stem}Succeeded"] = lambda event: Succeeded(_output(event))
    ANSWERS[f"{_stem}TimedOut"] = lambda event: TimedOut()
    for _end in ("Failed", "ScheduleFailed", "StartFailed", "SubmitFailed"):
        ANSWERS[f"{_stem}{_end}"] = _failed
