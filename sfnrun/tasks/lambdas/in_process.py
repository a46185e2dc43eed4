"""Runs functions in this process: for debuggers, for tests that patch the process, and for callables.

The module is imported once, at the first invocation, and its globals survive from one invocation to the next. After a
timeout, an exit or a failed import the next invocation is a cold start. A handler cannot be ended from outside, so one
that times out goes on in the background, unheard. Whatever it raises is the function's error, except KeyboardInterrupt,
which is Ctrl-C.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Mapping
from threading import Lock

from sfnrun.effects import Failed, Pending, Reply
from sfnrun.errors import TaskFailed
from sfnrun.payload import loads
from sfnrun.tasks.lambdas.environment import errors, hints
from sfnrun.tasks.lambdas.environment.context import LambdaContext
from sfnrun.tasks.lambdas.environment.errors import FunctionError
from sfnrun.tasks.lambdas.environment.response import response_body
from sfnrun.tasks.lambdas.environment.runtime import Handler, error_of, load_handler
from sfnrun.tasks.lambdas.module_space import ModuleSpace
from sfnrun.tasks.lambdas.patches import Running, Sandbox, enter, leave
from sfnrun.tasks.lambdas.runtime import (
    TAIL_BYTES,
    Function,
    FunctionResult,
    Invocation,
    Report,
    Submit,
    timeout_hint,
    variables_of,
)

__all__ = ["InProcessRuntime"]

# Lambda's limit for the import, which does not count towards the function's timeout, in seconds.
INIT_LIMIT = 10.0
_SOON = 0.05

# Variables of the developer's that Lambda's do not override here: the region of AWS calls, and the time zone.
_DEVELOPERS = ("AWS_REGION", "AWS_DEFAULT_REGION", "TZ")


class _ExecutionEnvironment:
    """From a cold start to the end of the process that Lambda would have for the function."""

    __slots__ = ("__weakref__", "handler", "importing", "sandbox", "space")

    def __init__(self, function: Function, variables: Mapping[str, str]) -> None:
        self.space = ModuleSpace(function.code.folders)
        self.sandbox = Sandbox(dict(variables), self.space.plain)
        self.handler: Handler | None = None
        self.importing = Lock()
        # The modules go when nothing can run them: no next invocation, and no thread that was given up.
        weakref.finalize(self, self.space.close).atexit = False


class InProcessRuntime:
    """A LambdaRuntime in this process: one execution environment, which concurrent invocations share."""

    submit: Submit | None = None

    def __init__(self, function: Function) -> None:
        self.function = function
        self.time_limit: float | None = function.timeout
        self._current: _ExecutionEnvironment | None = None
        self._starting = Lock()
        self._running: dict[str, Running] = {}

    def invoke(self, invocation: Invocation) -> FunctionResult:
        environment = self._environment(invocation)
        began, lines = time.monotonic(), _Tail(invocation.log)
        log = invocation.log if invocation.report is None else lines.log
        running = self._running[invocation.id] = Running(environment.sandbox, log)
        before = enter(running)
        try:
            result = self._call(environment, running, invocation)
            running.finish()
            if invocation.report is not None:
                invocation.report(Report(lines.end, (time.monotonic() - began) * 1000, self.function.memory))
            return result
        except FunctionError as error:
            if error.hint:
                running.line(error.hint)
            raise
        except (KeyboardInterrupt, TaskFailed):
            raise
        except SystemExit as error:
            if not isinstance(error.code, int | None):
                running.line(str(error))
            running.line(hints.on_exit(error))
            # sys.exit() and sys.exit(0) succeed, a number is the status, anything else is printed and counts as 1.
            status = 0 if error.code is None else error.code & 0xFF if isinstance(error.code, int) else 1
            raise self._ended(environment, status, invocation) from None
        except BaseException as error:
            # Lambda's runtime catches Exceptions of the handler only, so anything else ends the process.
            running.line(f"{type(error).__name__}: {_text(error)}")
            running.line(hints.on_exit(error))
            raise self._ended(environment, 1, invocation) from None
        finally:
            leave(before)
            running.finish()
            self._running.pop(invocation.id, None)

    def overtime(self, request_id: str) -> float:
        running = self._running.get(request_id)
        if running is None:
            return _SOON  # it has not started, or it has just ended and its answer is on its way
        now = time.monotonic()
        if running.began is None:
            return _SOON if now < running.entered + INIT_LIMIT else 0.0
        return max(0.0, running.began + self.function.timeout - now)

    def timed_out(self, request_id: str, log: Callable[[str], None]) -> Failed:
        running = self._running.pop(request_id, None)
        if running is not None:
            running.give_up()
        self._current = None
        log(timeout_hint(self.function))
        return Failed("Sandbox.Timedout", errors.timed_out(request_id, self.function.timeout).text)

    def close(self) -> None:
        self._current = None

    def _environment(self, invocation: Invocation) -> _ExecutionEnvironment:
        environment = self._current
        if environment is None:
            with self._starting:
                variables = variables_of(self.function, invocation)
                for name in _DEVELOPERS:
                    if name in os.environ and name not in self.function.variables:
                        del variables[name]
                environment = self._current = self._current or _ExecutionEnvironment(self.function, variables)
        return environment

    def _call(self, environment: _ExecutionEnvironment, running: Running, invocation: Invocation) -> FunctionResult:
        handler = environment.handler or self._import(environment)
        deadline_ms = int((time.time() + self.function.timeout) * 1000)
        context = LambdaContext(invocation.id, invocation.arn, deadline_ms, invocation.client_context)
        context.function_version = invocation.version
        vars(context).update(invocation.attributes)
        running.began = time.monotonic()
        try:
            result = handler(loads(invocation.event), context)
        except TaskFailed:
            raise
        except Exception as error:
            raise error_of(error, invocation.id, handler, environment.space.plain) from None
        return result if isinstance(result, Pending | Reply) else response_body(result, invocation.id, handler)

    def _import(self, environment: _ExecutionEnvironment) -> Handler:
        """Import the handler, or wait for another invocation that does."""
        code = self.function.code
        with environment.importing:
            if environment.handler is None:
                try:
                    space = environment.space
                    environment.handler = load_handler(code.handler, code.module, code.names, space.load, space.plain)
                except BaseException:
                    self._end(environment)
                    raise
            return environment.handler

    def _ended(self, environment: _ExecutionEnvironment, status: int, invocation: Invocation) -> FunctionError:
        self._end(environment)
        return errors.exited(status, invocation.id)

    def _end(self, environment: _ExecutionEnvironment) -> None:
        """Make the next invocation a cold start, unless one has begun already."""
        with self._starting:
            if self._current is environment:
                self._current = None


class _Tail:
    """Passes lines on and keeps the end of them."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self.end = b""

    def log(self, line: str) -> None:
        self.end = (self.end + f"{line}\n".encode("utf-8", "surrogatepass"))[-TAIL_BYTES:]
        self._log(line)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:
        return f"<its text raised {type(broken).__name__}>"
