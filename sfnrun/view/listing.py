"""Recorded executions as a table: one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sfnrun.history.listing import Summary
from sfnrun.view.text import clean, duration, fit, pad

__all__ = ["listing"]

_MOST_NAME_COLUMNS = 50


def listing(summaries: Sequence[Summary]) -> Iterator[str]:
    """The lines of the table; a file that is not a history is listed as such."""
    names = min(_MOST_NAME_COLUMNS, max((len(each.name) for each in summaries), default=0))
    for each in summaries:
        name = pad(fit(clean(each.name), names), names)
        if each.status == "UNREADABLE":
            yield f"{name}  (not a history)"
            continue
        started = each.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        took = duration(round(each.took.total_seconds() * 1000))
        error = f"resume it: sfnrun resume {each.name}" if each.status == "CRASHED" else clean(each.error or "")
        yield "  ".join((name, pad(each.status, 9), started, pad(took, 10), error)).rstrip()
