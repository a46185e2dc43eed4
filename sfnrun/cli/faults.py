"""How errors are told to a person: what happened and what to do, never a traceback of ours."""

from __future__ import annotations

import os
import sys

from sfnrun.errors import DivergenceError, SfnrunError

__all__ = ["TERMINATED", "apology", "exit_code", "told"]

TERMINATED = 143
ISSUES = "https://github.com/sfnrun/sfnrun/issues"


def exit_code(code: object) -> int:
    """The number in a SystemExit, whose code may be None or a text too."""
    return code if isinstance(code, int) else 0 if code is None else 1


def told(error: SfnrunError) -> int:
    """Print an error for the person at the keyboard and return its exit code."""
    for line in _lines(error):
        _print(line)
    return error.exit_code


def _lines(error: SfnrunError) -> list[str]:
    # The Problems of a definition begin with their file and line, where editors look for them.
    lines = [error.message] if getattr(error, "problems", ()) else [f"error: {error.message}"]
    if isinstance(error, DivergenceError):
        lines += [f"  recorded  {error.recorded}", f"  now       {error.now}"]
    if error.hint:
        lines.append(f"  help: {error.hint}")
    return lines


def apology(error: Exception) -> int:
    """Say that we failed, shortly; the traceback only for those who asked for it."""
    _print(f"sfnrun failed on its own account, which is a bug: {type(error).__name__}: {error}")
    _print(f"  help: report it at {ISSUES} with the lines that SFNRUN_DEBUG=1 adds")
    if os.environ.get("SFNRUN_DEBUG"):
        import traceback

        _print("".join(traceback.format_exception(error)))
    return 2


def _print(line: str) -> None:
    try:
        print(line, file=sys.stderr)
    except (OSError, ValueError, AttributeError):
        return  # stderr is closed: nobody is left to tell
