"""What a state asks of the world, and what the world can say: the only vocabulary between engine and drivers.

Three effects block: Fork (Parallel branches, Map items; the Loop does it itself), Sleep (Wait, backoff) and Call (a
Task). A Driver is three methods, and the only seam to fake: `begin(key, effect, at)` starts one, `cancel(key)` ends it
as well as it can, `next() -> Answered` gives the next answer and may block. Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from sfnrun.asl.model import Resource
from sfnrun.payload import Json, Payload

__all__ = [
    "PENDING",
    "Answer",
    "Answered",
    "Call",
    "Driver",
    "Failed",
    "Pending",
    "Request",
    "Sleep",
    "Slept",
    "Started",
    "Stopped",
    "Submitted",
    "Succeeded",
    "TaskHandler",
    "TimedOut",
]


class Pending:
    """What a task returns when its answer will come from elsewhere, or never: a token not yet sent back."""


PENDING = Pending()


@dataclass(frozen=True, slots=True)
class Request:
    """What a Task asks, as whoever answers it sees it.

    `key` names the request within its execution ("1.0/2.7:3"), the same in every replay; `id` is a UUID made from it.
    `attempt` counts retries from 0. `token` is the task token of `.waitForTaskToken` and activities, else None.
    `context` is the context object. `timeout_seconds` and `heartbeat_seconds` are the state's own, if it has them.
    """

    key: str
    id: str
    state: str
    resource: Resource
    arguments: Payload
    attempt: int
    token: str | None
    context: Json
    timeout_seconds: int | None = None
    heartbeat_seconds: int | None = None
    credentials: Json = None
    log: Callable[[str], None] = field(default=lambda line: None, repr=False)

    @property
    def payload(self) -> Json:
        """The Task's effective input (Parameters or Arguments) as a JSON value; not to be mutated."""
        return self.arguments.value

    @property
    def text(self) -> str:
        """The same as JSON text."""
        return self.arguments.text

    @property
    def function_name(self) -> str | None:
        """The name of the Lambda function that is asked for, by function ARN or `lambda:invoke`; else None."""
        if self.resource.kind == "lambda":
            return self.resource.name
        if self.resource.service == "lambda" and isinstance(self.payload, dict):
            name = self.payload.get("FunctionName")
            return name if isinstance(name, str) else None
        return None


class TaskHandler(Protocol):
    """Answers requests: returns a JSON value, a Payload or PENDING, or raises TaskFailed.

    `time_limit` is in seconds of real time; when it is over the driver gives the call up and fails the Task with
    what `timed_out` returns.
    """

    time_limit: float | None

    def __call__(self, request: Request) -> Json | Payload | Pending: ...

    def timed_out(self, request: Request) -> Failed: ...


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wake me at this time."""

    until: int


@dataclass(frozen=True, slots=True)
class Call:
    """Answer this request; `timeout_ms` and `heartbeat_ms` are what the state allows for it."""

    request: Request
    timeout_ms: int | None = None
    heartbeat_ms: int | None = None


class Started(NamedTuple):
    """A worker took the task."""

    worker_name: str | None = None


class Submitted(NamedTuple):
    """The service accepted the job or message; its result comes later (.sync, .waitForTaskToken)."""

    output: Payload


class Succeeded(NamedTuple):
    """The task's result. `note` tells what a cache did, for the trace."""

    output: Payload
    note: Json = None


class Failed(NamedTuple):
    """The task's error. `error` and `cause` None are absent, not empty."""

    error: str | None
    cause: str | None = None
    note: Json = None


class TimedOut(NamedTuple):
    """The task outlived its TimeoutSeconds, or was silent for HeartbeatSeconds."""

    heartbeat: bool = False


class Slept(NamedTuple):
    """A timer went off."""


class Stopped(NamedTuple):
    """Somebody stopped the execution (StopExecution, Ctrl-C)."""

    error: str | None = None
    cause: str | None = None


Answer = Started | Submitted | Succeeded | Failed | TimedOut | Slept | Stopped


class Answered(NamedTuple):
    """An answer with the time it came and the key of the effect it belongs to ("" for Stopped)."""

    at: int
    key: str
    answer: Answer


class Driver(Protocol):
    """Answers effects."""

    def begin(self, key: str, effect: Sleep | Call, at: int) -> None: ...

    def cancel(self, key: str) -> None: ...

    def next(self) -> Answered: ...
