"""Patches of process-wide state for handlers that run in this process.

In Lambda a function has stdout and stderr, environment variables, the working directory, the root logger and the end of
the process for itself. While handlers run here, all of these are patched; each patch dispatches on the invocation that
the calling thread works for, which threads inherit from the one that starts them. Other threads see no difference. The
first invocation installs the patches, the end of the last one uninstalls them.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from sfnrun.tasks.lambdas.output import Console, Lines

__all__ = ["Running", "Sandbox", "Variables", "enter", "leave"]

# Environment variables of a function. None: the function has deleted the one of the process.
Variables = dict[str, "str | None"]


class Sandbox:
    """What the invocations of one environment share: its variables, and the latest invocation.

    `plain` is applied to every line that they print.
    """

    __slots__ = ("latest", "plain", "variables")

    def __init__(self, variables: Variables, plain: Callable[[str], str] = str) -> None:
        self.variables = variables
        self.plain = plain
        self.latest: Running | None = None


class Running:
    """A running invocation: its sandbox and where its lines go, until it is over or given up."""

    __slots__ = ("_log", "began", "entered", "process", "sandbox", "stderr", "stdout", "variables")

    def __init__(self, sandbox: Sandbox, log: Callable[[str], None]) -> None:
        self.sandbox = sandbox
        self.variables = sandbox.variables
        self.process = os.getpid()
        # Monotonic seconds of its start, and of the call of its handler. None: the module is still being imported.
        self.entered = time.monotonic()
        self.began: float | None = None
        self._log: Callable[[str], None] | None = log
        self.stdout = Lines(self.line)
        self.stderr = Lines(self.line)
        sandbox.latest = self

    def line(self, text: str) -> None:
        """Log a line. Threads that an earlier invocation left behind log to the latest one, as they do in Lambda."""
        log = self._log
        if log is None:
            latest = self.sandbox.latest
            log = None if latest is None else latest._log
        if log is not None:
            # What `log` itself prints is not the handler's.
            mine, _thread.running = _thread.running, None
            try:
                log(self.sandbox.plain(text))
            finally:
                _thread.running = mine

    def finish(self) -> None:
        """Its handler has returned."""
        self.stdout.end()
        self.stderr.end()
        if self._log is not _ignore:
            self._log = None
        _patches.alive.discard(self)

    def give_up(self) -> None:
        """Nothing waits for it any longer. Lambda would have killed the process, so its lines are dropped."""
        self._log = _ignore
        _patches.alive.discard(self)


def _ignore(text: str) -> None:
    """The log of an invocation that was given up."""


class _Thread(threading.local):
    running: Running | None = None


_thread = _Thread()


def enter(running: Running) -> Running | None:
    """Let the calling thread work for an invocation until `leave`, which takes the result of this."""
    with _lock:
        _patches.acquire()
        _patches.alive.add(running)
    before, _thread.running = _thread.running, running
    return before


def leave(before: Running | None) -> None:
    """Let the calling thread work for `before` again. A process that the handler forked ends here."""
    running = _thread.running
    if running is not None and running.process != os.getpid():
        _end_process(1 if sys.exc_info()[0] else 0)
    _thread.running = before
    with _lock:
        _patches.release()


_lock = threading.Lock()
_start_thread = threading.Thread.start
_end_process = os._exit


def _start(thread: threading.Thread) -> None:
    """`Thread.start` for which a new thread works for the invocation of the one that starts it."""
    if (running := _thread.running) is not None:
        thread.run = partial(_run, running, thread.run)  # type: ignore[method-assign]
    _start_thread(thread)


def _run(running: Running, run: Callable[[], None]) -> None:
    with _lock:
        _patches.acquire()
    _thread.running = running
    try:
        run()
    finally:
        leave(None)


def _exit(status: int) -> NoReturn:
    """`os._exit` for handlers: ends the function's process, which is this one unless the handler has forked."""
    running = _thread.running
    if running is None or running.process != os.getpid():
        _end_process(status)
    raise SystemExit(status)


