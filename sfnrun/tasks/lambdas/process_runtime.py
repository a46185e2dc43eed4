"""Runs a function in execution environments: what they are started with, and what comes of an invocation."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import Any

from sfnrun.effects import PENDING, Failed, Pending, Reply
from sfnrun.errors import TaskFailed
from sfnrun.payload import loads
from sfnrun.tasks.lambdas.environment import errors, wire
from sfnrun.tasks.lambdas.environment.errors import FunctionError
from sfnrun.tasks.lambdas.environments import Environments, Result
from sfnrun.tasks.lambdas.process import (
    BrokenProtocol,
    DeadlineExceeded,
    EnvironmentProcess,
    Exchanged,
    OutOfMemory,
    ProcessEnded,
)
from sfnrun.tasks.lambdas.runtime import (
    Function,
    FunctionResult,
    Invocation,
    memory_hint,
    timeout_hint,
    trace_id,
    variables_of,
)
from sfnrun.tasks.lambdas.switchboard import Switchboard
from sfnrun.tasks.lambdas.zygotes import Zygote, discard, zygote_for

__all__ = ["ProcessRuntime"]

# A driver whose time limit for a call is over looks again after so many seconds: the runtime itself ends the call.
_SOON = 0.05


class ProcessRuntime:
    """A LambdaRuntime in processes of their own.

    `visible` are directories that stay visible where /tmp is private.
    """

    def __init__(self, function: Function, environments: Environments, visible: tuple[str, ...] = ()) -> None:
        self.function = function
        self.time_limit: float | None = function.timeout
        self._environments = environments
        self._visible = visible
        self._numbers = itertools.count(1)
        # Directories of environments that were reset: the next one finds what they left in /tmp, as on AWS.
        self._left: list[str] = []
        self._hint_for_tmp = ""

    def invoke(self, invocation: Invocation) -> FunctionResult:
        results: list[Result] = []
        is_done = Lock()
        is_done.acquire()

        def done(result: Result) -> None:
            results.append(result)
            is_done.release()

        self._environments.submit(self, invocation, done)
        is_done.acquire()
        return self.result(invocation, results[0])

    def submit(self, invocation: Invocation, done: Callable[[Callable[[], FunctionResult]], None]) -> None:
        """Run an invocation; `done` gets a function that returns or raises what `invoke` would, on another thread."""
        self._environments.submit(self, invocation, lambda result: done(partial(self.result, invocation, result)))

    def overtime(self, request_id: str) -> float:
        return _SOON

    def timed_out(self, request_id: str, log: Callable[[str], None]) -> Failed:
        return Failed("Sandbox.Timedout", errors.timed_out(request_id, self.function.timeout).text)

    def close(self) -> None:
        """Nothing: `Environments` ends the processes of all functions."""

    # -- as a Starter, on the switchboard's thread --

    def spawn(self, board: Switchboard, invocation: Invocation) -> EnvironmentProcess:
        function = self.function
        zygote = zygote_for(function.python or sys.executable, function.preload)
        variables = _variables(function, invocation, zygote.version if function.python else None)
        folders = function.code.folders or (os.getcwd(),)
        tmp = self._left.pop() if self._left else self._new_tmp(zygote)
        header = {
            "folder": folders[0],
            "path": [*folders, *_python_path(variables), *_python_path(os.environ)],
            "visible": self._visible_in_tmp(folders),
            "variables": variables,
            "tmp": tmp,
            "mark": f"AWS_LAMBDA_LOG_STREAM_NAME={variables['AWS_LAMBDA_LOG_STREAM_NAME']}",
            "handler": function.code.handler,
            "module": function.code.module,
            "names": function.code.names,
            "log_format": variables.get("AWS_LAMBDA_LOG_FORMAT", "Text"),
            "log_level": variables.get("AWS_LAMBDA_LOG_LEVEL", ""),
        }
        try:
            return EnvironmentProcess(board, zygote, header, function.memory * 1024)
        except OSError:  # the zygote was killed
            self._left.clear()
            discard(zygote)
            return self.spawn(board, invocation)

    def was_reset(self, environment: EnvironmentProcess) -> None:
        self._left.append(environment.tmp)

    def _new_tmp(self, zygote: Zygote) -> str:
        path = os.path.join(zygote.tmp, f"{self.function.name}-{next(self._numbers)}-{os.urandom(3).hex()}")
        os.mkdir(path)
        return path

    def _visible_in_tmp(self, folders: tuple[str, ...]) -> list[str]:
        """Paths below /tmp that the function sees although it has a /tmp of its own."""
        variables = self.function.variables
        paths = [*self._visible, os.getcwd(), *folders, *_named_in(variables), *_python_path(variables)]
        return [path for path in {os.path.realpath(path) for path in paths} if path.startswith("/tmp/")]

    def init_error(self, result: Exchanged) -> Exception | None:
        if not isinstance(result, wire.Frame):
            return result
        if result.kind == wire.READY:
            if not result.header["own_tmp"]:
                self._hint_for_tmp = "this system allows no private /tmp; functions have TMPDIR"
            return None
        return _function_error(result) if result.kind == wire.INIT_ERROR else BrokenProtocol("expected READY")

    def request(self, invocation: Invocation) -> tuple[bytes, float]:
        seconds = self.function.timeout
        header = {
            "id": invocation.id,
            "arn": invocation.arn,
            "deadline_ms": int((time.time() + seconds) * 1000),
            "trace": trace_id(invocation),
            "client_context": invocation.client_context,
            "attributes": dict(invocation.attributes),
        }
        event = invocation.event.encode("utf-8", "surrogatepass")
        return wire.pack(wire.INVOKE, header, event), time.monotonic() + seconds

    def fits(self, frame: wire.Frame) -> bool:
        return int(frame.header.get("peak_kb", 0)) <= self.function.memory * 1024

    # -- results --

    def result(self, invocation: Invocation, result: Result) -> FunctionResult:
        """The result of an invocation. Raises FunctionError and TaskFailed; the log gets hints."""
        if self._hint_for_tmp:
            invocation.log(self._hint_for_tmp)
            self._hint_for_tmp = ""
        if isinstance(result, wire.Frame):
            if result.kind == wire.RESPONSE:
                return bytes(result.body)
            if result.kind == wire.OUTCOME:
                return _outcome(loads(result.body))
            result = _function_error(result) if result.kind == wire.ERROR else BrokenProtocol("expected RESPONSE")
        raise self._error_of(result, invocation) from None

    def _error_of(self, error: Exception, invocation: Invocation) -> Exception:
        """What Lambda says of an invocation that failed; the log gets a hint what to do about it."""
        function = self.function
        if isinstance(error, FunctionError):
            found, hint = error, error.hint or self._hint_for_variable(error)
        elif isinstance(error, DeadlineExceeded):
            found, hint = errors.timed_out(invocation.id, function.timeout), timeout_hint(function)
        elif isinstance(error, OutOfMemory):
            found, hint = errors.killed(signal.SIGKILL, invocation.id), memory_hint(function)
        elif isinstance(error, BrokenProtocol):
            found, hint = errors.killed(signal.SIGKILL, invocation.id), f"{function.name} was killed: {error}"
        elif isinstance(error, ProcessEnded):
            found, hint = self._end_of(error, invocation)
        else:
            return error
        if hint:
            invocation.log(hint)
        return found

    def _end_of(self, error: ProcessEnded, invocation: Invocation) -> tuple[FunctionError, str]:
        status, function = error.status, self.function
        if status is None:
            return errors.killed(signal.SIGKILL, invocation.id), error.hint
        if status >= 0:
            return errors.exited(status, invocation.id), error.hint
        if -status in (signal.SIGSEGV, signal.SIGBUS):
            # Recorded (runtime_exit_segfault): Lambda notices nothing and reports the timeout.
            hint = f"{function.name} crashed ({signal.Signals(-status).name}), which Lambda reports as a timeout"
            return errors.timed_out(invocation.id, function.timeout), hint
        return errors.killed(-status, invocation.id), error.hint

    def _hint_for_variable(self, error: FunctionError) -> str:
        """A hint for a function that lacks an environment variable which sfnrun itself has."""
        name = str(error.payload["errorMessage"]).strip("'")
        if error.payload["errorType"] != "KeyError" or name not in os.environ or name in self.function.variables:
            return ""
        return (
            f"{name} is set here but not for the function; add to sfnrun.yaml: "
            f"functions: {{{self.function.name}: {{environment: {{{name}: ...}}}}}}"
        )


def _function_error(frame: wire.Frame) -> FunctionError:
    text = frame.body.decode()
    return FunctionError(loads(text), text, frame.header["hint"])


def _outcome(given: Any) -> Pending | Reply:
    """What a handler returned or raised that knows of sfnrun. Raises TaskFailed."""
    if "raised" in given:
        raise TaskFailed(*given["raised"])
    output = PENDING if given["pending"] else given["output"]
    if "submitted" not in given:
        return PENDING
    failure = TaskFailed(*given["failure"]) if given["failure"] else None
    return Reply(output, failure, given["submitted"], given["worker_name"], given["duration_ms"])


# Variables that say what this machine is and where it reaches the network. Functions see no others of the developer's.
_OF_MACHINE = """
    PATH LD_LIBRARY_PATH SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE AWS_CA_BUNDLE
    HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy
""".split()  # noqa: SIM905
# What else Lambda's environments have. The credentials are dummies: AWS refuses a function that calls it by mistake.
_OF_PROCESS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "LANG": "en_US.UTF-8",
    "LC_CTYPE": "C.UTF-8",
}


def _variables(function: Function, invocation: Invocation, python: tuple[int, int] | None) -> dict[str, str]:
    """All environment variables of a new environment."""
    of_machine = {
        name: value for name, value in os.environ.items() if name in _OF_MACHINE or name.startswith("AWS_ENDPOINT_URL")
    }
    return {**of_machine, **_OF_PROCESS, **variables_of(function, invocation, python)}


def _named_in(variables: Mapping[str, str]) -> list[str]:
    """Directories of the paths in a function's variables, which it is meant to find."""
    paths = [value for value in variables.values() if os.path.isabs(value)]
    return [path if os.path.isdir(path) else os.path.dirname(path) for path in paths]


def _python_path(variables: Mapping[str, str]) -> list[str]:
    return [os.path.abspath(path) for path in variables.get("PYTHONPATH", "").split(os.pathsep) if path]
