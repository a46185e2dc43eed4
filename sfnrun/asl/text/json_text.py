"""Decode JSON at the speed of `json`, and find the positions of its values on demand.

`decode` runs the C scanner, which is all that a good definition pays for. `nodes` runs when a position is first needed.
`sfnrun.asl.text.json_problems` explains what is wrong with a text that `decode` rejects.
"""

from __future__ import annotations

import json
import re
from functools import partial
from math import isinf

from sfnrun.asl.text.positions import TextNode
from sfnrun.payload import Json, loads

__all__ = ["LONE_SURROGATE", "decode", "nodes", "string", "unused_character"]

# Sufficient for a text that is known to be JSON, and half the cost of a strict one.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|\$\{[^{}"\s]*\}|[^\s"{}\[\],:]+', re.DOTALL)
_COLON = re.compile(r"\s*:")

# An escaped surrogate without its other half; whole pairs and other escapes are skipped.
LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<lone>\\u[dD][89a-fA-F]..|[\ud800-\udfff])|\\.", re.DOTALL
)


class _RejectedError(ValueError):
    """A text that `json` accepts and `decode` does not."""


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _RejectedError("duplicate key")
    return value


def _constant(name: str) -> Json:
    raise _RejectedError(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise _RejectedError(f"{text} is out of range")
    return number


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant).decode


def decode(text: str) -> tuple[Json, str]:
    """Return the value, and the character that marks an unquoted `${Name}` in it ("" if there is none).

    `"TimeoutSeconds": ${Timeout}` is legal before substitution; its value is the string of the mark and the name.
    Raises ValueError if the text is not JSON, has a duplicate key, NaN, a lone surrogate or more than 1,000 levels.
    """
    mark = ""
    try:
        value = loads(text, _decode)
    except _RejectedError:
        raise
    except ValueError:
        if "${" not in text:
            raise
        mark = unused_character(text)
        # Keeps the length, so that no offset changes: ${Name} becomes a quoted mark and name.
        value = loads(_TOKEN.sub(partial(_quoted, mark), text), _decode)
    if _has_lone_surrogate(text):
        raise _RejectedError("a lone surrogate")
    return value, mark


def _quoted(mark: str, token: re.Match[str]) -> str:
    is_value = token[0].startswith("${") and not _COLON.match(token.string, token.end())
    return f'"{mark}{token[0][2:-1]}"' if is_value else token[0]


def unused_character(text: str) -> str:
    """Return a Unicode noncharacter that a text contains neither plainly nor escaped."""
    lowered = text.lower()
    for code in range(0xFDD0, 0xFDF0):
        if chr(code) not in text and f"\\u{code:04x}" not in lowered:
            return chr(code)
    raise _RejectedError("every noncharacter from U+FDD0 to U+FDEF is in use")


def _has_lone_surrogate(text: str) -> bool:
    if "\\u" in text and any(found["lone"] for found in LONE_SURROGATE.finditer(text)):
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def nodes(text: str) -> TextNode:
    """Return the positions of all values of a text that `decode` has accepted."""
    top: list[TextNode] = []
    siblings: dict[str, TextNode] | list[TextNode] = top
    opened: list[tuple[TextNode, dict[str, TextNode] | list[TextNode]]] = []
    key: tuple[str, int, int] | None = None
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        character = text[start]
        if character in "}]":
            closed, siblings = opened.pop()
            closed.end = end
            continue
        if isinstance(siblings, list):
            node = TextNode(start, end)
            siblings.append(node)
        elif key is None:
            key = (string(token[0]), start, end)
            continue
        else:
            name, key_start, key_end = key
            node = siblings[name] = TextNode(start, end, key_start, key_end)
            key = None
        if character in "{[":
            # An unquoted ${Name} is one token that begins with $, so this is an opening bracket.
            opened.append((node, siblings))
            siblings = node.children = {} if character == "{" else []
    return top[0]


def string(token: str) -> str:
    """Return the value of a string token with its quotes."""
    value: str = json.loads(token, strict=False) if "\\" in token else token[1:-1]
    return value