class _Patches:
    """The patches, counted by the threads that use them; `alive` are invocations neither over nor given up."""

    def __init__(self) -> None:
        self.alive: set[Running] = set()
        self._users = 0
        self._stdout = Console(None, partial(_lines, "stdout"), 2)
        self._stderr = Console(None, partial(_lines, "stderr"), 2)
        self._folder = ""
        self._breakpointhook: Callable[..., Any] = sys.breakpointhook
        self._root_handler = RootHandler()

    def acquire(self) -> None:
        self._users += 1
        self._install_stream("stdout", self._stdout)
        self._install_stream("stderr", self._stderr)
        if self._users == 1:
            self._folder = _working_folder()
            threading.Thread.start = _start  # type: ignore[assignment, method-assign]
            os._exit = _exit
            # Changing the class also reaches code that holds the object itself (`from os import environ`).
            os.environ.__class__ = FunctionEnviron
            self._breakpointhook, sys.breakpointhook = sys.breakpointhook, self._break
            self._root_handler.install()

    def _install_stream(self, name: str, console: Console) -> None:
        stream = getattr(sys, name, None)
        if stream is console:
            return
        # While handlers run, one of them has put the stream there (redirect_stdout); otherwise it is the process's own.
        if not self.alive:
            console.behind = stream
        setattr(sys, name, console)

    def release(self) -> None:
        self._users -= 1
        if self._users == 0:
            sys.stdout, sys.stderr = self._stdout.behind, self._stderr.behind
            threading.Thread.start = _start_thread  # type: ignore[method-assign]
            os._exit = _end_process
            os.environ.__class__ = _Environ
            sys.breakpointhook = self._breakpointhook
            self._root_handler.uninstall()
            if self._folder and _working_folder() != self._folder:
                with suppress(OSError):  # a handler has removed it
                    os.chdir(self._folder)

    def _break(self, *args: Any, **options: Any) -> Any:
        """`breakpoint()` in a handler uses the terminal through the real stderr, because stdout carries the result.

        It stops on the main thread only. Elsewhere the time limit continues, and other output uses the terminal.
        """
        running = _thread.running
        if running is None or os.environ.get("PYTHONBREAKPOINT"):
            return self._breakpointhook(*args, **options)
        frame = sys._getframe(1)
        if threading.current_thread() is not threading.main_thread():
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            running.line(f"{place}: breakpoint() ignored; pass --debug to stop here")
            return None
        import pdb  # only when somebody debugs

        return pdb.Pdb(stdin=sys.__stdin__, stdout=sys.__stderr__).set_trace(frame)


def _lines(stream: str) -> Lines | None:
    running = _thread.running
    return None if running is None else running.stdout if stream == "stdout" else running.stderr


def _working_folder() -> str:
    """The working directory; "" if it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _variables() -> Variables | None:
    running = _thread.running
    return None if running is None else running.variables


_Environ = type(os.environ)


class FunctionEnviron(_Environ):  # type: ignore[misc, valid-type]
    """The class of `os.environ` while handlers run: a handler reads its own variables first, and writes only them.

    Child processes get the variables that they are passed (`env=os.environ.copy()`), otherwise those of this process.
    """

    def __getitem__(self, name: str) -> str:
        own = _variables()
        if own is None or name not in own:
            return str(super().__getitem__(name))
        value = own[name]
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        own = _variables()
        if own is None:
            super().__setitem__(name, value)
        elif isinstance(name, str) and isinstance(value, str):
            own[name] = value
        else:
            wrong = value if isinstance(name, str) else name
            raise TypeError(f"str expected, not {type(wrong).__name__}")

    def __delitem__(self, name: str) -> None:
        own = _variables()
        if own is None:
            super().__delitem__(name)
        else:
            self[name]  # raises KeyError if it is missing
            own[name] = None

    def __iter__(self) -> Iterator[str]:
        own = _variables()
        if not own:
            yield from super().__iter__()
            return
        yield from (name for name in list(super().__iter__()) if name not in own)
        yield from [name for name, value in list(own.items()) if value is not None]

    def __len__(self) -> int:
        return sum(1 for _ in self)


class RootHandler(logging.Handler):
    """The handler that Lambda gives the root logger, so that `logger.info` shows and basicConfig changes nothing.

    Lambda writes `[INFO]<tab>time<tab>request id<tab>message`; the trace has the time and the request already.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
        self._wanted = True

    def install(self) -> None:
        if self._wanted:
            logging.getLogger().addHandler(self)

    def uninstall(self) -> None:
        root = logging.getLogger()
        # Code that configures logging its own way removes the handlers that it finds, and means it.
        self._wanted = self in root.handlers
        root.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        running = _thread.running
        if running is None:
            _as_without(record, self)
            return
        try:
            running.stderr.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)  # as every handler of logging does with a record that it cannot format


def _as_without(record: logging.LogRecord, handler: logging.Handler) -> None:
    """Log a record of another thread as if the handler were not installed."""
    last = logging.lastResort
    if last and logging.getLogger().handlers == [handler] and record.levelno >= last.level:
        last.handle(record)


_patches = _Patches()
