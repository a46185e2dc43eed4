"""Where things stand in a text: a tree of places beside the tree of values; offsets become lines and columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

from sfnrun.errors import Span

__all__ = ["Fault", "Lines", "LinesInside", "Place", "Rows", "find"]


class Place:
    """Where a value stands, with its key if it has one; `children` has the shape of the value.

    `start`, `end`, `key_start` and `key_end` are character offsets, ends exclusive; `key_start` -1 means no key. A
    value that has no text of its own (what an unquoted `${Name}` brought in) has no place; its parent's is the nearest.
    """

    __slots__ = ("children", "end", "key_end", "key_start", "start")

    def __init__(self, start: int, end: int, key_start: int = -1, key_end: int = -1) -> None:
        self.start = start
        self.end = end
        self.key_start = key_start
        self.key_end = key_end
        self.children: dict[str, Place] | list[Place] | None = None


def find(root: Place, pointer: Sequence[str | int]) -> tuple[Place, int]:
    """The place of the value at `pointer`, or of its nearest ancestor that has one, with how many steps were found."""
    place = root
    for depth, step in enumerate(pointer):
        child = _child(place, step)
        if child is None:
            return place, depth
        place = child
    return place, len(pointer)


def _child(place: Place, step: str | int) -> Place | None:
    children = place.children
    if isinstance(children, dict):
        return children.get(step) if isinstance(step, str) else None
    if children is None or not isinstance(step, int) or not 0 <= step < len(children):
        return None
    return children[step]


class Rows(Protocol):
    """What makes lines and columns of the offsets in a text; `text` is what the lines are of."""

    @property
    def text(self) -> str: ...

    def span(self, start: int, end: int) -> Span: ...

    def line(self, number: int) -> str: ...


class Lines:
    """The lines of a text, found once. Only a line feed ends a line; a carriage return before it is not shown."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._shown: dict[int, str] = {}
        self._starts = [0]
        at = text.find("\n")
        while at >= 0:
            self._starts.append(at + 1)
            at = text.find("\n", at + 1)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def span(self, start: int, end: int) -> Span:
        line, column = self.position(start)
        end_line, end_column = self.position(max(start, end))
        return Span(line, column, end_line, end_column)

    def line(self, number: int) -> str:
        """The text of a line without its end; "" if there is no such line."""
        if number not in self._shown:
            # Kept, so that a thousand Problems in a file of one long line share its text.
            self._shown[number] = self._cut(number)
        return self._shown[number]

    def _cut(self, number: int) -> str:
        if not 1 <= number <= len(self._starts):
            return ""
        start = self._starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")


class LinesInside:
    """The lines around a text that stands as a string in another one: its offsets become lines of the other.

    `characters` gives the start and end in the other text of each character; it is asked once, if at all. `write` is
    how a text is written there, escaped or indented; None if nothing can be put in.
    """

    def __init__(
        self,
        around: Lines,
        characters: Callable[[], list[tuple[int, int]]],
        write: Callable[[str], str] | None = None,
    ) -> None:
        self._around = around
        self._find = characters
        self.write = write

    @property
    def text(self) -> str:
        return self._around.text

    @cached_property
    def _characters(self) -> list[tuple[int, int]]:
        return self._find() or [(0, 0)]

    def offsets(self, start: int, end: int) -> tuple[int, int]:
        """Start and end in the other text."""
        last = len(self._characters) - 1
        first = self._characters[min(start, last)][0 if start <= last else 1]
        return first, max(first, self._characters[min(end - 1, last)][1]) if end > start else first

    def span(self, start: int, end: int) -> Span:
        return self._around.span(*self.offsets(start, end))

    def line(self, number: int) -> str:
        return self._around.line(number)


class Fault(Exception):
    """A text that cannot be read, at a character offset; `Source` makes a Problem of it."""

    def __init__(
        self,
        message: str,
        offset: int,
        length: int = 1,
        hint: str = "",
        rule: str = "SFN-S01",
        code: str = "INVALID_JSON_DESCRIPTION",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.hint = hint
        self.rule = rule
        self.code = code
