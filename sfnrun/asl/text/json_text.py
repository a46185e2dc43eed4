"""JSON text to a value as fast as `json` can; where its values stand, only when asked.

`decode` is the C scanner, and all that a good definition pays for. `places` runs once somebody asks for a position.
What is wrong with a text that `decode` refuses is for `sfnrun.asl.text.json_faults` to say.
"""

from __future__ import annotations

import json
import re
import sys
from functools import partial
from math import isinf

from sfnrun.asl.text.place import Place
from sfnrun.payload import MAX_DEPTH, Json

__all__ = ["HALF_A_PAIR", "decode", "places", "string", "unused_character"]

# Good enough for a text that is known to be JSON, and half the price of a strict one.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|\$\{[^{}"\s]*\}|[^\s"{}\[\],:]+', re.DOTALL)
_COLON = re.compile(r"\s*:")

# An escaped surrogate without its other half; whole pairs and other escapes are stepped over.
HALF_A_PAIR = re.compile(
    r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>\\u[dD][89a-fA-F]..|[\ud800-\udfff])|\\.", re.DOTALL
)


class _Refused(ValueError):
    """`decode` met what `json` would have let pass."""


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused("a key stands twice")
    return value


def _constant(name: str) -> Json:
    raise _Refused(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise _Refused(f"{text} is too large")
    return number


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant).decode


def decode(text: str) -> tuple[Json, str]:
    """The value, and the character that marks an unquoted `${Name}` in it ("" if it has none).

    `"TimeoutSeconds": ${Timeout}` is legal before substitution; it comes back as the string of the mark and the name.
    Raises ValueError if the text is no JSON, has a key twice, NaN, half a surrogate pair or 1,001 levels.
    """
    mark = ""
    try:
        value = _read(text)
    except _Refused:
        raise
    except ValueError:
        if "${" not in text:
            raise
        mark = unused_character(text)
        # As long as before, so that nothing moves: ${Name} becomes a quoted mark and name.
        value = _read(_TOKEN.sub(partial(_quoted, mark), text))
    if _too_deep(text, value) or _has_half_a_pair(text):
        raise _Refused("nested too deeply, or half of a surrogate pair")
    return value, mark


def _read(text: str) -> Json:
    """The value of a JSON text; where the stack has no room for 1,000 levels, room is made."""
    try:
        return _decode(text)
    except RecursionError:
        if _depth(text) > MAX_DEPTH:
            raise _Refused(f"nested deeper than {MAX_DEPTH} levels") from None
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 2 * MAX_DEPTH)
    try:
        return _decode(text)
    finally:
        sys.setrecursionlimit(limit)


def _quoted(mark: str, token: re.Match[str]) -> str:
    is_value = token[0].startswith("${") and not _COLON.match(token.string, token.end())
    return f'"{mark}{token[0][2:-1]}"' if is_value else token[0]


def unused_character(text: str) -> str:
    """A noncharacter of Unicode that a text holds neither plainly nor escaped."""
    lowered = text.lower()
    for code in range(0xFDD0, 0xFDF0):
        if chr(code) not in text and f"\\u{code:04x}" not in lowered:
            return chr(code)
    raise _Refused("every noncharacter from U+FDD0 to U+FDEF is in use")


def _depth(text: str) -> int:
    deepest = depth = 0
    for token in _TOKEN.finditer(text):
        character = text[token.start()]
        if character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest


def _too_deep(text: str, value: Json) -> bool:
    """Whether nesting exceeds what AWS's parser takes; newer Pythons read 10,000 levels without a murmur."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _has_half_a_pair(text: str) -> bool:
    if "\\u" in text and any(found["half"] for found in HALF_A_PAIR.finditer(text)):
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def places(text: str) -> Place:
    """The places of all values of a text that `decode` has read."""
    top: list[Place] = []
    siblings: dict[str, Place] | list[Place] = top
    opened: list[tuple[Place, dict[str, Place] | list[Place]]] = []
    key: tuple[str, int, int] | None = None
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        character = text[start]
        if character in "}]":
            closed, siblings = opened.pop()
            closed.end = end
            continue
        if isinstance(siblings, list):
            place = Place(start, end)
            siblings.append(place)
        elif key is None:
            key = (string(token[0]), start, end)
            continue
        else:
            name, key_start, key_end = key
            place = siblings[name] = Place(start, end, key_start, key_end)
            key = None
        if character in "{[":
            # An unquoted ${Name} is one token and begins with $, so this opens something.
            opened.append((place, siblings))
            siblings = place.children = {} if character == "{" else []
    return top[0]


def string(token: str) -> str:
    """The value of a string token with its quotes."""
    value: str = json.loads(token, strict=False) if "\\" in token else token[1:-1]
    return value
