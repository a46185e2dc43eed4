"""Recorded executions as a table: one line each, read from the first and last lines of their files alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sfnrun.payload import Json, loads
from sfnrun.view.measures import clean, duration, fit, pad

__all__ = ["Row", "listing", "row_of"]

_TAIL = 65_536
_STATUS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}


class Row(NamedTuple):
    """One execution: `took` is in milliseconds on its own clock, `error` that of its end."""

    name: str
    machine: str
    status: str
    started: int
    took: int
    error: str


def listing(files: Sequence[Path]) -> Iterator[str]:
    """The lines of the table; a file that is no history is listed as such, and does not hide the others."""
    rows = [row_of(file) for file in files]
    names = min(50, max((len(row.name) for row in rows), default=0))
    for row in rows:
        if not row.started:
            yield f"{pad(fit(row.name, names), names)}  {row.status}"
            continue
        started = datetime.fromtimestamp(row.started / 1000).strftime("%Y-%m-%d %H:%M:%S")
        columns = [
            pad(fit(row.name, names), names),
            pad(row.status, 9),
            started,
            pad(duration(row.took), 10),
            row.error,
        ]
        yield "  ".join(columns).rstrip()


def row_of(file: Path) -> Row:
    """What the first and the last line of a history say."""
    first, last = _ends_of(file)
    if not isinstance(first.get("sfnrun"), int):
        return Row(file.stem, "", "(not a history)", 0, 0, "")
    status = _STATUS.get(str(last.get("event")), "INCOMPLETE")
    machine = str(first.get("state_machine_name", ""))
    return Row(file.stem, machine, status, first["start_time"], last.get("at", 0), clean(str(last.get("error") or "")))


def _ends_of(file: Path) -> tuple[dict[str, Json], dict[str, Json]]:
    with open(file, "rb") as stream:
        first = stream.readline()
        start = stream.tell()
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(start, end - _TAIL))
        lines = stream.read().split(b"\n")
    # The last piece is what a crash left of a line, or nothing.
    whole = [line for line in lines[:-1] if line]
    return _parsed(first), _parsed(whole[-1]) if whole else {}


def _parsed(line: bytes) -> dict[str, Json]:
    try:
        value = loads(line.decode("utf-8", "replace"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
