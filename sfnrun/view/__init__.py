"""Human-readable output: the trace of an execution as plain lines, on a live terminal, or as JSON Lines.

`open_trace` chooses; rich is imported for a terminal only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

from sfnrun.view.line import Line

if TYPE_CHECKING:
    from sfnrun.view.trace import TraceLines

__all__ = ["Trace", "open_trace"]


class Trace(Protocol):
    """Prints lines; as a context manager it also shows what is running."""

    def say(self, line: Line) -> None: ...

    def write(self, text: str) -> None:
        """Print a text as it is, without a line's end of its own."""

    def __enter__(self) -> Trace: ...

    def __exit__(self, *exception: object) -> None: ...


def open_trace(stream: TextIO, *, moving: bool = True, real: bool = True) -> tuple[Trace, Callable[[TraceLines], None]]:
    """Return the trace that suits a stream, and a function that gives it the lines whose open states it shows."""
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        from sfnrun.view.live import LiveTrace

        live = LiveTrace(stream, moving=moving, real=real)
        return live, live.watch
    from sfnrun.view.plain import PlainTrace

    return PlainTrace(stream), lambda lines: None
