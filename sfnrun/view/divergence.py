"""A divergence as people read it: what, where in the definition, both sides, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.errors import DivergenceError, caret
from sfnrun.payload import Json, loads
from sfnrun.view.changes import summary
from sfnrun.view.closing import Place
from sfnrun.view.line import Line
from sfnrun.view.measures import clean, fit

__all__ = ["divergence_lines"]

_SIDE_COLUMNS = 2_000
_SIDE_COLUMNS_WITH_CHANGES = 160


def divergence_lines(divergence: DivergenceError, place: Place | None = None) -> Iterator[Line]:
    """The lines of a divergence; `place` is that of its state in the definition that was replayed."""
    yield Line("bad", text=clean(divergence.message))
    if place is not None:
        yield Line("faint", text=f"  {place.path}:{place.span.line}:{place.span.column}")
        yield from (Line("source", text=line) for line in caret(place.source_line, place.span).splitlines())
    recorded, now = _container(divergence.recorded), _container(divergence.now)
    both = recorded is not None and now is not None
    columns = _SIDE_COLUMNS_WITH_CHANGES if both else _SIDE_COLUMNS
    yield Line("text", text=f"  recorded  {fit(clean(divergence.recorded), columns)}")
    yield Line("text", text=f"  now       {fit(clean(divergence.now), columns)}")
    if both:
        yield from (Line(change.kind, text=change.text) for change in summary(recorded, now))
    if divergence.hint:
        yield Line("warn", text=f"  help: {divergence.hint}")


def _container(text: str) -> Json:
    """The object or array that a text is, or None."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return loads(text)
    except ValueError:
        return None
