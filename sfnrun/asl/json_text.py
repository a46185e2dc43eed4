"""JSON text to a value as fast as `json` can; where its values stand, and what is wrong with it, only when asked.

Three walks over one text. `decode` is the C scanner and the only one that a good definition pays for. `places` runs once
somebody asks for a position. `faults` is a strict, iterative reader that says in plain words why a text is no JSON.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Literal

from sfnrun.asl.place import Fault, Lines, Place
from sfnrun.payload import MAX_DEPTH, Json

__all__ = ["PLACEHOLDER", "decode", "faults", "places", "raw_offset"]

# ${Name}, as SAM, CDK, Serverless and Terraform write it.
PLACEHOLDER = re.compile(r"\$\{([^{}\"'\s$]+)\}")

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|\$\{[^{}"\s]*\}|[^\s"{}\[\],:]+', re.DOTALL)
_STRICT = re.compile(
    r'(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"?)|(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z)|\#[^\n]*)|(?P<mark>[{}\[\],:])'
    r"|(?P<placeholder>\$\{[^{}\"\s]*\})|(?P<single>'[^'\n]*'?)|(?P<word>[^\s\"'{}\[\],:]+)",
    re.DOTALL,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_BAD_IN_STRING = re.compile(
    r'(?P<control>[\x00-\x1f])|(?P<escape>\\(?!["\\/bfnrtu]).?|\\u(?![0-9a-fA-F]{4}).{0,4})|\\u[dD][89abAB]..\\u[dD][c-fC-F]..'
    r"|(?P<half>\\u[dD][89a-fA-F]..|[\ud800-\udfff])|\\.",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)", re.DOTALL)
_CONSTANTS = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null"}
_NOT_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity", "+Infinity", "nan", "inf", "-inf"})


class _Refused(ValueError):
    """`decode` met something that `faults` will explain."""


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused
    return value


def _constant(name: str) -> Json:
    raise _Refused(name)


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


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
        mark = _unused_character(text)
        # The same length, so that nothing moves: "${Name}" becomes a quoted mark and name.
        value = _read(_TOKEN.sub(lambda token: _quoted(token[0], mark), text))
    if _deeper_than_allowed(text, value) or _has_half_a_pair(text):
        raise _Refused
    return value, mark


def _read(text: str) -> Json:
    try:
        return _decode(text)
    except RecursionError:
        if _depth(text) > MAX_DEPTH:
            raise _Refused from None
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 2 * MAX_DEPTH)
    try:
        return _decode(text)
    finally:
        sys.setrecursionlimit(limit)


def _quoted(token: str, mark: str) -> str:
    return f'"{mark}{token[2:-1]}"' if token.startswith("${") else token


def _unused_character(text: str) -> str:
    """A noncharacter of Unicode that does not occur in the text, not even escaped."""
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


def _deeper_than_allowed(text: str, value: Json) -> bool:
    """Whether nesting exceeds what AWS's own parser takes. Level by level, and only where there are enough brackets."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH + 1):
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
    if "\\ud" not in text and "\\uD" not in text and text.isprintable():
        return False
    if "\\u" in text and any(found["half"] for found in _BAD_IN_STRING.finditer(text)):
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def places(text: str) -> Place:
    """The places of all values of a text that `decode` has read."""
    root = Place(0, len(text))
    open_places = [root]
    siblings: dict[str, Place] | list[Place] = []
    root.children = siblings
    stack: list[dict[str, Place] | list[Place]] = []
    key: str | None = None
    key_start = key_end = -1
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        character = text[start]
        if character in "}]":
            open_places.pop().end = end
            siblings = stack.pop()
            continue
        if character == '"' and key is None and type(siblings) is dict:
            key, key_start, key_end = _string(text[start:end]), start, end
            continue
        if type(siblings) is dict and key is not None:
            place = siblings[key] = Place(start, end, key_start, key_end)
            key = None
        else:
            place = Place(start, end)
            siblings.append(place)  # type: ignore[union-attr]  # not a dict, as just asked
        if character in "{[":
            open_places.append(place)
            stack.append(siblings)
            siblings = place.children = {} if character == "{" else []
    return root.children[0]  # type: ignore[index]


