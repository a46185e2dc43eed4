"""stdout carries the result and nothing else, so that `sfnrun … | jq` works; a reader who left is no error."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sfnrun.errors import UsageError
from sfnrun.view import Trace, open_trace

__all__ = ["check_output", "spared_stdout", "trace_on_stdout", "write_result", "write_text"]


@contextmanager
def spared_stdout() -> Iterator[None]:
    """While handlers run, what they and their child processes write to the file descriptor of stdout goes to stderr."""
    try:
        kept = os.dup(1)
    except OSError:  # the shell has closed it: there is nothing to spare
        yield
        return
    try:
        with suppress(OSError):  # stderr is closed, so there is nowhere else
            os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def trace_on_stdout() -> Iterator[Trace]:
    """A trace that is what was asked for: in colours at a terminal, else as `write_text` writes."""
    if sys.stdout is not None and sys.stdout.isatty():
        yield open_trace(sys.stdout, moving=False)[0]
        return
    from sfnrun.view.plain import PlainTrace

    text = io.StringIO()
    yield PlainTrace(text, encoding="utf-8")
    write_text(text.getvalue().rstrip("\n"))


def check_output(path: str | None) -> None:
    """Whether there is a place for `--output`, before an execution takes its time. Raises UsageError."""
    if path is not None and (os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or ".")):
        raise UsageError(f"the output cannot be written to {path}", "name a file, in a folder that is there")


def write_result(text: str, path: str | None) -> None:
    """The output of an execution, to stdout or, with `--output`, to a file. Raises UsageError if it cannot be."""
    if path is None:
        write_text(text)
        return
    try:
        with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text + "\n")
    except OSError as error:
        hint = "the history has it: sfnrun trace show last --format json"
        raise UsageError(f"cannot write the output to {path}: {error.strerror}", hint) from None


def write_text(text: str) -> None:
    """A line, or lines, on stdout as UTF-8."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass") + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end and would complain; now it writes into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        raise UsageError(f"cannot write to stdout: {error}") from None
