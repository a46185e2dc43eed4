"""Print the answer of a command to stdout: for a terminal, for a pipe, or to the file of `--output`."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from sfnrun.errors import UsageError
from sfnrun.payload import Json, dumps
from sfnrun.view import Trace, open_trace

__all__ = [
    "check_output",
    "handlers_on_stderr",
    "is_terminal",
    "print_document",
    "print_json",
    "print_line",
    "print_rows",
    "print_value",
    "trace_on_stdout",
]


@contextmanager
def handlers_on_stderr() -> Iterator[None]:
    """While handlers run, what they and their child processes write to the file descriptor of stdout goes to stderr."""
    try:
        kept = os.dup(1)
    except OSError:  # the shell has closed stdout
        yield
        return
    try:
        with suppress(OSError):  # stderr is closed
            os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


@contextmanager
def trace_on_stdout() -> Iterator[Trace]:
    """A trace as the answer: in colors at a terminal, through the pager if it is long, else plain lines."""
    if is_terminal() and os.environ.get("TERM") != "dumb":
        yield open_trace(sys.stdout, moving=False)[0]
        return
    from sfnrun.view.plain import PlainTrace

    text = io.StringIO()
    yield PlainTrace(text, encoding="utf-8")
    print_line(text.getvalue().rstrip("\n"))


def check_output(path: str | None) -> None:
    """Check that `--output` can be written, before an execution takes its time. Raises UsageError."""
    if path is not None and path != "-" and (os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or ".")):
        raise UsageError(f"cannot write the output to {path}", "--output must be a file in an existing directory")


def print_value(text: str, path: str | None = None) -> None:
    """A JSON text: unchanged in a pipe or file, pretty and in colors on a terminal."""
    if path in (None, "-") and is_terminal():
        from sfnrun.payload import loads
        from sfnrun.view.palette import has_color
        from sfnrun.view.pretty_json import pretty

        print_line("\n".join(pretty(loads(text), is_colored=has_color(sys.stdout))))
    else:
        print_document(text, path)


def print_json(value: Json, path: str | None = None) -> None:
    """A value as JSON: on one line in a pipe or file, pretty on a terminal."""
    print_value(dumps(value), path)


def print_document(text: str, path: str | None = None) -> None:
    """A text to stdout or, with `--output`, to a file, which is complete or not there. Raises UsageError."""
    if path is None or path == "-":
        print_line(text)
        return
    target = os.path.realpath(path)
    # A device or a pipe is written to, not replaced.
    is_file = os.path.isfile(target) or not os.path.exists(target)
    beside = f"{target}.{os.getpid()}.tmp" if is_file else target
    try:
        with open(beside, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text + "\n")
        if is_file:
            os.replace(beside, target)
    except OSError as error:
        if is_file:
            with suppress(OSError):
                os.unlink(beside)
        hint = "the output is in the history: `sfnrun trace show last --json`"
        raise UsageError(f"cannot write the output to {path}: {error.strerror}", hint) from None


def print_rows(titles: Iterable[str], rows: Sequence[Sequence[str]], *, figures: Iterable[str] = ()) -> None:
    """A table with a header, cut to the width of the terminal; in a pipe tab-separated, in full and without header."""
    from sfnrun.view.tables import Column, tab_separated, table

    if not is_terminal():
        for line in tab_separated(rows):
            print_line(line)
        return
    import shutil

    from sfnrun.view.palette import has_color

    right = set(figures)
    columns = [Column(title, title in right) for title in titles]
    width = shutil.get_terminal_size().columns
    print_line("\n".join(table(columns, rows, width, is_colored=has_color(sys.stdout))))


def print_line(text: str) -> None:
    """A line, or lines, on stdout as UTF-8. Raises UsageError if it cannot be written, unless the reader has left."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass") + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The interpreter flushes stdout at exit and would report the error; this way it writes to devnull.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        raise UsageError(f"cannot write to stdout: {error}") from None