def _string(token: str) -> str:
    return json.loads(token, strict=False) if "\\" in token else token[1:-1]  # type: ignore[no-any-return]


def raw_offset(text: str, place: Place, offset: int) -> int:
    """Where in the text the `offset`-th character of the string at `place` stands, past quote and escapes."""
    at = place.start + 1
    for _ in range(offset):
        if at >= place.end - 1:
            break
        escape = _ESCAPE.match(text, at) if text[at] == "\\" else None
        at = escape.end() if escape else at + 1
    return at


_State = Literal["value", "first value", "key", "first key", "colon", "after", "end"]


def faults(text: str) -> list[Fault]:
    """What is wrong with a text that `decode` refuses: one syntax error, or else every key that stands twice."""
    duplicates: list[Fault] = []
    lines = Lines(text)
    try:
        for fault in _duplicates(text, lines):
            duplicates.append(fault)
            if len(duplicates) == 100:
                break
    except Fault as syntax:
        return [syntax]
    return duplicates or [Fault("this text is not JSON", 0)]


def _duplicates(text: str, lines: Lines) -> Iterator[Fault]:
    """Reads the text strictly: yields keys that stand twice, raises the first syntax error."""
    state: _State = "value"
    opened: list[tuple[int, str, dict[str, int], str | None]] = []
    seen: dict[str, int] = {}
    name: str | None = None
    last = 0
    for token in _STRICT.finditer(text):
        start, kind, word = token.start(), token.lastgroup or "", token[0]
        _refuse_everywhere(kind, word, start)
        if state == "end":
            raise Fault("there is text after the end of the definition", start, len(word), "remove it")
        if kind == "mark" and word in "}]" and (state in ("after", "first key", "first value") or last):
            if not opened or "{["["}]".index(word)] != opened[-1][1] or state in ("value", "key", "colon"):
                raise _unexpected(text, state, word, start, last, opened, lines)
            _, _, seen, name = opened.pop()
            state = "after" if opened else "end"
        elif state in ("value", "first value"):
            if kind == "mark" and word in "{[":
                opened.append((start, word, seen, name))
                if len(opened) > MAX_DEPTH:
                    raise Fault(f"nested deeper than {MAX_DEPTH:,} levels", start, 1, "AWS refuses this too")
                seen, state = {}, "first key" if word == "{" else "first value"
            elif kind in ("string", "placeholder") or _is_scalar(kind, word):
                state = "after" if opened else "end"
            else:
                raise _unexpected(text, state, word, start, last, opened, lines)
        elif state in ("key", "first key") and kind == "string":
            name = _string(word)
            if name in seen:
                yield _duplicate(name, seen[name], start, len(word), opened, lines)
            seen[name], state = start, "colon"
        elif state == "colon" and word == ":":
            state = "value"
        elif state == "after" and word == ",":
            state = "key" if opened[-1][1] == "{" else "value"
        else:
            raise _unexpected(text, state, word, start, last, opened, lines)
        last = token.end()
    if state != "end":
        raise _ends_early(text, state, opened, lines)


def _is_scalar(kind: str, word: str) -> bool:
    return kind == "word" and (word in ("true", "false", "null") or _NUMBER.fullmatch(word) is not None)


def _duplicate(
    name: str,
    first: int,
    again: int,
    length: int,
    opened: list[tuple[int, str, dict[str, int], str | None]],
    lines: Lines,
) -> Fault:
    line, column = lines.position(first)
    is_state = opened[-1][3] == "States"
    return Fault(
        f"{'state' if is_state else 'key'} '{name}' stands here a second time (first at {line}:{column})",
        again,
        length,
        "rename one or remove it; a JSON parser silently keeps the last",
        rule="SFN-S12",
        code="DUPLICATE_STATE_NAME" if is_state else "INVALID_JSON_DESCRIPTION",
    )


