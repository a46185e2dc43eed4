"""A history as a table for spreadsheets: one row for each visit of a state."""

from __future__ import annotations

import io
from collections.abc import Iterator
from csv import writer

from sfnrun.history.aws_time import written
from sfnrun.history.file import Recording
from sfnrun.history.visits import Visit, visits_of
from sfnrun.payload import Payload

__all__ = ["COLUMNS", "csv"]

COLUMNS = (
    "event", "state", "type", "fiber", "item", "visit", "outcome", "entered", "left", "milliseconds", "attempts",
    "retries", "error", "cause", "input_bytes", "output_bytes",
)  # fmt: skip

# A text that begins like a formula is one for a spreadsheet, and a cause may come from anybody.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv(recording: Recording) -> str:
    """The table, with a head line; times in ISO 8601 and UTC."""
    text = io.StringIO()
    table = writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([*_row(visit)] for visit in visits_of(recording))
    return text.getvalue().rstrip("\n")


def _row(visit: Visit) -> Iterator[object]:
    yield from (visit.entered, _plain(visit.name), visit.type, visit.fiber, visit.item, visit.number, visit.outcome)
    yield written(visit.began, "zulu")
    yield None if visit.ended is None else written(visit.ended, "zulu")
    yield None if visit.ended is None else visit.took
    yield from (len(visit.attempts) or None, visit.retries, _plain(visit.error), _plain(visit.cause))
    yield from (_bytes(visit.input), _bytes(visit.output))


def _plain(text: str | None) -> str | None:
    return f"'{text}" if text is not None and text.startswith(_FORMULA) else text


def _bytes(payload: Payload | None) -> int | None:
    return None if payload is None else len(payload.text.encode("utf-8", "surrogatepass"))
