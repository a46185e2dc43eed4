"""A history as CSV: one row for each visit of a state."""

from __future__ import annotations

import io
from collections.abc import Iterator
from csv import writer

from sfnrun.history.recording import Recording
from sfnrun.history.timeline import timeline_of
from sfnrun.history.visit import Visit
from sfnrun.payload import Payload
from sfnrun.record import timestamp

__all__ = ["COLUMNS", "csv"]

COLUMNS = (
    "event", "state", "type", "fiber", "item", "visit", "outcome", "entered", "left", "milliseconds", "attempts",
    "retries", "error", "cause", "input_bytes", "output_bytes",
)  # fmt: skip

# Spreadsheets run a cell that begins with one of these as a formula, and causes are untrusted text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv(recording: Recording) -> str:
    """Return the table with a header; times are ISO 8601 in UTC."""
    text = io.StringIO()
    table = writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([*_row(visit)] for visit in timeline_of(recording))
    return text.getvalue().rstrip("\n")


def _row(visit: Visit) -> Iterator[object]:
    yield from (visit.entered, _escaped(visit.name), visit.type, visit.fiber, visit.item, visit.number, visit.outcome)
    yield timestamp(visit.began)
    yield None if visit.ended is None else timestamp(visit.ended)
    yield None if visit.ended is None else visit.took
    yield from (len(visit.calls) or None, visit.retries, _escaped(visit.error), _escaped(visit.cause))
    yield from (_bytes(visit.input), _bytes(visit.output))


def _escaped(text: str | None) -> str | None:
    return f"'{text}" if text is not None and text.startswith(_FORMULA) else text


def _bytes(payload: Payload | None) -> int | None:
    return None if payload is None else len(payload.text.encode("utf-8", "surrogatepass"))
