"""Effects and answers: the messages between the engine and whatever runs it. Times are milliseconds since 1970.

A coroutine blocks on three things: Sleep (Wait, backoff), Call (a Task; `More` for its further answers) and Join (a
Parallel branch or Map item that ends; the Loop answers that itself). Effects go to a Sink: `begin(key, effect, at)`
starts one, `cancel(key)` ends it as far as possible. Answers come back as Answered, by the same key. A Driver is a Sink
that can be asked for the next answer, as a recording can.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "PENDING",
    "Answer",
    "Answered",
    "Answerer",
    "CachedReplies",
    "Call",
    "Driver",
    "Failed",
    "Fingerprint",
    "Handler",
    "Heartbeat",
    "Join",
    "Logged",
    "Mail",
    "More",
    "OpenCall",
    "Output",
    "Pause",
    "Pending",
    "Redriven",
    "Reply",
    "Request",
    "Resource",
    "Resumed",
    "Sink",
    "Sleep",
    "Slept",
    "Started",
    "Stopped",
    "Submitted",
    "Succeeded",
    "TimedOut",
]


class Pending:
    """A handler returns PENDING when its Task is answered by its task token, or never."""


PENDING = Pending()


def _unheard(line: str) -> None:
    """Drop a line of a request that no World has taken."""


class Reply(Struct, frozen=True):
    """A Task result with metadata. A task callable can return it instead of a plain value.

    `output` is the result, a JSON value or a Payload, and `failure` an error in its place. `submitted` is the immediate
    response of the service where the result of a `.sync` or `.waitForTaskToken` comes later. `duration_ms` is how long
    the Task takes under the virtual clock. `note` describes what a cache did, for the trace.
    """

    output: Json | Payload | Pending = PENDING
    failure: TaskFailed | None = None
    submitted: Json | Payload = None
    worker_name: str | None = None
    duration_ms: int = 0
    note: Json = None


class Resource(Struct, frozen=True):
    """The parts of a Task's Resource.

    kind "lambda": a function ARN, `service` is "lambda", `name` the function's name. kind "activity": `name` is the
    activity's. kind "service": `arn:aws:states:::SERVICE:ACTION[.PATTERN]`, with `service` "lambda" or "aws-sdk:s3",
    `action` "invoke" and `pattern` one of "", "sync", "sync:2", "waitForTaskToken".
    """

    arn: str
    kind: Literal["lambda", "activity", "service"]
    service: str = ""
    action: str = ""
    pattern: str = ""
    name: str = ""
    region: str = ""
    account: str = ""

    @property
    def type(self) -> str:
        """The resourceType of events: "lambda", "aws-sdk:s3"."""
        return self.service

    @property
    def label(self) -> str:
        """The resource of events: "invoke", "sendMessage.waitForTaskToken"."""
        return f"{self.action}.{self.pattern}" if self.pattern else self.action


class Request(Struct):
    """A Task call, as passed to its handler.

    `key` identifies the call within its execution ("1.0/2.7:3"), the same in every replay; `id` is a UUID made from it.
    `attempt` counts retries from 0. `token` is the task token of service integrations with a pattern and of activities,
    else None. `context` is the context object. `timeout_seconds` and `heartbeat_seconds` are those of the state. `at`
    is the engine's time of the call, in milliseconds since 1970. The trace shows each line that is passed to `log`,
    which the World sets.
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
    at: int = 0
    log: Callable[[str], None] = _unheard

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


Output = Json | Payload | Reply | Pending

# The source files of a handler's code with their hashes; None: its replies are never cached.
Fingerprint = Mapping[str, str] | None


def _states_timeout(request: Request) -> Failed:
    return Failed("States.Timeout")


class Handler(Struct, frozen=True):
    """Handles the requests of one Task.

    `call` returns a JSON value, a Payload, a Reply or PENDING, or raises TaskFailed. After `time_limit`, in seconds of
    real time from the start of the call, the driver asks `overtime` for the seconds that the call still has, because
    Lambda's timeout starts after the import of the function; if there are none, it gives the call up and the Task fails
    with the result of `timed_out`. `fingerprint` identifies the code behind the handler for the cache, with file names
    relative to the directory it gets. `submit` needs no thread: it returns at once, and later passes what `call` would
    return or raise to the function that it gets, on any thread. `begin` replaces both: it answers the OpenCall that it
    gets, now or later. It must not block.
    """

    call: Callable[[Request], Output]
    time_limit: float | None = None
    timed_out: Callable[[Request], Failed] = _states_timeout
    overtime: Callable[[Request], float] = lambda request: 0.0
    fingerprint: Callable[[Path], Fingerprint] = lambda home: None
    submit: Callable[[Request, Callable[[Output | Exception], None]], None] | None = None
    begin: Callable[[OpenCall], None] | None = None


