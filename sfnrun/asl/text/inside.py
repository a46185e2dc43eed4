"""Which characters of the text stand for which of a string value: past quotes, escapes and folded lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from sfnrun.asl.text.place import Place

__all__ = ["json_characters", "json_span", "yaml_characters", "yaml_span"]

_JSON_CHARACTER = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)|[^\\]", re.DOTALL)
_YAML_ESCAPE = re.compile(r"\\(?:x..|u....|U........|.)", re.DOTALL)
_YAML_JOINED_LINES = re.compile(r"\\\r?\n[ \t]*")
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*[^\n]*\n")

# Start and end in the text of each character of a string.
_Characters = Iterator[tuple[int, int]]


def json_span(text: str, place: Place, offset: int, length: int) -> tuple[int, int] | None:
    """Start and end in the text of the characters from `offset` of the string at `place`; None if it has no such."""
    return _span(json_characters(text, place), offset, length)


def json_characters(text: str, place: Place) -> _Characters:
    """Start and end in the text of every character of the string at `place`."""
    return (found.span() for found in _JSON_CHARACTER.finditer(text, place.start + 1, place.end - 1))


def yaml_span(text: str, place: Place, offset: int, length: int, value: str) -> tuple[int, int] | None:
    """`json_span` in YAML, where `value` is the string."""
    return _span(yaml_characters(text, place, value), offset, length)


def _span(characters: _Characters, offset: int, length: int) -> tuple[int, int] | None:
    covered = list(islice(characters, offset, offset + max(1, length)))
    return (covered[0][0], covered[-1][1]) if covered else None


def yaml_characters(text: str, place: Place, value: str) -> _Characters:
    """`json_characters` in YAML, where `value` is the string."""
    quote = text[place.start]
    header = _BLOCK_HEADER.match(text, place.start) if quote in "|>" else None
    at = header.end() if header else place.start + (quote in "\"'")
    for character in value:
        at = _past_folding(text, at, place.end, character, quote)
        escape = _YAML_ESCAPE.match(text, at) if quote == '"' and text[at : at + 1] == "\\" else None
        end = escape.end() if escape else at + (2 if quote == character == "'" else 1)
        yield at, end
        at = end


def _past_folding(text: str, at: int, end: int, character: str, quote: str) -> int:
    """Past the blanks and line ends that are not in the value; a line end may stand for the blank it folds to."""
    while at < end:
        joined = _YAML_JOINED_LINES.match(text, at) if quote == '"' else None
        if joined:
            at = joined.end()
        elif text[at] != character and text[at].isspace() and not (character in " \n" and text[at] in "\r\n"):
            at += 1
        else:
            break
    return at
