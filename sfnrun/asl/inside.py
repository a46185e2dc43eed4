"""Which character of the text stands for which character of a string value: past quotes, escapes and folded lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sfnrun.asl.place import Place

__all__ = ["json_offset", "yaml_offset"]

_JSON_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)", re.DOTALL)
_YAML_ESCAPE = re.compile(r"\\(?:x..|u....|U........|.)", re.DOTALL)
_YAML_JOINED_LINES = re.compile(r"\\\r?\n[ \t]*")
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*[^\n]*\n")


def json_offset(text: str, place: Place, offset: int) -> int:
    """Where in the text the `offset`-th character of the string at `place` stands."""
    at = place.start + 1
    for _ in range(offset):
        if at >= place.end - 1:
            break
        escape = _JSON_ESCAPE.match(text, at) if text[at] == "\\" else None
        at = escape.end() if escape else at + 1
    return at


def yaml_offset(text: str, place: Place, offset: int, value: str) -> int | None:
    """The same in YAML, where `value` is the string; None if it has no such character."""
    for index, at in enumerate(_characters(text, place, value)):
        if index == offset:
            return at
    return None


def _characters(text: str, place: Place, value: str) -> Iterator[int]:
    """Where each character of the value stands, and where it ends."""
    quote = text[place.start]
    header = _BLOCK_HEADER.match(text, place.start) if quote in "|>" else None
    at = header.end() if header else place.start + (quote in "\"'")
    for character in value:
        at = _skip_folding(text, at, place.end, character, quote)
        yield at
        escape = _YAML_ESCAPE.match(text, at) if quote == '"' and text[at] == "\\" else None
        at = escape.end() if escape else at + (2 if quote == character == "'" else 1)
    yield at


def _skip_folding(text: str, at: int, end: int, character: str, quote: str) -> int:
    """Past the blanks and line ends that are not in the value; a line end may stand for the blank it folds to."""
    while at < end and text[at] != character:
        joined = _YAML_JOINED_LINES.match(text, at) if quote == '"' else None
        if joined:
            at = joined.end()
        elif text[at].isspace() and not (character in " \n" and text[at] in "\r\n"):
            at += 1
        else:
            break
    return at
