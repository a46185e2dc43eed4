"""Source positions: a tree of text ranges parallel to the value tree, and lines and columns of offsets."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Protocol

from sfnrun.errors import Span

__all__ = [
    "EmbeddedLines",
    "LineMap",
    "Lines",
    "SyntaxProblem",
    "TextNode",
    "find_node",
    "json_characters",
    "json_span",
    "yaml_characters",
    "yaml_span",
]


class SyntaxProblem(Exception):
    """A text that cannot be read, at a character offset; `text.source` turns it into a Problem."""

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


class TextNode:
    """The range of a value in its text, and of its key if it has one; `children` has the shape of the value.

    `start`, `end`, `key_start` and `key_end` are character offsets with exclusive ends; `key_start` -1 means no key. A
    value without a text of its own (it replaced an unquoted `${Name}`) has no node; that of its parent is the nearest.
    """

    __slots__ = ("children", "end", "key_end", "key_start", "start")

    def __init__(self, start: int, end: int, key_start: int = -1, key_end: int = -1) -> None:
        self.start = start
        self.end = end
        self.key_start = key_start
        self.key_end = key_end
        self.children: dict[str, TextNode] | list[TextNode] | None = None


def find_node(root: TextNode, pointer: Sequence[str | int]) -> tuple[TextNode, int]:
    """Return the node of the value at `pointer`, or of its nearest ancestor with one, and how many steps were found."""
    node = root
    for depth, step in enumerate(pointer):
        child = _child(node, step)
        if child is None:
            return node, depth
        node = child
    return node, len(pointer)


def _child(node: TextNode, step: str | int) -> TextNode | None:
    children = node.children
    if isinstance(children, dict):
        return children.get(step) if isinstance(step, str) else None
    if children is None or not isinstance(step, int) or not 0 <= step < len(children):
        return None
    return children[step]


# --- lines -----------------------------------------------------------------------------------------------------------


class LineMap(Protocol):
    """Turns offsets of a text into lines and columns of the file; `text` is the text of the whole file."""

    @property
    def text(self) -> str: ...

    def span(self, start: int, end: int) -> Span: ...

    def line(self, number: int) -> str: ...


class Lines:
    """The lines of a text. Only a line feed ends a line; a carriage return before it is not part of the line."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._shown: dict[int, str] = {}
        self._starts = [0]
        at = text.find("\n")
        while at >= 0:
            self._starts.append(at + 1)
            at = text.find("\n", at + 1)

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def span(self, start: int, end: int) -> Span:
        line, column = self.position(start)
        end_line, end_column = self.position(max(start, end))
        return Span(line, column, end_line, end_column)

    def line(self, number: int) -> str:
        """Return the text of a line without its end; "" if the text has no such line."""
        if number not in self._shown:
            # Cached, so that a thousand Problems in a file of one long line share its text.
            self._shown[number] = self._cut(number)
        return self._shown[number]

    def _cut(self, number: int) -> str:
        if not 1 <= number <= len(self._starts):
            return ""
        start = self._starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")


class EmbeddedLines:
    """The LineMap of a text that is a string inside another text, such as a definition in a template.

    `characters` returns start and end in the outer text of each character; it is called at most once. `write` escapes
    or indents a text for the outer one; None if nothing can be inserted.
    """

    def __init__(
        self,
        outer: Lines,
        characters: Callable[[], list[tuple[int, int]]],
        write: Callable[[str], str] | None = None,
    ) -> None:
        self._outer = outer
        self._find = characters
        self.write = write

    @property
    def text(self) -> str:
        return self._outer.text

    @cached_property
    def _characters(self) -> list[tuple[int, int]]:
        return self._find() or [(0, 0)]

    def offsets(self, start: int, end: int) -> tuple[int, int]:
        """Return start and end in the outer text."""
        last = len(self._characters) - 1
        first = self._characters[min(start, last)][0 if start <= last else 1]
        return first, max(first, self._characters[min(end - 1, last)][1]) if end > start else first

    def span(self, start: int, end: int) -> Span:
        return self._outer.span(*self.offsets(start, end))

    def line(self, number: int) -> str:
        return self._outer.line(number)


# --- characters inside a string --------------------------------------------------------------------------------------

_JSON_CHARACTER = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)|[^\\]", re.DOTALL)
_YAML_ESCAPE = re.compile(r"\\(?:x..|u....|U........|.)", re.DOTALL)
_YAML_JOINED_LINES = re.compile(r"\\\r?\n[ \t]*")
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*[^\n]*\n")

# Start and end in the text of each character of a string value.
_Characters = Iterator[tuple[int, int]]


def json_span(text: str, node: TextNode, offset: int, length: int) -> tuple[int, int] | None:
    """Return start and end in `text` of `length` characters of the string at `node`; None past its end."""
    return _span(json_characters(text, node), offset, length)


def json_characters(text: str, node: TextNode) -> _Characters:
    """Return start and end in `text` of every character of the string at `node`."""
    return (found.span() for found in _JSON_CHARACTER.finditer(text, node.start + 1, node.end - 1))


def yaml_span(text: str, node: TextNode, offset: int, length: int, value: str) -> tuple[int, int] | None:
    """Return what `json_span` returns, in YAML, where `value` is the string."""
    return _span(yaml_characters(text, node, value), offset, length)


def _span(characters: _Characters, offset: int, length: int) -> tuple[int, int] | None:
    covered = list(islice(characters, offset, offset + max(1, length)))
    return (covered[0][0], covered[-1][1]) if covered else None


def yaml_characters(text: str, node: TextNode, value: str) -> _Characters:
    """Return what `json_characters` returns, in YAML, where `value` is the string."""
    quote = text[node.start]
    header = _BLOCK_HEADER.match(text, node.start) if quote in "|>" else None
    at = header.end() if header else node.start + (quote in "\"'")
    for character in value:
        at = _skip_folding(text, at, node.end, character, quote)
        escape = _YAML_ESCAPE.match(text, at) if quote == '"' and text[at : at + 1] == "\\" else None
        end = escape.end() if escape else at + (2 if quote == character == "'" else 1)
        yield at, end
        at = end


def _skip_folding(text: str, at: int, end: int, character: str, quote: str) -> int:
    """Skip whitespace that is not part of the value; a line break may stand for the space that it is folded into."""
    while at < end:
        joined = _YAML_JOINED_LINES.match(text, at) if quote == '"' else None
        if joined:
            at = joined.end()
        elif text[at] != character and text[at].isspace() and not (character in " \n" and text[at] in "\r\n"):
            at += 1
        else:
            break
    return at