class OpenCall(Protocol):
    """A Call that its handler answers by itself, on the thread of the World that it is made in."""

    @property
    def request(self) -> Request: ...

    @property
    def is_open(self) -> bool:
        """Whether it can still be answered: its Task has not timed out, and its execution has not ended."""

    def answer(self, answer: Answer, after: int = 0) -> None:
        """Answer it, `after` milliseconds from now."""

    def ask(self, handler: Handler, done: Callable[[], None] | None = None) -> None:
        """Have another handler answer it; `done` is called when the result is due, before it is delivered."""

    def on_cancel(self, hook: Callable[[], None]) -> None:
        """Have a function called if the Call is cancelled."""


CachedReplies = Callable[[Sequence[tuple[Request, Handler]]], Mapping[str, Reply]]


class Answerer(Protocol):
    """Finds the handler of a request.

    `cached_replies` returns, by key, the replies that are known without a call. It gets requests that are made at the
    same time, so one trip to a cache serves all of them. None: there is no cache. `close` ends what handlers keep.
    """

    def for_request(self, request: Request) -> Handler: ...

    @property
    def cached_replies(self) -> CachedReplies | None: ...

    def close(self) -> None: ...


class Sleep(Struct, frozen=True):
    """Continue at a time. A virtual clock does not advance for a `daemon` alone."""

    key: str
    until: int
    daemon: bool = False

    def __await__(self) -> Generator[Sleep, Slept, Slept]:
        return (yield self)


class Call(Struct, frozen=True):
    """Continue with the first answer to a request; `timeout_ms` and `heartbeat_ms` are the state's limits."""

    key: str
    request: Request
    timeout_ms: int | None = None
    heartbeat_ms: int | None = None

    def __await__(self) -> Generator[Call, Answer, Answer]:
        return (yield self)


class More(Struct, frozen=True):
    """Continue with the next answer to a Call that has had one: Started or Submitted."""

    key: str

    def __await__(self) -> Generator[More, Answer, Answer]:
        return (yield self)


class Pause(Struct, frozen=True):
    """Continue when the person who steps through the execution lets a state run."""

    key: str
    state: str
    type: str
    fiber: str
    input: Payload

    def __await__(self) -> Generator[Pause, Resumed, Resumed]:
        return (yield self)


class Join(Struct, frozen=True):
    """Continue with the next child fiber that has ended."""

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


class Started(NamedTuple):
    """A worker took the task."""

    worker_name: str | None = None


class Submitted(NamedTuple):
    """The service accepted the job or message; its result comes later (.sync, .waitForTaskToken).

    `replied` is true where the handler has returned the result too, so nobody has the task token: a resumed execution
    calls the handler again. It is None where the result comes by the token, which a resumed execution waits for.
    """

    output: Payload
    replied: bool | None = None


class Succeeded(NamedTuple):
    """The task's result. `note` describes what a cache did, for the trace."""

    output: Payload
    note: Json = None


class Failed(NamedTuple):
    """The task's error. `error` and `cause` None are absent, not empty."""

    error: str | None = None
    cause: str | None = None
    note: Json = None


class TimedOut(NamedTuple):
    """The task exceeded TimeoutSeconds, or sent no heartbeat for HeartbeatSeconds."""

    heartbeat: bool = False


class Slept(NamedTuple):
    """A timer went off."""


class Resumed(NamedTuple):
    """How to continue after a Pause: "run" the state or "skip" it, with `input` instead of its own, or "quit"."""

    action: str = "run"
    input: Payload | None = None


class Logged(NamedTuple):
    """A line that a handler printed. It is not an answer."""

    line: str


class Stopped(NamedTuple):
    """The execution was stopped (StopExecution, Ctrl-C)."""

    error: str | None = None
    cause: str | None = None


class Redriven(NamedTuple):
    """The execution was redriven after it had failed, timed out or been aborted.

    AWS's redrive continues in the states that were not left, with the same definition. Beyond AWS, `state` is the state
    to continue from instead, with `input` and `variables`, and `definition`, the text of a `file` with its
    `substitutions`, replaces the definition.
    """

    state: str | None = None
    input: Payload | None = None
    variables: Json = None
    definition: str | None = None
    file: str | None = None
    substitutions: Json = None


class Heartbeat(NamedTuple):
    """A worker is still at work on its task. It is not an answer, and is not recorded."""


class Mail(NamedTuple):
    """Something sent to an execution from outside: when, and to which task token ("" for Stopped)."""

    at: int
    token: str
    message: Succeeded | Failed | Heartbeat | Stopped


Answer = Started | Submitted | Succeeded | Failed | TimedOut | Slept | Resumed | Logged | Stopped | Redriven


class Answered(NamedTuple):
    """An answer with the time it came and the key of the effect it belongs to ("" for Stopped and Redriven)."""

    at: int
    key: str
    answer: Answer


class Sink(Protocol):
    """Takes the effects of one execution."""

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        """Start an effect; `at` is the engine's time."""

    def cancel(self, key: str) -> None:
        """End an effect, if it is open. Its answer has no effect any more."""


class Driver(Sink, Protocol):
    """A Sink that gives the answers itself; the seam to fake in tests."""

    def next(self, flush: Callable[[], None]) -> Answered:
        """Return the next answer; may block. Before a handler is called or anything is waited for, `flush` is."""
