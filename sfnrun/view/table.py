"""Tables: aligned and cut to the width of a terminal, or tab-separated for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sfnrun.view.palette import paint
from sfnrun.view.text import cells, clean, fit, pad

__all__ = ["Column", "tab_separated", "table"]

_GAP = "  "
_LEAST = 8


class Column(NamedTuple):
    """A column: its title, and whether its values are figures, which align to the right."""

    title: str
    is_figure: bool = False


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int, *, is_colored: bool = False
) -> Iterator[str]:
    """The lines of a table with a header, at most `width` columns wide: the widest columns give way."""
    texts = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(cells, column)) for column in zip([column.title for column in columns], *texts, strict=True)]
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while over > 0 and max(widths) > _LEAST:
        widest = widths.index(max(widths))
        cut = min(over, max(1, widths[widest] - sorted(widths)[-2])) if len(widths) > 1 else over
        cut = min(cut, widths[widest] - _LEAST)
        widths[widest] -= cut
        over -= cut
    header = _row([column.title for column in columns], widths, columns)
    yield paint(header, "faint") if is_colored else header
    yield from (_row(row, widths, columns) for row in texts)


def _row(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    parts = []
    for cell, width, column in zip(row, widths, columns, strict=True):
        text = fit(cell, width)
        parts.append(" " * (width - cells(text)) + text if column.is_figure else pad(text, width))
    return _GAP.join(parts).rstrip()


def tab_separated(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows in full, without a header."""
    yield from ("\t".join(clean(cell) for cell in row) for row in rows)
