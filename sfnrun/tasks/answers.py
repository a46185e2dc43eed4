"""Answers that need no code of the user's: a fixed result, an error, none at all; and who answers which attempt."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from sfnrun.effects import PENDING, Failed, Pending, Reply, Request, TaskHandler
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload

__all__ = ["ByAttempt", "Delayed", "Failing", "Fixed", "Silent", "remaining"]

Outcome = Json | Payload | Reply | Pending


def remaining(handler: TaskHandler, request: Request) -> float:
    """Seconds that a call still has when the handler's time limit is over; 0 for most handlers."""
    overtime = getattr(handler, "overtime", None)
    return 0.0 if overtime is None else float(overtime(request))


class _AtOnce:
    """What answers at once needs no time limit."""

    time_limit: float | None = None

    def timed_out(self, request: Request) -> Failed:
        return Failed("States.Timeout")


class Fixed(_AtOnce, Struct, frozen=True):
    """Answers with a JSON value."""

    result: Json

    def __call__(self, request: Request) -> Outcome:
        return Payload(self.result)


class Failing(_AtOnce, Struct, frozen=True):
    """Fails with an error."""

    error: str
    cause: str | None = None

    def __call__(self, request: Request) -> Outcome:
        return Reply(failure=TaskFailed(self.error, self.cause))


class Silent(_AtOnce, Struct, frozen=True):
    """Leaves the answer to whoever has the task token, or to a timeout."""

    def __call__(self, request: Request) -> Outcome:
        return PENDING


class Delayed:
    """Another handler's answer, which takes `duration_ms` of simulated time."""

    def __init__(self, handler: TaskHandler, duration_ms: int) -> None:
        self.handler = handler
        self.duration_ms = duration_ms
        self.time_limit = handler.time_limit
        self.timed_out = handler.timed_out

    def __call__(self, request: Request) -> Outcome:
        try:
            outcome = self.handler(request)
        except TaskFailed as error:
            return Reply(failure=error, duration_ms=self.duration_ms)
        if not isinstance(outcome, Reply):
            return Reply(outcome, duration_ms=self.duration_ms)
        failure, submitted, worker = outcome.failure, outcome.submitted, outcome.worker_name
        return Reply(outcome.output, failure, submitted, worker, self.duration_ms, outcome.note)

    def overtime(self, request: Request) -> float:
        return remaining(self.handler, request)


class ByAttempt:
    """A handler for each attempt, the last one for all that follow."""

    def __init__(self, handlers: Sequence[TaskHandler]) -> None:
        self.handlers = handlers
        limits = [handler.time_limit for handler in handlers if handler.time_limit is not None]
        # The limit has to be said before the attempt is known; whoever can should ask `at` first.
        self.time_limit: float | None = max(limits, default=None)

    def at(self, attempt: int) -> TaskHandler:
        """Who answers this attempt, counted from 0."""
        return self.handlers[min(attempt, len(self.handlers) - 1)]

    def __call__(self, request: Request) -> Outcome:
        return self.at(request.attempt)(request)

    def overtime(self, request: Request) -> float:
        return remaining(self.at(request.attempt), request)

    def timed_out(self, request: Request) -> Failed:
        return self.at(request.attempt).timed_out(request)
