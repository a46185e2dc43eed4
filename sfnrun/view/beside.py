"""Two executions side by side from where they part: what is the same, what changed in the data, what only one has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sfnrun.history.alignment import Row
from sfnrun.payload import Payload
from sfnrun.record import Event
from sfnrun.view.changes import changes
from sfnrun.view.line import Line
from sfnrun.view.measures import clean, counted, fit, pad

__all__ = ["side_by_side"]

_CHANGES = 12
_COUNTED = 10_000
_BEFORE = 2
# The ids and dates of a call to a service are never the same twice, and nobody asks for them.
_OF_THE_CALL = re.compile(r"[^:]*\.Sdk(Http|Response)Metadata\b")


def side_by_side(rows: Sequence[Row], names: tuple[str, str], *, width: int, most: int | None = 40) -> Iterator[Line]:
    """The lines of the comparison: a few events before the first difference, then at most `most` of those after it."""
    first = next((number for number, row in enumerate(rows) if not row.is_equal), None)
    if first is None:
        yield Line("good", text=f"no difference in {len(rows)} events")
        return
    column = (width - 5) // 2
    yield Line("faint", text=f"{first} events are the same")
    yield Line("text", text=_columns("  ", names[0], names[1], column))
    shown = rows[max(0, first - _BEFORE) :][: None if most is None else most + _BEFORE]
    for row in shown:
        yield from _lines(row, column)
    left = len(rows) - max(0, first - _BEFORE) - len(shown)
    if left > 0:
        yield Line("faint", text=f"… {left} more events (--all shows them)")


def _lines(row: Row, column: int) -> Iterator[Line]:
    if row.is_equal:
        yield Line("faint", text=_columns("  ", _told(row.left), _told(row.right), column))
    elif row.left is None:
        yield Line("good", text=_columns("> ", "", _told(row.right), column))
    elif row.right is None:
        yield Line("bad", text=_columns("< ", _told(row.left), "", column))
    else:
        yield Line("warn", text=_columns("~ ", _told(row.left), _told(row.right), column))
        for name in row.differing:
            yield from _differences(name, row.left.details.get(name), row.right.details.get(name))


def _columns(mark: str, left: str, right: str, column: int) -> str:
    return f"{mark}{pad(fit(left, column), column)} │ {fit(right, column)}".rstrip()


def _told(event: Event | None) -> str:
    if event is None:
        return ""
    name = event.details.get("name")
    parts = [event.type, clean(str(name)) if name else "", f"in {event.fiber}" if event.fiber else ""]
    error = event.details.get("error")
    return " ".join(filter(None, [f"{event.id:>3}", *parts, clean(str(error)) if error else ""]))


def _differences(name: str, left: Any, right: Any) -> Iterator[Line]:
    found = list(islice(changes(_plain(left), _plain(right), name), _COUNTED))
    told = [one for one in found if not _OF_THE_CALL.match(one.text)]
    for one in told[:_CHANGES]:
        yield Line(one.kind, text=one.text)
    if len(told) > _CHANGES:
        yield Line("more", text=f"… {len(told) - _CHANGES} more")
    if len(found) > len(told):
        yield Line("more", text=f"… {counted(len(found) - len(told), 'difference')} in the SDK's metadata")


def _plain(value: Any) -> Any:
    if isinstance(value, Payload):
        return value.value
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value
