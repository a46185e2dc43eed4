"""Running one task and turning what comes of it into an answer; the same for every driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sfnrun.effects import (
    Answer,
    Failed,
    Pause,
    Pending,
    Reply,
    Request,
    Resumed,
    Started,
    Submitted,
    Succeeded,
    TaskHandler,
)
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload

__all__ = ["HandlerFor", "Performed", "Step", "answers_of", "at_hand", "overtime", "perform", "run_on"]

# Who answers a request. One that knows some answers without calling anybody also has `at_hand(asked)`, which is given
# requests with their handlers, and returns the Replies to some by their keys. That may take a trip to a cache.
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
    return _performed(result) if isinstance(result, Reply) else Performed(_answer(result))


def at_hand(handler_for: HandlerFor, asked: Sequence[tuple[Request, TaskHandler]]) -> dict[str, Performed]:
    """What is known of requests that are asked together without calling any handler, by their keys."""
    ask = getattr(handler_for, "at_hand", None)
    replies: Mapping[str, Reply] = {} if ask is None else ask(asked)
    return {key: _performed(reply) for key, reply in replies.items()}


def answers_of(request: Request, performed: Performed) -> Iterator[Answer | None]:
    """What is told of a task that was performed, one after the other; None: the last comes from elsewhere."""
    if request.resource.kind == "activity":
        yield Started(performed.worker_name)
    if request.resource.pattern:
        yield Submitted(performed.submitted or Payload({}))
    yield performed.answer


def overtime(handler: TaskHandler, request: Request) -> float:
    """Seconds that a call still has when its time limit is over; most handlers give none."""
    ask = getattr(handler, "overtime", None)
    return 0.0 if ask is None else float(ask(request))


def _performed(reply: Reply) -> Performed:
    submitted = None if reply.submitted is None else _payload(reply.submitted)
    if reply.failure is not None:
        answer: Succeeded | Failed | None = Failed(reply.failure.name, reply.failure.cause, reply.note)
    else:
        answer = _answer(reply.output, reply.note)
    return Performed(answer, submitted, reply.worker_name, reply.duration_ms)


def _answer(output: Json | Payload | Pending, note: Json = None) -> Succeeded | Failed | None:
    if isinstance(output, Pending):
        return None
    try:
        return Succeeded(_payload(output), note)
    except (TypeError, ValueError, RecursionError) as error:
        return Failed("Runtime.MarshalError", f"Unable to marshal response: {error}")


def _payload(value: Json | Payload) -> Payload:
    return value if isinstance(value, Payload) else Payload.from_python(value)
