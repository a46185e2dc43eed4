"""`sfnrun trace list`: executions by how they ended, whose they are, when they began, and what they say."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sfnrun.cli import options
from sfnrun.errors import UsageError

if TYPE_CHECKING:
    from sfnrun.history.listing import Summary

__all__ = ["list_"]

_STATUSES = ("RUNNING", "CRASHED", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


def list_(
    limit: options.Limit = 30,
    status: options.Status = None,
    machine: options.Machine = None,
    since: options.Since = None,
    text: options.Text = None,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """List recorded executions, newest first."""
    from sfnrun.cli.output import print_json, print_rows
    from sfnrun.cli.runs import store_of
    from sfnrun.history.listing import summaries
    from sfnrun.view.shapes import summary_json
    from sfnrun.view.tables import RUN_COLUMNS, run_row

    folder = store_of(store)
    found = summaries(folder)
    if not found:
        print(f"no recorded executions in {folder}", file=sys.stderr)
        if json:
            print_json([])
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
    shown = chosen[:limit] if limit else chosen
    if json:
        print_json([summary_json(each) for each in shown])
    elif chosen:
        print_rows(RUN_COLUMNS, [run_row(each) for each in shown], figures=("TOOK",))
        if len(shown) < len(chosen):
            print(f"{len(shown):,} of {len(chosen):,}", file=sys.stderr)
    else:
        print(f"no matching executions ({len(found):,} in {folder})", file=sys.stderr)


def _statuses(given: list[str] | None) -> set[str]:
    asked = {name.strip().upper().replace("-", "_") for names in given or () for name in names.split(",")}
    for name in sorted(asked - set(_STATUSES)):
        raise UsageError(f"unknown status '{name}'", f"valid statuses: {', '.join(_STATUSES)}")
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
        hint = "use a duration (90s, 2h, 3d) or a time (2026-11-22T08:30)"
        raise UsageError(f"invalid time for --since: {since!r}", hint) from None


def _has(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except OSError:
        return False
