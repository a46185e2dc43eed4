"""Print errors to stderr as a message and a hint, never as a traceback of sfnrun's own."""

from __future__ import annotations

import os
import sys

from typer._click.exceptions import ClickException, UsageError

from sfnrun.errors import ApiError, ConfigError, DefinitionError, DivergenceError, SfnrunError

__all__ = ["TERMINATED", "exit_code", "report"]

TERMINATED = 143
ISSUES = "https://github.com/sfnrun/sfnrun/issues"


def exit_code(code: object) -> int:
    """The number in a SystemExit, whose code can also be None or a text."""
    return code if isinstance(code, int) else 0 if code is None else 1


def report(error: Exception) -> int:
    """Print an error and return its exit code; with `--json`, as one line of JSON."""
    if isinstance(error, SfnrunError):
        code, message, hint = error.exit_code, error.message, error.hint
    elif isinstance(error, ClickException):
        code, message, hint = _of_command_line(error)
    else:
        return _internal(error)
    if _wants_json():
        _print(_as_json(error, message, hint))
        return code
    # The Problems of a definition begin with their file and line, where editors look for them.
    _print(message if isinstance(error, DefinitionError | ConfigError) else f"error: {message}")
    if isinstance(error, DivergenceError):
        _print(f"  recorded  {error.recorded}\n  now       {error.now}")
    if hint:
        _print(f"  help: {hint}")
    return code


def _of_command_line(error: ClickException) -> tuple[int, str, str]:
    """Exit code, message and hint of a command line that makes no sense."""
    message, _, meant = error.format_message().rstrip(".").partition(". Did you mean ")
    context = error.ctx if isinstance(error, UsageError) else None
    command = context.command_path if context else "sfnrun"
    hint = f"did you mean {meant}" if meant else f"run `{command} --help` for its options"
    return 2, message[:1].lower() + message[1:], hint


def _wants_json() -> bool:
    """Whether `--json` is on the command line; the error may be that the rest of it makes no sense."""
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]


def _as_json(error: Exception, message: str, hint: str) -> str:
    from sfnrun.payload import dumps
    from sfnrun.view.shapes import problem_json

    problems = error.problems if isinstance(error, DefinitionError | ConfigError) else ()
    code = error.code if isinstance(error, ApiError) else None
    told = {
        "code": code,
        "message": message,
        "hint": hint or None,
        "problems": [{**problem_json(problem), "path": problem.path} for problem in problems],
    }
    return dumps({"error": told})


def _internal(error: Exception) -> int:
    """An error that is a bug; its traceback is for those who ask for it."""
    _print(f"error: internal error in sfnrun: {type(error).__name__}: {error}")
    _print(f"  help: report this bug at {ISSUES}, with the traceback that SFNRUN_DEBUG=1 prints")
    if os.environ.get("SFNRUN_DEBUG"):
        import traceback

        _print("".join(traceback.format_exception(error)))
    return 2


def _print(line: str) -> None:
    try:
        print(line, file=sys.stderr)
    except (OSError, ValueError, AttributeError):
        return  # stderr is closed
