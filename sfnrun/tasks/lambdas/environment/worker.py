"""An execution environment: imports a handler and calls it for one invocation after the other, on the main thread.

Its process has its own session, variables, working directory, /tmp and log: descriptors 1 and 2 are one pipe, so that
lines keep their order. Nothing guards it from the handler. A handler that exits or crashes ends the process, as it does
in Lambda, and sfnrun sees how.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import io
import json
import logging
import os
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from types import TracebackType

from sfnrun.tasks.lambdas.environment import errors, hints, imports, isolation, logs, wire
from sfnrun.tasks.lambdas.environment.context import LambdaContext
from sfnrun.tasks.lambdas.environment.response import response_body
from sfnrun.tasks.lambdas.environment.runtime import Handler, error_of, load_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["main"]

# The handler may patch these in their modules.
_clock = time.time
_decode = json.loads


def main(visible: list[str], header: dict[str, Any], connection: int, log: int) -> NoReturn:
    """Become the environment that a SPAWN describes. Ends with the process.

    `visible` are the paths of this Python that stay visible where /tmp is private.
    """
    control = socket.socket(fileno=connection)
    own_tmp = _set_up(visible, header, log)
    worker = _Worker(control, header)
    worker.load(own_tmp)
    while True:
        frame = wire.receive(control)
        if frame is None:
            os._exit(0)  # sfnrun closes the environment
        worker.invoke(frame.header, frame.body)


def _set_up(visible: list[str], header: dict[str, Any], log: int) -> bool:
    """Give the process what it has for itself; return whether /tmp is its own."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    isolation.limit_files()
    own_tmp = isolation.private_tmp(header["tmp"], isolation.below_tmp([*header["visible"], *visible]))
    os.environ.clear()
    os.environ.update(header["variables"])
    if not own_tmp:
        os.environ.setdefault("TMPDIR", header["tmp"])
    time.tzset()
    os.chdir(header["folder"])
    sys.path[:0] = header["path"]
    sys.argv = ["/var/runtime/bootstrap.py"]
    for name in ("stdout", "stderr"):
        setattr(sys, name, _stream(name))
        setattr(sys, f"__{name}__", getattr(sys, name))
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.excepthook = _print_exception
    if not os.environ.get("PYTHONBREAKPOINT"):
        sys.breakpointhook = _pass_breakpoint
    faulthandler.enable()  # the log tells the line of a crash
    imports.install()
    gc.enable()
    return own_tmp


def _stream(name: str) -> io.TextIOWrapper:
    """A stream that writes at once, as those of Lambda's runtime do."""
    raw = io.FileIO(1 if name == "stdout" else 2, "w", closefd=False)
    errors = "surrogateescape" if name == "stdout" else "backslashreplace"
    return io.TextIOWrapper(raw, "utf-8", errors, write_through=True)