def _refuse_everywhere(kind: str, word: str, start: int) -> None:
    """What is no JSON wherever it stands."""
    if kind == "comment":
        raise Fault(
            "JSON has no comments", start, len(word.split("\n")[0]), 'use a "Comment" field, or write the file in YAML'
        )
    if kind == "single":
        raise Fault("JSON strings and keys take double quotes", start, len(word), f'write "{word.strip(chr(39))}"')
    if kind == "string":
        _refuse_in_string(word, start)


def _refuse_in_string(word: str, start: int) -> None:
    for found in _BAD_IN_STRING.finditer(word):
        at, length = start + found.start(), len(found[0])
        if found["control"]:
            raise Fault(_control(found[0]), at, 1, "write it as an escape: \\t, \\n or \\u0000")
        if found["escape"]:
            raise Fault(f"'{found[0]}' is no escape in JSON", at, length, "write \\\\ for a backslash")
        if found["half"]:
            raise Fault("half of a surrogate pair is no character", at, length, "write both halves, or the character")
    if len(word) < 2 or word[-1] != '"':
        raise Fault("this string does not end on its line", start, len(word.rstrip()), 'close it with "')


def _control(character: str) -> str:
    names = {"\t": "a tab", "\r": "a carriage return", "\x00": "a NUL character"}
    return f"{names.get(character, f'control character U+{ord(character):04X}')} stands inside a string"


def _unexpected(
    text: str,
    state: _State,
    word: str,
    start: int,
    last: int,
    opened: list[tuple[int, str, dict[str, int], str | None]],
    lines: Lines,
) -> Fault:
    """Why `word` cannot stand where it does, told as the mistake that people make."""
    closing = word in "}]"
    if closing and last and text[last - 1] == "," and opened:
        return Fault(f"a comma stands before '{word}'", last - 1, 1, "remove the trailing comma")
    if closing and opened and state == "after":
        line, column = lines.position(opened[-1][0])
        return Fault(f"'{word}' does not close the '{opened[-1][1]}' opened at {line}:{column}", start)
    if state in ("key", "first key"):
        return _no_key(word, start)
    if state == "colon":
        return Fault(f"expected ':' after the key {text[:last][-40:].splitlines()[-1].strip()}", last, 1, "add ':'")
    if state == "after":
        close = "}" if opened[-1][1] == "{" else "]"
        return Fault(f"expected ',' or '{close}' after the value", last, 1, "add a comma between the two")
    return _no_value(word, start)


def _no_key(word: str, start: int) -> Fault:
    if word == ",":
        return Fault("there is a comma too many", start, 1, "remove it")
    if word in "{}[]:":
        return Fault(f"expected a key in double quotes, found '{word}'", start)
    return Fault(f"the key {word} has no double quotes", start, len(word), f'write "{word}"')


def _no_value(word: str, start: int) -> Fault:
    if word in _NOT_NUMBERS:
        return Fault(
            f"{word} is not JSON", start, len(word), "JSON numbers are finite; give a number, a string or null"
        )
    if word in _CONSTANTS:
        return Fault(f"{word} is not JSON", start, len(word), f"write {_CONSTANTS[word]}")
    if word == ",":
        return Fault("a value is missing before ','", start, 1, "remove the comma or give a value")
    if word in "}]:":
        return Fault(f"a value is missing before '{word}'", start)
    if re.match(r"[-+.]?[0-9]", word):
        return Fault(
            f"{word} is not a JSON number", start, len(word), "like 10, -0.5 or 1e3: no leading 0, + or bare point"
        )
    return Fault(f"the text {word} has no double quotes", start, len(word), f'write "{word}"')


def _ends_early(
    text: str, state: _State, opened: list[tuple[int, str, dict[str, int], str | None]], lines: Lines
) -> Fault:
    end = len(text.rstrip())
    if not opened:
        return Fault("the text is empty", end)
    (start, bracket, _, _), wanted = opened[-1], "}" if opened[-1][1] == "{" else "]"
    line, column = lines.position(start)
    missing = "a value" if state in ("value", "colon") else f"'{wanted}'"
    return Fault(
        f"the text ends where {missing} should stand: the '{bracket}' of {line}:{column} is never closed",
        max(0, end - 1),
        1,
        f"add '{wanted}'; or part of the file is missing",
    )
