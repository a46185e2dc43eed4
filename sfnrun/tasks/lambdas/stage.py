"""What Lambda gives a function alone and we must share is lent to handlers while they run, and then taken back.

That is stdout and stderr, the environment variables, the working folder, the root logger, `breakpoint()` and the end of
the process. All of it asks which Invocation the calling thread works for; a thread that a handler starts works for the
handler's invocation. Other threads see what they always saw.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from sfnrun.tasks.lambdas.console import Console, Lines
from sfnrun.tasks.lambdas.environment import Environment, FunctionEnviron
from sfnrun.tasks.lambdas.logs import RootHandler

__all__ = ["Invocation", "Sandbox", "current", "enter", "leave"]


class Sandbox:
    """What the invocations of one function share from a cold start on: its variables, and who is at work in it.

    `plain` is applied to every line.
    """

    __slots__ = ("environment", "latest", "plain")

    def __init__(self, environment: Environment, plain: Callable[[str], str] = str) -> None:
        self.environment = environment
        self.plain = plain
        self.latest: Invocation | None = None


class Invocation:
    """One run of a handler: the sandbox it runs in and where its lines go, until it is over or given up."""

    __slots__ = ("_log", "began", "entered", "environment", "process", "sandbox", "stderr", "stdout")

    def __init__(self, sandbox: Sandbox, log: Callable[[str], None]) -> None:
        self.sandbox = sandbox
        self.environment = sandbox.environment
        self.process = os.getpid()
        # Monotonic seconds: when it came, and when its handler was called (None: the module is still being imported).
        self.entered = time.monotonic()
        self.began: float | None = None
        self._log: Callable[[str], None] | None = log
        self.stdout = Lines(self.line)
        self.stderr = Lines(self.line)
        sandbox.latest = self

    def line(self, text: str) -> None:
        """Tell the trace. A thread left over from an earlier invocation (of a pool) speaks in the one at work now."""
        log = self._log
        if log is None:
            latest = self.sandbox.latest
            log = None if latest is None else latest._log
        if log is not None:
            # What `log` itself prints is not the handler's.
            mine, _thread.invocation = _thread.invocation, None
            try:
                log(self.sandbox.plain(text))
            finally:
                _thread.invocation = mine

    def finish(self) -> None:
        """Its handler has returned; the threads that it may have left are heard while a later invocation runs."""
        self.stdout.end()
        self.stderr.end()
        if self._log is not _unheard:
            self._log = None
        _stage.alive.discard(self)

    def give_up(self) -> None:
        """The driver waits no longer. Lambda would have killed the process, so nothing more is heard of it."""
        self._log = _unheard
        _stage.alive.discard(self)


def _unheard(text: str) -> None:
    """The log of an invocation that was given up."""


class _Thread(threading.local):
    invocation: Invocation | None = None


_thread = _Thread()


def current() -> Invocation | None:
    """The invocation that the calling thread works for."""
    return _thread.invocation


def enter(invocation: Invocation) -> Invocation | None:
    """The calling thread works for `invocation` until `leave`, which takes what this returns."""
    with _lock:
        _stage.lend()
        _stage.alive.add(invocation)
    before, _thread.invocation = _thread.invocation, invocation
    return before


def leave(before: Invocation | None) -> None:
    """The calling thread works for `before` again. In a process that a handler has forked, it ends with the handler."""
    invocation = current()
    if invocation is not None and invocation.process != os.getpid():
        _end_process(1 if sys.exc_info()[0] else 0)
    _thread.invocation = before
    with _lock:
        _stage.take_back()


_lock = threading.Lock()
_start_thread = threading.Thread.start
_end_process = os._exit


def _start(thread: threading.Thread) -> None:
    """`Thread.start`, by which a new thread works for whom its maker works."""
    if (invocation := current()) is not None:
        thread.run = partial(_run, invocation, thread.run)  # type: ignore[method-assign]
    _start_thread(thread)


def _run(invocation: Invocation, run: Callable[[], None]) -> None:
    with _lock:
        _stage.lend()
    _thread.invocation = invocation
    try:
        run()
    finally:
        leave(None)


def _exit(status: int) -> NoReturn:
    """`os._exit`, by which a handler ends its own process; that is ours unless it has forked."""
    invocation = current()
    if invocation is None or invocation.process != os.getpid():
        _end_process(status)
    raise SystemExit(status)


class _Stage:
    """What is lent, counted: the first invocation puts it up, the end of the last takes it down."""

    def __init__(self) -> None:
        # Invocations that are neither over nor given up; the users are threads, some of which may outlive theirs.
        self.alive: set[Invocation] = set()
        self._users = 0
        self._stdout = Console(None, partial(_lines, "stdout"), 2)
        self._stderr = Console(None, partial(_lines, "stderr"), 2)
        self._folder = ""
        self._breakpointhook: Callable[..., Any] = sys.breakpointhook
        self._root_handler = RootHandler(_voice)

    def lend(self) -> None:
        self._users += 1
        self._lend_stream("stdout", self._stdout)
        self._lend_stream("stderr", self._stderr)
        if self._users == 1:
            self._folder = _working_folder()
            threading.Thread.start = _start  # type: ignore[assignment, method-assign]
            os._exit = _exit
            FunctionEnviron.put_up(_environment)
            self._breakpointhook, sys.breakpointhook = sys.breakpointhook, self._break
            self._root_handler.put_up()

    def _lend_stream(self, name: str, console: Console) -> None:
        stream = getattr(sys, name, None)
        if stream is console:
            return
        # While handlers are at work, one of them has put it there (redirect_stdout); else it is the process's own.
        if not self.alive:
            console.behind = stream
        setattr(sys, name, console)

    def take_back(self) -> None:
        self._users -= 1
        if self._users == 0:
            sys.stdout, sys.stderr = self._stdout.behind, self._stderr.behind
            threading.Thread.start = _start_thread  # type: ignore[method-assign]
            os._exit = _end_process
            FunctionEnviron.take_down()
            sys.breakpointhook = self._breakpointhook
            self._root_handler.take_down()
            if self._folder and _working_folder() != self._folder:
                with suppress(OSError):  # a handler has removed it
                    os.chdir(self._folder)

    def _break(self, *args: Any, **options: Any) -> Any:
        """`breakpoint()` of a handler talks to the terminal through the real stderr: stdout is for the result.

        It stops on the main thread alone: elsewhere the time limit goes on, and somebody else uses the terminal.
        """
        invocation = current()
        if invocation is None or os.environ.get("PYTHONBREAKPOINT"):
            return self._breakpointhook(*args, **options)
        frame = sys._getframe(1)
        if threading.current_thread() is not threading.main_thread():
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            invocation.line(f"{place}: breakpoint() is passed over; with --debug it stops")
            return None
        import pdb  # only when somebody debugs

        return pdb.Pdb(stdin=sys.__stdin__, stdout=sys.__stderr__).set_trace(frame)


def _lines(stream: str) -> Lines | None:
    invocation = _thread.invocation
    return None if invocation is None else getattr(invocation, stream)


def _environment() -> Environment | None:
    invocation = _thread.invocation
    return None if invocation is None else invocation.environment


def _voice() -> Callable[[str], None] | None:
    invocation = _thread.invocation
    return None if invocation is None else invocation.stderr.write


def _working_folder() -> str:
    """The working folder; "" if there is none any more."""
    try:
        return os.getcwd()
    except OSError:
        return ""


_stage = _Stage()
