"""Functions, their invocations, and the seam between Tasks and whatever runs a function's code."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from sfnrun.effects import Failed, Pending, Reply
from sfnrun.payload import Json
from sfnrun.tasks.lambdas.find import Code

__all__ = [
    "TAIL_BYTES",
    "Function",
    "FunctionResult",
    "Invocation",
    "LambdaRuntime",
    "Report",
    "Submit",
    "memory_hint",
    "timeout_hint",
    "trace_id",
    "variables_of",
]

# The end of its log that Lambda returns with LogType Tail.
TAIL_BYTES = 4096

# The JSON of a handler's result; or what a handler returns that knows of sfnrun.
FunctionResult = bytes | Pending | Reply


class Function(Struct, frozen=True):
    """A function as it is configured.

    `timeout` is in seconds, `memory` in MB; `variables` are its own environment variables. `python` is the interpreter
    that runs it, None for sfnrun's; `preload` are modules that its environments share.
    """

    name: str
    code: Code
    timeout: float = 3
    memory: int = 128
    variables: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    preload: tuple[str, ...] = ()


class Report(Struct, frozen=True):
    """How an invocation went. `log` is the end of what it printed; `init_ms` is None unless its start was cold."""

    log: bytes
    duration_ms: float
    memory_mb: int
    init_ms: float | None = None


class Invocation(Struct, frozen=True):
    """One invocation of a function.

    `event` is JSON text, `at` its time in milliseconds since 1970. `log` gets what the handler prints, line by line.
    `attributes` are further attributes of the context object. `report` gets the Report of an invocation that returns a
    result, before it is returned.
    """

    id: str
    event: str
    arn: str
    region: str
    at: int
    log: Callable[[str], None]
    version: str = "$LATEST"
    client_context: Json = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    report: Callable[[Report], None] | None = None


# Runs an invocation without a thread of its own; the function that it gets is passed one that returns or raises what
# `invoke` would.
Submit = Callable[[Invocation, Callable[[Callable[[], FunctionResult]], None]], None]


class LambdaRuntime(Protocol):
    """Runs one function. Each of its execution environments has one invocation at a time and keeps its globals.

    `time_limit` and `overtime` are those of a task's handler: a runtime that cannot end a handler leaves its timeout to
    the driver, which then calls `timed_out` and waits for the handler no longer. `submit` is None where it takes a
    thread to run a handler.
    """

    @property
    def function(self) -> Function: ...

    @property
    def time_limit(self) -> float | None: ...

    @property
    def submit(self) -> Submit | None: ...

    def invoke(self, invocation: Invocation) -> FunctionResult:
        """The result of the handler. Raises FunctionError, and TaskFailed if the handler does."""

    def overtime(self, request_id: str) -> float:
        """Seconds that an invocation still has when `time_limit` is over."""

    def timed_out(self, request_id: str, log: Callable[[str], None]) -> Failed:
        """End an invocation whose time is over; the failure of its Task."""

    def close(self) -> None:
        """End the function's execution environments."""


def variables_of(function: Function, invocation: Invocation, python: tuple[int, int] | None = None) -> dict[str, str]:
    """The variables that Lambda defines for an environment that starts for this invocation, and the function's own.

    `python` is the version of the runtime, None for that of this process. Source:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html and a recording (init_environment, 2026-02).
    """
    day = time.strftime("%Y/%m/%d", time.gmtime(invocation.at // 1000))
    digits = invocation.id.replace("-", "")
    major, minor = python or sys.version_info[:2]
    folder = function.code.folders[0] if function.code.folders else ""
    return {
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": invocation.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{day}/[{invocation.version}]{digits}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{major}.{minor}",
        "AWS_REGION": invocation.region,
        "AWS_DEFAULT_REGION": invocation.region,
        "LAMBDA_TASK_ROOT": folder,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "TZ": ":UTC",
        "_HANDLER": function.code.handler,
        "_X_AMZN_TRACE_ID": trace_id(invocation),
        **function.variables,
    }


def trace_id(invocation: Invocation) -> str:
    """The X-Ray trace header of an invocation, made from its id and time."""
    digits = invocation.id.replace("-", "")
    return f"Root=1-{invocation.at // 1000:08x}-{digits[:24]};Parent={digits[16:]};Sampled=0"


def timeout_hint(function: Function) -> str:
    """The hint for a function that exceeded its timeout."""
    return (
        f"{function.name} timed out after {function.timeout:g} s; to allow more, add to sfnrun.yaml: "
        f"functions: {{{function.name}: {{timeout: 30}}}}"
    )


def memory_hint(function: Function) -> str:
    """The hint for a function that exceeded its memory."""
    return (
        f"{function.name} was killed because it used more than {function.memory} MB; to allow more, add to "
        f"sfnrun.yaml: functions: {{{function.name}: {{memory: {function.memory * 2}}}}}"
    )
