"""Calls a Task's handler and turns what it returns or raises into answers; the same under both clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sfnrun.effects import (
    Answer,
    Answerer,
    Failed,
    Handler,
    Output,
    Pending,
    Reply,
    Request,
    Started,
    Submitted,
    Succeeded,
)
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload

__all__ = ["TaskOutcome", "answers_from", "cached_outcomes", "call_handler", "submit_handler"]


class TaskOutcome(NamedTuple):
    """The outcome of a call. `answer` None: it comes from elsewhere (a task token), or never."""

    answer: Succeeded | Failed | None
    submitted: Payload | None = None
    worker_name: str | None = None
    duration_ms: int = 0


def call_handler(handler: Handler, request: Request, log: Callable[[str], None]) -> TaskOutcome:
    """Call a handler; the lines that it logs go to `log`. Whatever the Task itself does wrong becomes Failed."""
    try:
        request.log = log
        return _called(handler.call(request))
    except TaskFailed as error:
        return _called(error)


def submit_handler(
    submit: Callable[[Request, Callable[[Output | Exception], None]], None],
    request: Request,
    log: Callable[[str], None],
    done: Callable[[TaskOutcome | BaseException], None],
) -> None:
    """Start a handler that needs no thread; `done` gets the outcome, or an exception that is a bug, on any thread."""
    request.log = log
    submit(request, lambda result: done(_submitted(result)))


def _submitted(result: Output | Exception) -> TaskOutcome | BaseException:
    return result if isinstance(result, Exception) and not isinstance(result, TaskFailed) else _called(result)


def _called(result: Output | TaskFailed) -> TaskOutcome:
    """The outcome of a call that returned or raised this."""
    if isinstance(result, TaskFailed):
        return TaskOutcome(Failed(result.name, result.cause))
    return _outcome(result) if isinstance(result, Reply) else TaskOutcome(_answer(result))


def cached_outcomes(answerer: Answerer, asked: Sequence[tuple[Request, Handler]]) -> dict[str, TaskOutcome]:
    """The outcomes, by key, that a cache knows of requests that are made at the same time."""
    look = answerer.cached_replies
    return {} if look is None else {key: _outcome(reply) for key, reply in look(asked).items()}


def answers_from(request: Request, outcome: TaskOutcome) -> Iterator[tuple[int, Answer | None]]:
    """The answers that an outcome gives, each with its delay in milliseconds of simulated time.

    The last one is None if the result comes from elsewhere.
    """
    if request.resource.kind == "activity":
        yield 0, Started(outcome.worker_name)
    if request.resource.pattern:
        replied = request.resource.pattern == "waitForTaskToken" and outcome.answer is not None
        yield 0, Submitted(outcome.submitted or Payload({}), replied or None)
    yield outcome.duration_ms, outcome.answer


def _outcome(reply: Reply) -> TaskOutcome:
    submitted = None if reply.submitted is None else _payload(reply.submitted)
    if reply.failure is not None:
        answer: Succeeded | Failed | None = Failed(reply.failure.name, reply.failure.cause, reply.note)
    else:
        answer = _answer(reply.output, reply.note)
    return TaskOutcome(answer, submitted, reply.worker_name, reply.duration_ms)


def _answer(output: Json | Payload | Pending, note: Json = None) -> Succeeded | Failed | None:
    if isinstance(output, Pending):
        return None
    try:
        return Succeeded(_payload(output), note)
    except (TypeError, ValueError, RecursionError) as error:
        return Failed("Runtime.MarshalError", f"Unable to marshal response: {error}")


def _payload(value: Json | Payload) -> Payload:
    return value if isinstance(value, Payload) else Payload.from_python(value)
