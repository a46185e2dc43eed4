"""One execution environment as sfnrun sees it: a process, its socket, its log and its status.

An exchange sends a frame and waits for the one that answers it, for a deadline, for the end of the process, and looks
at its memory in the meantime. What the process prints goes to the exchange; what it prints between two of them goes to
the next one, as on AWS. Everything here is called on the switchboard's thread.
"""

from __future__ import annotations

import codecs
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sfnrun.tasks.lambdas.environment import wire
from sfnrun.tasks.lambdas.output import Lines
from sfnrun.tasks.lambdas.runtime import TAIL_BYTES
from sfnrun.tasks.lambdas.switchboard import READ, WRITE, Switchboard, Timer
from sfnrun.tasks.lambdas.zygotes import Zygote

__all__ = ["BrokenProtocol", "DeadlineExceeded", "EnvironmentProcess", "Exchanged", "OutOfMemory", "ProcessEnded"]

_CHUNK = 262_144
# How often the memory of a busy process is measured, in seconds: above half of its limit, and below.
_OFTEN_S, _SELDOM_S = 0.01, 0.05
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
# Bytes that are kept of what a process prints while nothing waits for it.
_MOST_EARLY = 1_048_576


class DeadlineExceeded(Exception):
    """The time of an exchange is over."""


class ProcessEnded(Exception):
    """The process ended before it answered. `status` is its exit status, or minus a signal; None: it was not seen."""

    def __init__(self, status: int | None, hint: str) -> None:
        super().__init__(status)
        self.status = status
        self.hint = hint


class OutOfMemory(Exception):
    """The process uses more memory than the function has."""


class BrokenProtocol(Exception):
    """The handler wrote into a descriptor that is not its own."""


# What comes of an exchange. With an exception the process is of no use any more.
Exchanged = wire.Frame | DeadlineExceeded | ProcessEnded | OutOfMemory | BrokenProtocol


class _Exchange:
    """An exchange that is going on. `lines` None: what is printed is kept for the next one."""

    __slots__ = ("done", "lines", "timer", "until")

    def __init__(self, done: Callable[[Exchanged], None], lines: Lines | None, until: float) -> None:
        self.done = done
        self.lines = lines
        self.until = until
        self.timer: Timer | None = None