def _print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception that ends the process without the frames of sfnrun."""
    shown: traceback.TracebackException | None = traceback.TracebackException(kind, error, trace)
    text = shown
    while shown is not None:
        frames = [frame for frame in shown.stack if not errors.is_ours(frame.filename)]
        shown.stack = traceback.StackSummary.from_list(frames)
        shown = shown.__cause__ or shown.__context__
    os.write(2, "".join(text.format() if text else ()).encode("utf-8", "backslashreplace"))


def _pass_breakpoint(*args: Any, **options: Any) -> None:
    """`breakpoint()` of a process without a terminal."""
    frame = sys._getframe(1)
    line = f"{frame.f_code.co_filename}:{frame.f_lineno}: breakpoint() ignored; pass --debug to stop here\n"
    os.write(2, line.encode("utf-8", "backslashreplace"))


class _Worker:
    def __init__(self, control: socket.socket, header: dict[str, Any]) -> None:
        self._send = control.sendall
        self._header = header
        self._log_format: str = header["log_format"]
        self._requests = logs.set_up(self._log_format, header["log_level"])
        self._handler: Handler = _nothing
        self._process = os.getpid()

    def load(self, own_tmp: bool) -> None:
        """Import the handler."""
        header = self._header
        began = _clock()
        try:
            self._handler = load_handler(header["handler"], header["module"], header["names"], importlib.import_module)
        except errors.FunctionError as error:
            logging.warning(logs.INIT_WARNING)
            self._log_error(error)
            self._flush()
            self._send(wire.pack(wire.INIT_ERROR, {"hint": error.hint}, error.text.encode()))
            os._exit(1)
        except BaseException as error:
            self._end(error)
        self._flush()
        self._send(wire.pack(wire.READY, {"init_ms": (_clock() - began) * 1000, "own_tmp": own_tmp}))

    def invoke(self, header: dict[str, Any], body: bytes) -> None:
        """Run one invocation."""
        request_id = self._requests.request_id = header["id"]
        os.environ["_X_AMZN_TRACE_ID"] = header["trace"]
        context = LambdaContext(request_id, header["arn"], header["deadline_ms"], header["client_context"])
        vars(context).update(header["attributes"])
        try:
            kind, extra, answer = self._call(body, context, request_id)
        except errors.FunctionError as error:
            self._end_fork(1)
            self._log_error(error)
            kind, extra, answer = wire.ERROR, {"hint": error.hint}, error.text.encode()
        except BaseException as error:
            self._end(error)
        self._end_fork(0)
        self._flush()
        header = {"peak_kb": isolation.peak_kb(), "quiet": isolation.is_alone(), **extra}
        self._send(wire.pack(kind, header, answer))

    def _call(self, body: bytes, context: LambdaContext, request_id: str) -> tuple[int, dict[str, Any], bytes]:
        try:
            result = self._handler(_decode(body), context)
        except Exception as error:
            if (outcome := _raised_outcome(error)) is not None:
                return wire.OUTCOME, {}, outcome
            raise error_of(error, request_id, self._handler) from None
        if (outcome := _returned_outcome(result)) is not None:
            return wire.OUTCOME, {}, outcome
        return wire.RESPONSE, {}, response_body(result, request_id, self._handler)

    def _end_fork(self, status: int) -> None:
        """End a process that the handler has forked and that returned from it: its parent answers."""
        if os.getpid() != self._process:
            os._exit(status)

    def _log_error(self, error: errors.FunctionError) -> None:
        if "stackTrace" in error.payload:  # Lambda itself reports the others
            sys.stdout.write(logs.error_log(error.payload, self._log_format))

    def _end(self, error: BaseException) -> NoReturn:
        """End the process for an exception that Lambda's runtime does not catch, with a hint where it came from."""
        if os.getpid() == self._process:
            self._send(wire.pack(wire.HINT, {"hint": hints.on_exit(error)}))
        if not isinstance(error, SystemExit):
            sys.excepthook(type(error), error, error.__traceback__)
            error = SystemExit(1)
        raise error

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # the handler has replaced or closed it
                stream.flush()


def _nothing(event: object, context: object) -> None:
    """The handler of an environment that is not ready."""


# -- handlers that know of sfnrun --------------------------------------------------------------------------------------
# They may return PENDING or a Reply and raise TaskFailed. Their types are known by name: sfnrun is not imported here.


def _returned_outcome(result: Any) -> bytes | None:
    """The JSON of a PENDING or a Reply that a handler returns; None for a result."""
    kind = _sfnrun_type(result)
    if kind == "Pending":
        return b'{"pending":true}'
    if kind != "Reply":
        return None
    failure, is_pending = result.failure, _sfnrun_type(result.output) == "Pending"
    return json.dumps(
        {
            "pending": is_pending,
            "output": None if is_pending else _value(result.output),
            "failure": None if failure is None else [failure.name, failure.cause],
            "submitted": _value(result.submitted),
            "worker_name": result.worker_name,
            "duration_ms": result.duration_ms,
        }
    ).encode()


def _raised_outcome(error: Any) -> bytes | None:
    """The JSON of a TaskFailed that a handler raises; None for other exceptions."""
    if _sfnrun_type(error) != "TaskFailed":
        return None
    return json.dumps({"raised": [error.name, error.cause]}).encode()


def _sfnrun_type(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ in ("sfnrun.effects", "sfnrun.errors", "sfnrun.payload") else ""


def _value(value: Any) -> Any:
    return value.value if _sfnrun_type(value) == "Payload" else value
