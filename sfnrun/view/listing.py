"""Recorded executions as a table: one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sfnrun.history.listing import Glance
from sfnrun.view.measures import clean, duration, fit, pad

__all__ = ["listing"]

_MOST_NAME_COLUMNS = 50


def listing(glances: Sequence[Glance]) -> Iterator[str]:
    """The lines of the table; a file that is no history is listed as such, and does not hide the others."""
    names = min(_MOST_NAME_COLUMNS, max((len(glance.name) for glance in glances), default=0))
    for glance in glances:
        name = pad(fit(clean(glance.name), names), names)
        if not glance.status:
            yield f"{name}  (not a history)"
            continue
        started = datetime.fromtimestamp(glance.started / 1000).strftime("%Y-%m-%d %H:%M:%S")
        error = f"resume it: sfnrun resume {glance.name}" if glance.status == "CRASHED" else clean(glance.error)
        yield "  ".join((name, pad(glance.status, 9), started, pad(duration(glance.took), 10), error)).rstrip()
