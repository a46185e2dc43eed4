"""Sends what a handler prints to the log of its invocation, line by line.

While handlers run in this process, `sys.stdout` and `sys.stderr` are Consoles. A Console looks up the invocation of the
calling thread, so that a logging handler that keeps one from the import works in every later invocation; other threads
print where they always did.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

__all__ = ["Console", "Lines"]

# CloudWatch Logs cuts longer lines too, and a line without an end uses bounded memory.
LONGEST_LINE = 262_144


class Lines:
    """Cuts text into lines and passes each, without its end, to `log`. Thread-safe.

    `shown` returns what to pass on of a line; None drops it.
    """

    __slots__ = ("_length", "_lock", "_log", "_parts", "_shown")

    def __init__(self, log: Callable[[str], None], shown: Callable[[str], str | None] = str) -> None:
        self._log = log
        self._shown = shown
        self._lock = Lock()
        self._parts: list[str] = []
        self._length = 0

    def write(self, text: str) -> None:
        with self._lock:
            if "\n" in text:
                *lines, text = "".join((*self._parts, text)).split("\n")
                self._keep("")
                for line in lines:
                    self._send(line)
                self._keep(text)
            elif text:
                self._parts.append(text)
                self._length += len(text)
            if self._length > LONGEST_LINE:
                self._send_rest()

    def end(self) -> None:
        """Pass on the last line if it has no end."""
        with self._lock:
            self._send_rest()

    def _send_rest(self) -> None:
        rest = "".join(self._parts)
        self._keep("")
        if rest:
            self._send(rest)

    def _keep(self, text: str) -> None:
        self._parts = [text] if text else []
        self._length = len(text)

    def _send(self, line: str) -> None:
        kept = self._shown(line)
        if kept is None:
            return
        # A progress bar overwrites its line; a terminal shows what follows the last carriage return.
        text = kept.rstrip("\r").rpartition("\r")[2]
        for start in range(0, len(text) or 1, LONGEST_LINE):
            self._log(text[start : start + LONGEST_LINE])


class Console:
    """Replaces sys.stdout or sys.stderr. `lines()` returns the Lines of the calling thread, None for other threads."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, behind: Any, lines: Callable[[], Lines | None], fileno: int) -> None:
        self.behind = behind
        self._lines = lines
        self._fileno = fileno

    def write(self, text: str) -> int:
        lines = self._lines()
        if lines is None:
            return int(self.behind.write(text) or 0)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        lines.write(text)
        return len(text)

    def writelines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.write(text)

    @property
    def buffer(self) -> Any:
        return self.behind.buffer if self._lines() is None else _Bytes(self.write)

    def fileno(self) -> int:
        """The real one for other threads; that of stderr for handlers, because stdout carries the result."""
        return int(self.behind.fileno()) if self._lines() is None else self._fileno

    def isatty(self) -> bool:
        return self._lines() is None and bool(self.behind.isatty())

    def flush(self) -> None:
        if self._lines() is None:
            self.behind.flush()

    def close(self) -> None:
        """Do nothing: a handler cannot close the stdout of the process."""

    def detach(self) -> Any:
        return self.buffer

    def reconfigure(self, **options: Any) -> None:
        if self._lines() is None:
            self.behind.reconfigure(**options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer` of a handler."""

    def __init__(self, write: Callable[[str], int]) -> None:
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._write(bytes(data).decode("utf-8", "replace"))
        return len(data)
