"""One line of the trace: what it says, and where its parts stand on a terminal, in a log, at any width.

The plain and the rich view lay out the same lines by the same rules; they differ only in what a style becomes.
"""

from __future__ import annotations

from typing import NamedTuple

from sfnrun.view.text import cells, fit, pad, wrapped

__all__ = ["ASCII_MARKS", "MARKS", "Line", "Segment", "plain", "rows", "segments"]

# kind of line -> (mark, style of the mark and of the text)
MARKS: dict[str, tuple[str, str]] = {
    "done": ("✓", "good"),
    "failed": ("✗", "bad"),
    "aborted": ("⊘", "faint"),
    "retry": ("↻", "warn"),
    "caught": ("⤷", "warn"),
    "opened": ("▾", "faint"),
    "open": ("◌", "warn"),
    "cache": ("◇", "faint"),
    "progress": ("…", "faint"),
    "plus": ("+", "good"),
    "minus": ("-", "bad"),
    "change": ("~", "warn"),
    "more": (" ", "faint"),
    "log": ("│", "faint"),
    "text": ("", ""),
    "source": ("", ""),
    "faint": ("", "faint"),
    "bad": ("", "bad"),
    "good": ("", "good"),
    "warn": ("", "warn"),
}

# What a stream that cannot write the marks gets instead.
ASCII_MARKS = str.maketrans(
    {
        "✓": "+",
        "✗": "x",
        "⊘": "-",
        "↻": "@",
        "⤷": ">",
        "▾": "v",
        "◌": "o",
        "◇": "*",
        "…": "...",
        "│": "|",
        "→": "->",
        "·": "-",
    }
)

_NAME_COLUMNS = 34
_TYPE_COLUMN = 10
_NO_STYLE = ("opened", "done")
_READ_TO_THE_END = ("text", "bad", "warn", "good", "faint", "log")
_MOST_ROWS = 8


class Line(NamedTuple):
    """One line: a `kind` of MARKS, the labels of the branches and items it stands in, and what it says.

    Lines with a `type` are about a state and have three columns; the others are a text under the state before them.
    """

    kind: str
    labels: tuple[str, ...] = ()
    name: str = ""
    type: str = ""
    text: str = ""


Segment = tuple[str, str]


def plain(line: Line) -> str:
    """The text of a line as wide as it needs: what `segments` says, without cutting it into parts."""
    if not line.type or not line.name.isascii():
        return "".join([text for text, _ in segments(line)]).rstrip()
    head = f"{_indent(line)}{MARKS[line.kind][0]} {line.name}".ljust(_NAME_COLUMNS - 1)
    return f"{head} {line.type.ljust(_TYPE_COLUMN)}{line.text}" if line.text else f"{head} {line.type}"


def rows(line: Line, width: int) -> list[Line]:
    """The lines that a line takes on a terminal: what is to be read to its end goes on below, the others are cut."""
    if line.kind not in _READ_TO_THE_END or line.type:
        return [line]
    room = width if not MARKS[line.kind][0] else _room(line, width)
    return [line._replace(text=text) for text in wrapped(line.text, room, _MOST_ROWS)]


def _room(line: Line, width: int) -> int:
    """The columns for a text that stands under a state."""
    return width - cells(_indent(line)) - 6


def _indent(line: Line) -> str:
    return f"  {' '.join(line.labels)} " if line.labels else "  "


def segments(line: Line, width: int | None = None) -> list[Segment]:
    """The parts of a line with their styles; nothing goes beyond `width` columns (None: as wide as it needs)."""
    mark, style = MARKS[line.kind]
    if not mark:
        return [(line.text if width is None else fit(line.text, width), style)]
    indent = _indent(line)
    if line.type:
        return _state(line, indent, mark, style, width)
    text = line.text if width is None else fit(line.text, _room(line, width))
    return [(indent + "  ", "faint"), (mark, style), (" ", ""), (text, "faint" if line.kind == "log" else style)]


def _state(line: Line, indent: str, mark: str, style: str, width: int | None) -> list[Segment]:
    column = _NAME_COLUMNS if width is None else max(16, min(44, width * 2 // 5))
    room = column - cells(indent) - cells(mark) - 1
    name = line.name
    if width is not None:
        # A deep label must not push the name out of sight: the name keeps eight columns, the labels lose theirs.
        if room < 8:
            indent, room = fit(indent, max(2, column - 10)), 8
        name = fit(name, room - 1)
    head = pad(name, room) if cells(name) < room else name + " "
    kind = pad(line.type, _TYPE_COLUMN)
    text = line.text
    if width is not None:
        left = max(0, width - cells(indent) - cells(mark) - 1 - cells(head))
        kind = fit(kind, left)
        text = fit(text, left - len(kind))
    if not text:
        kind = kind.rstrip()
    return [
        (indent, "faint"),
        (mark, style),
        (" ", ""),
        (head, "name"),
        (kind, "type"),
        (text, "faint" if line.kind in _NO_STYLE else style),
    ]
