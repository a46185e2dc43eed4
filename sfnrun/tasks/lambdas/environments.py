"""Runs functions in execution environments: processes that are started when needed and used again.

An invocation takes the environment that was used last, or starts one; each has one invocation at a time. Starts at the
same time are bounded, because forty imports of boto3 at once are slower than four after the other: an invocation that
waits for its turn to start takes whatever environment is free first. After a timeout, a crash or an exit the process is
gone and the next invocation is a cold start.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from sfnrun.tasks.lambdas.environment import wire
from sfnrun.tasks.lambdas.environment.errors import FunctionError
from sfnrun.tasks.lambdas.process import (
    DeadlineExceeded,
    EnvironmentProcess,
    Exchanged,
    OutOfMemory,
    ProcessEnded,
)
from sfnrun.tasks.lambdas.runtime import Function, Invocation, Report
from sfnrun.tasks.lambdas.switchboard import Switchboard
from sfnrun.tasks.lambdas.zygotes import remove_directory

__all__ = ["Environments", "Result", "Starter"]

# Lambda's limit for the import of a handler, in seconds; it does not count towards the function's timeout.
INIT_LIMIT = 10.0

# How long the end of a run waits for the ends of its processes.
_PATIENCE_S = 10.0

MOST_ENVIRONMENTS = 128
STARTS_AT_ONCE = 2 * (os.cpu_count() or 1)

# The answer of an environment, or why there is none.
Result = wire.Frame | Exception


class Starter(Protocol):
    """A function, for whoever starts its environments and has them run its invocations."""

    function: Function

    def spawn(self, board: Switchboard, invocation: Invocation) -> EnvironmentProcess:
        """Start a process. Raises UnavailableError if its Python does not start."""

    def init_error(self, result: Exchanged) -> Exception | None:
        """What is wrong with the answer to a SPAWN; None if the environment is ready."""

    def request(self, invocation: Invocation) -> tuple[bytes, float]:
        """The frame of an invocation that begins now, and the end of its time."""

    def was_reset(self, environment: EnvironmentProcess) -> None:
        """An environment ended by a timeout, an exit or a crash: the next one has its /tmp."""

    def fits(self, frame: wire.Frame) -> bool:
        """Whether the process has not used more memory than the function has."""


class _Job:
    """An invocation on its way. `done` gets its result or an exception, on the switchboard's thread."""

    __slots__ = ("began", "done", "invocation", "runtime", "until")

    def __init__(self, runtime: Starter, invocation: Invocation, done: Callable[[Result], None]) -> None:
        self.runtime = runtime
        self.invocation = invocation
        self.done = done
        self.until: float | None = None
        self.began = 0.0


