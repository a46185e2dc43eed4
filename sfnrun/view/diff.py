"""Lines of `trace diff`: two executions side by side from their first difference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sfnrun.history.diff import Row
from sfnrun.payload import plain
from sfnrun.record import Event
from sfnrun.view.changes import changes
from sfnrun.view.line import Line
from sfnrun.view.text import clean, counted, fit, pad

__all__ = ["diff_lines"]

_CHANGES = 12
_COUNTED = 10_000
_BEFORE = 2
# Request ids and dates of a service call differ in every execution, so they are only counted.
_METADATA = re.compile(r"[^:]*\.Sdk(Http|Response)Metadata\b")


def diff_lines(rows: Sequence[Row], names: tuple[str, str], *, width: int, most: int | None = 40) -> Iterator[Line]:
    """Yield a few events before the first difference, then at most `most` of those after it."""
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
        yield Line("faint", text=_columns("  ", _text(row.left), _text(row.right), column))
    elif row.left is None:
        yield Line("good", text=_columns("> ", "", _text(row.right), column))
    elif row.right is None:
        yield Line("bad", text=_columns("< ", _text(row.left), "", column))
    else:
        yield Line("warn", text=_columns("~ ", _text(row.left), _text(row.right), column))
        for name in row.differing:
            yield from _differences(name, row.left.details.get(name), row.right.details.get(name))


def _columns(mark: str, left: str, right: str, column: int) -> str:
    return f"{mark}{pad(fit(left, column), column)} │ {fit(right, column)}".rstrip()


def _text(event: Event | None) -> str:
    if event is None:
        return ""
    name = event.details.get("name")
    parts = [event.type, clean(str(name)) if name else "", f"in {event.fiber}" if event.fiber else ""]
    error = event.details.get("error")
    return " ".join(filter(None, [f"{event.id:>3}", *parts, clean(str(error)) if error else ""]))


def _differences(name: str, left: Any, right: Any) -> Iterator[Line]:
    found = list(islice(changes(plain(left), plain(right), name), _COUNTED))
    shown = [one for one in found if not _METADATA.match(one.text)]
    for one in shown[:_CHANGES]:
        yield Line(one.kind, text=one.text)
    if len(shown) > _CHANGES:
        yield Line("more", text=f"… {len(shown) - _CHANGES} more")
    if len(found) > len(shown):
        yield Line("more", text=f"… {counted(len(found) - len(shown), 'difference')} in the SDK's metadata")
