"""`sfnrun trace list`: executions by how they ended, whose they are, when they began, and what they say."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli.recorded import Folder, folder_of
from sfnrun.errors import UsageError

if TYPE_CHECKING:
    from sfnrun.history.listing import Summary

__all__ = ["EXAMPLE", "list_"]

EXAMPLE = "Example: [bold]sfnrun trace list --status FAILED --machine order --since 2h[/bold]"

_STATUSES = ("RUNNING", "CRASHED", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


def list_(
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help=f"How it ended: {', '.join(_STATUSES)} (its process died, it can be resumed: CRASHED).",
            autocompletion=lambda incomplete: [name for name in _STATUSES if name.startswith(incomplete.upper())],
        ),
    ] = None,
    machine: Annotated[
        str | None, typer.Option(metavar="NAME", help="The machine's name, with * for any text.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Begun since then: 90s, 2h, 3d, or 2026-11-22T08:30.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Found anywhere in the history, as it is written there.")
    ] = None,
    history: Folder = None,
) -> None:
    """List recorded executions, the newest first."""
    from sfnrun.cli.output import print_rows
    from sfnrun.history.listing import summaries
    from sfnrun.view.tables import RUN_COLUMNS, run_row

    folder = folder_of(history)
    found = summaries(folder)
    if not found:
        print(f"no executions are recorded in {folder}", file=sys.stderr)
        return
    statuses = _statuses(status)
    began = None if since is None else _moment(since)
    chosen = [
        one
        for one in found
        if (not statuses or one.status in statuses)
        and (machine is None or _matches(one, machine))
        and (began is None or one.started.timestamp() * 1000 >= began)
        and (text is None or _has(folder / f"{one.name}.jsonl", text))
    ]
    if chosen:
        print_rows(RUN_COLUMNS, [run_row(each) for each in chosen], figures=("TOOK",))
    else:
        print(f"none of {len(found):,} executions in {folder} is like that", file=sys.stderr)


def _statuses(given: list[str] | None) -> set[str]:
    asked = {name.upper().replace("-", "_") for name in given or ()}
    for name in sorted(asked - set(_STATUSES)):
        raise UsageError(f"there is no status {name}", f"one of {', '.join(_STATUSES)}")
    return asked


def _matches(summary: "Summary", pattern: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(summary.machine, pattern)


def _moment(since: str) -> int:
    """Milliseconds since 1970 of a point in time, or of as long ago."""
    import time
    from datetime import datetime

    from sfnrun.config import milliseconds

    try:
        return int(time.time() * 1000) - milliseconds(since)
    except ValueError:
        pass
    try:
        return int(datetime.fromisoformat(since).timestamp() * 1000)
    except ValueError:
        raise UsageError(f"--since {since!r} is no time", "write it like 90s, 2h, 3d or 2026-11-22T08:30") from None


def _has(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except OSError:
        return False
