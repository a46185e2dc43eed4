"""Running one task and turning what comes of it into an answer; the same for every driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sfnrun.engine.effects import (
    Failed,
    Pause,
    Pending,
    Reply,
    Request,
    Resumed,
    Succeeded,
    TaskHandler,
)
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload

__all__ = ["HandlerFor", "Performed", "Step", "overtime", "perform", "run_on"]

HandlerFor = Callable[[Request], TaskHandler]
Step = Callable[[Pause], Resumed]


def run_on(pause: Pause) -> Resumed:
    """What a driver answers to a Pause when nobody steps: go on."""
    return Resumed()


class Performed(NamedTuple):
    """What came of a task. `answer` None: it will come from elsewhere, or never."""

    answer: Succeeded | Failed | None
    submitted: Payload | None = None
    worker_name: str | None = None
    duration_ms: int = 0


def perform(handler: TaskHandler, request: Request, log: Callable[[str], None]) -> Performed:
    """Run a task's handler. Whatever the task itself does wrong becomes Failed."""
    try:
        request.log = log
        result = handler(request)
    except TaskFailed as error:
        return Performed(Failed(error.name, error.cause))
    if not isinstance(result, Reply):
        return Performed(_answer(result))
    submitted = None if result.submitted is None else _payload(result.submitted)
    if result.failure is not None:
        answer: Succeeded | Failed | None = Failed(result.failure.name, result.failure.cause, result.note)
    else:
        answer = _answer(result.output, result.note)
    return Performed(answer, submitted, result.worker_name, result.duration_ms)


def overtime(handler: TaskHandler, request: Request) -> float:
    """Seconds that a call still has when its time limit is over; most handlers give none."""
    ask = getattr(handler, "overtime", None)
    return 0.0 if ask is None else float(ask(request))


def _answer(output: Json | Payload | Pending, note: Json = None) -> Succeeded | Failed | None:
    if isinstance(output, Pending):
        return None
    try:
        return Succeeded(_payload(output), note)
    except (TypeError, ValueError, RecursionError) as error:
        return Failed("Runtime.MarshalError", f"Unable to marshal response: {error}")


def _payload(value: Json | Payload) -> Payload:
    return value if isinstance(value, Payload) else Payload.from_python(value)