class EnvironmentProcess:
    """A process that runs a function. `header` is the SPAWN's, `memory_kb` the most that it may use.

    Raises OSError if the zygote has ended.
    """

    def __init__(self, board: Switchboard, zygote: Zygote, header: Mapping[str, Any], memory_kb: int) -> None:
        self.tmp: str = header["tmp"]
        self.tail = b""
        self.init_ms: float | None = None
        self.has_ended = False
        self._board = board
        self._memory_kb = memory_kb
        self._pid = 0
        self._status: int | None = None
        self._hint = ""
        self._is_frozen = False
        self._frames = wire.Frames()
        self._unsent = memoryview(b"")
        self._waits_to_send = False
        self._early = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._exchange: _Exchange | None = None
        self._on_end: list[Callable[[], None]] = []
        self._connection, connection = socket.socketpair()
        self._log, log = os.pipe()
        self._end, end = os.pipe()
        try:
            zygote.spawn(header, (connection.fileno(), log, end))
        except OSError:
            self._close()
            raise
        finally:
            connection.close()
            os.close(log)
            os.close(end)
        self._connection.setblocking(False)
        os.set_blocking(self._log, False)
        os.set_blocking(self._end, False)
        board.watch(self._connection.fileno(), self._on_connection)
        board.watch(self._log, self._on_log)
        board.watch(self._end, self._on_status)

    def is_usable(self) -> bool:
        """Whether the process has not ended, even if the switchboard does not know yet."""
        if not self.has_ended:
            self._on_status(READ)
        return not self.has_ended

    def exchange(
        self, data: bytes, until: float, log: Callable[[str], None], done: Callable[[Exchanged], None]
    ) -> None:
        """Send a frame, or nothing, and have `done` called with the next one.

        `until` is a time of time.monotonic, `log` gets the lines that the process prints.
        """
        self.tail = b""
        exchange = self._exchange = _Exchange(done, Lines(log, _shown), until)
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            self._print(early)
        if self.has_ended:
            self._finish(ProcessEnded(self._status, self._hint))
            return
        if self._is_frozen:
            self._is_frozen = False
            self._signal(signal.SIGCONT)
        self._unsent = memoryview(data)
        self._send()
        self._look_again(exchange, _SELDOM_S)

    def expect(self, until: float, done: Callable[[Exchanged], None]) -> None:
        """Have `done` called with the next frame; what the process prints is kept for the first exchange."""
        exchange = self._exchange = _Exchange(done, None, until)
        self._look_again(exchange, _SELDOM_S)

    def freeze(self) -> None:
        """Stop the process and its children, until the next exchange."""
        self._is_frozen = True
        self._signal(signal.SIGSTOP)

    def kill(self, then: Callable[[], None]) -> None:
        """End the process and its children; `then` is called when they have ended."""
        if self.has_ended:
            then()
            return
        self._on_end.append(then)
        self._exchange = None
        self._signal(signal.SIGKILL)
        if self._connection.fileno() >= 0:
            self._board.ignore(self._connection.fileno())
            self._connection.close()

    # -- what comes in --

    def _on_connection(self, events: int) -> None:
        if events & WRITE:
            self._send()
        if events & ~WRITE:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # how the process ended is told by its status, which may come a little later
            self._board.ignore(self._connection.fileno())
            self._connection.close()
            return
        try:
            for frame in self._frames.feed(data):
                if frame.kind == wire.HINT:
                    self._hint = frame.header["hint"]
                else:
                    self._read_log()
                    self._finish(frame)
        except ValueError as error:
            self._finish(BrokenProtocol(str(error)))

    def _on_log(self, events: int) -> None:
        self._read_log()

    def _read_log(self) -> None:
        """Read the log until it is empty."""
        while True:
            try:
                data = os.read(self._log, _CHUNK)
            except OSError:
                return
            if not data:
                self._board.ignore(self._log)
                return
            self._print(data)
            if len(data) < _CHUNK:
                return

    def _print(self, data: bytes) -> None:
        lines = None if self._exchange is None else self._exchange.lines
        if lines is None:
            self._early += data
            del self._early[:-_MOST_EARLY]
        else:
            self.tail = (self.tail + data)[-TAIL_BYTES:]
            lines.write(self._decoder.decode(data))

    def _on_status(self, events: int) -> None:
        try:
            data = os.read(self._end, 4)
        except BlockingIOError:  # the event was of a closed descriptor with the same number
            return
        number = struct.unpack("!i", data)[0] if len(data) == 4 else None
        if number is not None and not self._pid:
            self._pid = number
            if self._on_end:  # it was to be killed before its pid was known
                self._signal(signal.SIGKILL)
            return
        self._status = number
        self.has_ended = True
        if self._connection.fileno() >= 0:
            self._receive()  # its last words may have come at the same time
        self._read_log()
        self._signal(signal.SIGKILL)  # its children
        self._close()
        self._finish(ProcessEnded(self._status, self._hint))
        for then in self._on_end:
            then()

    # -- the exchange --

    def _send(self) -> None:
        """Send what the socket takes, and have the switchboard tell when it takes the rest."""
        if not self._unsent:
            return
        try:
            self._unsent = self._unsent[self._connection.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # it has ended, which its status tells
            self._unsent = memoryview(b"")
            return
        if bool(self._unsent) != self._waits_to_send:
            self._waits_to_send = bool(self._unsent)
            self._board.change(self._connection.fileno(), READ | WRITE if self._unsent else READ)

    def _look_again(self, exchange: _Exchange, seconds: float) -> None:
        when = min(exchange.until, time.monotonic() + seconds)
        exchange.timer = self._board.call_at(when, lambda: self._look(exchange))

    def _look(self, exchange: _Exchange) -> None:
        """Look at the time and the memory of an exchange."""
        if exchange is not self._exchange:
            return
        if time.monotonic() >= exchange.until:
            self._finish(DeadlineExceeded())
            return
        used = self._resident_kb()
        if used > self._memory_kb:
            self._finish(OutOfMemory())
        else:
            self._look_again(exchange, _OFTEN_S if used > self._memory_kb // 2 else _SELDOM_S)

    def _finish(self, result: Exchanged) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if exchange.timer is not None:
            exchange.timer.cancel()
        if exchange.lines is not None:
            exchange.lines.end()
        exchange.done(result)

    # -- the process --

    def _resident_kb(self) -> int:
        try:
            with open(f"/proc/{self._pid}/statm", "rb", buffering=0) as file:
                return int(file.read(64).split()[1]) * _PAGE_KB
        except (OSError, IndexError):
            return 0

    def _signal(self, number: int) -> None:
        """Signal the process and its children. Its pid is not another's until the status is closed."""
        if self._pid:
            with suppress(OSError):
                os.killpg(self._pid, number)
            if number == signal.SIGKILL:
                with suppress(OSError):  # it may not have begun its own session yet
                    os.kill(self._pid, number)

    def _close(self) -> None:
        if self._connection.fileno() >= 0:
            self._board.ignore(self._connection.fileno())
            self._connection.close()
        for descriptor in (self._log, self._end):
            self._board.ignore(descriptor)
            os.close(descriptor)


# What Lambda's runtime writes before a message of logging: the trace has the time and the request already.
_PREFIX = re.compile(r"\[([A-Z]+)\]\t\d{4}-\d\d-\d\dT[\d:.]+Z\t[\da-f-]*\t")


def _shown(line: str) -> str | None:
    """A line of the log as the trace shows it; None for what the runtime logs of an error, which the trace has."""
    if not line.startswith("["):
        return line
    if line.startswith("[ERROR] ") and "\rTraceback (most recent call last):" in line:
        return None
    found = _PREFIX.match(line)
    if found is None:
        return line
    message = line[found.end() :]
    return None if message.startswith("LAMBDA_WARNING: Unhandled exception.") else f"[{found[1]}] {message}"
