"""The trace as plain lines, for logs, pipes and files; rich is never imported here.

A reader who goes away does not stop the execution: lines that nobody can read are dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TextIO

from sfnrun.view.line import ASCII_MARKS, Line, plain

__all__ = ["PlainTrace"]


class PlainTrace:
    """Writes each line as it comes; a Map's progress at most once a second. `encoding` is the stream's own if None."""

    def __init__(self, stream: TextIO, *, encoding: str | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._told = clock()
        self._ascii = not _has_marks(encoding or getattr(stream, "encoding", None) or "ascii")
        self._open = True

    def __enter__(self) -> PlainTrace:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def say(self, line: Line) -> None:
        if line.kind == "progress":
            if self._clock() - self._told < 1:
                return
            self._told = self._clock()
        self.write(plain(line) + "\n")

    def write(self, text: str) -> None:
        if not self._open:
            return
        try:
            self._stream.write(text.translate(ASCII_MARKS) if self._ascii else text)
        except (OSError, ValueError):
            # EPIPE, or a stream that was closed: `sfnrun … 2>&1 | head` must still run to its end.
            self._open = False


def _has_marks(encoding: str) -> bool:
    try:
        "✓→…".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
