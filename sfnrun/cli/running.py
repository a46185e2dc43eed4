"""Follow an execution on stderr, print its output, and exit with the code of its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfnrun.errors import UsageError
from sfnrun.payload import Json

if TYPE_CHECKING:
    from sfnrun.api.result import Result
    from sfnrun.cli.watching import Watch

__all__ = ["Display", "continue_run", "exit_code", "print_output", "result_json", "watch_of"]

_EXIT_CODES = {"SUCCEEDED": 0, "ABORTED": 130}

Display = tuple[bool, int, str | None, bool]
"""The options --quiet, --verbose, --progress and --json."""


def watch_of(display: Display, *, moving: bool = True, real: bool = True, replayed: bool = False) -> Watch:
    """How an execution is followed. Raises UsageError."""
    from sfnrun.cli.watching import Watch

    quiet, verbose, progress, _ = display
    if quiet and verbose:
        raise UsageError("--quiet cannot be combined with --verbose", "remove one of them")
    if quiet and progress not in (None, "auto"):
        raise UsageError("--quiet cannot be combined with --progress", "remove one of them")
    return Watch(
        quiet=quiet or progress == "none",
        json=progress == "json",
        verbose=bool(verbose),
        moving=moving and progress != "plain",
        real=real,
        replayed=replayed,
    )


def continue_run(
    path: Path, how: Callable[..., Result], *, display: Display, output: str | None, debug: bool, **options: Any
) -> Result:
    """Resume or redrive an execution, and show what happens."""
    from sfnrun.cli.output import check_output, handlers_on_stderr
    from sfnrun.cli.watching import recorded_source
    from sfnrun.history.recording import read

    check_output(output)
    recording = read(path)
    watch = watch_of(display, moving=not debug, real=recording.start.get("clock") != "virtual")
    with handlers_on_stderr(), watch:
        result = how(
            path,
            listener=watch.listener,
            keep_events=False,
            interruptible=True,
            debug=debug,
            warn=watch.warn,
            **options,
        )
    watch.close(result, recorded_source(recording))
    return result


def print_output(result: Result, path: str | None) -> None:
    """Print the output of an execution that succeeded."""
    from sfnrun.cli.output import print_value

    if result.output_text is not None:
        print_value(result.output_text, path)


def exit_code(result: Result) -> int:
    """The exit code of an execution's status."""
    return _EXIT_CODES.get(result.status, 1)


def result_json(result: Result) -> dict[str, Json]:
    """A Result of an execution; the output is null unless it succeeded."""
    from sfnrun.view.shapes import moment_json, took_ms

    return {
        "name": result.name,
        "arn": result.arn,
        "machine": result.machine,
        "status": result.status,
        "started": moment_json(result.started),
        "ended": moment_json(result.ended),
        "took_ms": took_ms(result.took),
        "event_count": result.event_count,
        "output": result.output,
        "error": result.error,
        "cause": result.cause,
        "place": result.place,
        "history": None if result.history is None else str(result.history),
    }