class Environments:
    """The environments of all functions of a run: at most `most`, of which at most `starts` are starting."""

    def __init__(self, most: int = MOST_ENVIRONMENTS, starts: int = STARTS_AT_ONCE) -> None:
        self.most = most
        self.starts = starts
        self.board = Switchboard()
        self._count = 0
        self._starting = 0
        self._idle: dict[Starter, list[EnvironmentProcess]] = {}
        self._waiting: deque[_Job] = deque()
        self._started_for: dict[Starter, int] = {}
        self._all: set[EnvironmentProcess] = set()
        self._is_closed = False

    # -- from any thread --

    def submit(self, runtime: Starter, invocation: Invocation, done: Callable[[Result], None]) -> None:
        """Run an invocation; `done` is called with its result, or with an exception."""
        self.board.post(self._take, _Job(runtime, invocation, done))

    def close(self) -> None:
        """End all environments and wait until they have ended. Invocations that still run fail."""
        self.board.post(self._close)
        self.board.join(_PATIENCE_S)

    # -- on the switchboard's thread --

    def _take(self, job: _Job) -> None:
        """Give an invocation the environment of its function that was used last, or have one started."""
        idle = self._idle.get(job.runtime)
        while idle:
            environment = idle.pop()
            if environment.is_usable():
                self._invoke(environment, job)
                return
            self._drop(environment)
            job.runtime.was_reset(environment)
        self._waiting.append(job)
        self._start_some()

    def _start_some(self) -> None:
        """Start environments for the invocations that wait, oldest first, as long as there is room."""
        missing = dict(self._started_for)
        for job in list(self._waiting):
            if missing.get(job.runtime, 0) > 0:  # one that is starting may be for it
                missing[job.runtime] -= 1
            elif self._starting >= self.starts or not (self._count < self.most or self._evict()):
                return
            else:
                self._start(job)

    def _start(self, job: _Job) -> None:
        runtime = job.runtime
        self._starting += 1
        self._started_for[runtime] = self._started_for.get(runtime, 0) + 1
        self._spawn(job, time.monotonic() + INIT_LIMIT, partial(self._started, runtime))

    def _spawn(
        self, job: _Job, until: float, done: Callable[[EnvironmentProcess | None, Exception | None], None]
    ) -> None:
        """Start an environment, which has until a time to import its handler."""
        self._count += 1
        try:
            environment = job.runtime.spawn(self.board, job.invocation)
        except Exception as error:
            self._count -= 1
            done(None, error)
            return
        self._all.add(environment)

        def initialized(result: Exchanged) -> None:
            error = job.runtime.init_error(result)
            if error is None and isinstance(result, wire.Frame):
                environment.init_ms = result.header["init_ms"]
                done(environment, None)
            else:
                self._end(environment, lambda: done(environment, error))

        environment.expect(until, initialized)

    def _started(self, runtime: Starter, environment: EnvironmentProcess | None, error: Exception | None) -> None:
        """An environment is ready, or could not be started: then the next invocation that waits tries again itself."""
        self._starting -= 1
        self._started_for[runtime] -= 1
        if error is None and environment is not None:
            self._give(runtime, environment)
            return
        job = self._next_job(runtime)
        if job is not None:
            if isinstance(error, FunctionError | ProcessEnded | DeadlineExceeded):
                self._start_again(job)
            else:
                self._finish(job, error)
        self._start_some()

    def _start_again(self, job: _Job) -> None:
        """Repeat an init that failed or took too long, within the invocation and its timeout.

        Lambda does so: static code runs twice, and the caller sees the second failure.
        """
        job.until = time.monotonic() + job.runtime.function.timeout

        def started(environment: EnvironmentProcess | None, error: Exception | None) -> None:
            if error is None and environment is not None:
                self._invoke(environment, job)
            elif environment is None:
                self._finish(job, error)
            else:  # its log is that of the invocation
                environment.exchange(b"", 0.0, job.invocation.log, lambda result: self._finish(job, error))

        self._spawn(job, job.until, started)

    def _give(self, runtime: Starter, environment: EnvironmentProcess) -> None:
        """Let an environment have the next invocation that waits for one of its function, or rest."""
        job = self._next_job(runtime)
        if job is not None:
            self._invoke(environment, job)
        elif self._is_closed:
            self._end(environment, _nothing)
        else:
            self._idle.setdefault(runtime, []).append(environment)
        self._start_some()

    def _next_job(self, runtime: Starter) -> _Job | None:
        for job in self._waiting:
            if job.runtime is runtime:
                self._waiting.remove(job)
                return job
        return None

    def _invoke(self, environment: EnvironmentProcess, job: _Job) -> None:
        job.began = time.monotonic()
        frame, until = job.runtime.request(job.invocation)
        environment.exchange(frame, job.until or until, job.invocation.log, partial(self._answered, environment, job))

    def _answered(self, environment: EnvironmentProcess, job: _Job, result: Exchanged) -> None:
        if isinstance(result, wire.Frame) and job.runtime.fits(result):
            if not result.header.get("quiet"):
                environment.freeze()
            if job.invocation.report is not None:
                job.invocation.report(_report(environment, job, result))
            environment.init_ms = None
            job.done(result)
            self._give(job.runtime, environment)
        else:
            # An answer over the memory limit: it was exceeded between two measurements.
            error = OutOfMemory() if isinstance(result, wire.Frame) else result

            def ended() -> None:
                job.runtime.was_reset(environment)
                self._finish(job, error)

            self._drop(environment)
            environment.kill(ended)
            self._start_some()

    def _finish(self, job: _Job, error: Exception | None) -> None:
        job.done(error or AssertionError("an invocation without a result"))

    def _end(self, environment: EnvironmentProcess, then: Callable[[], None]) -> None:
        """Kill an environment and remove its files; its place is free at once."""
        self._drop(environment)

        def ended() -> None:
            remove_directory(environment.tmp)
            then()

        environment.kill(ended)

    def _drop(self, environment: EnvironmentProcess) -> None:
        self._all.discard(environment)
        self._count -= 1

    def _evict(self) -> bool:
        """End the environment that has been idle for longest, to make room for another function's."""
        for idle in self._idle.values():
            if idle:
                self._end(idle.pop(0), _nothing)
                return True
        return False

    def _close(self) -> None:
        self._is_closed = True
        self._waiting.clear()
        self._idle.clear()
        left = len(self._all)
        if not left:
            self.board.stop()

        def ended() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.board.stop()

        for environment in list(self._all):
            self._end(environment, ended)


def _report(environment: EnvironmentProcess, job: _Job, frame: wire.Frame) -> Report:
    duration_ms = (time.monotonic() - job.began) * 1000
    return Report(environment.tail, duration_ms, frame.header["peak_kb"] // 1024, environment.init_ms)


def _nothing() -> None:
    """Nothing waits for the end of this environment."""
