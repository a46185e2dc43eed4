"""JSON values and their text: a value from outside keeps its text, one that sfnrun makes is encoded at most once.

AWS passes the source text of a value along until an operation rebuilds the value, and writes its own values compactly,
without spaces. So the same rule gives fidelity and speed. Values are never mutated once they are in a Payload.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

__all__ = [
    "BEYOND",
    "Json",
    "Payload",
    "canonical",
    "dumps",
    "json_equal",
    "loads",
    "plain",
    "room_to_nest",
    "type_name",
]

Json = Any

# Jackson, which AWS parses with, rejects deeper nesting.
MAX_DEPTH = 1000

# It is faster to encode shorter texts again than to assemble them.
LARGE = 4096


class Payload:
    """A JSON value with its text; whichever is missing is made on first use, once.

    `mark` is a slot for one history writer: (writer, inline text or number of the value line).
    """

    __slots__ = ("_last", "_text", "_value", "mark")

    def __init__(self, value: Json) -> None:
        self._value = value
        self._text: str | None = None
        # For an object that was encoded here: the name of its last member, and where its value begins in the text.
        self._last: tuple[str, int] | None = None
        self.mark: tuple[object, str | int] | None = None

    @classmethod
    def parse(cls, text: str) -> Payload:
        """Return the payload of a JSON text, which it keeps. Raises ValueError if the text is not JSON."""
        payload = cls(loads(text))
        payload._text = text
        return payload

    @classmethod
    def from_python(cls, value: object) -> Payload:
        """Return the payload of a Python value of user code. Raises TypeError or ValueError if it is not JSON.

        Tuples become arrays and numeric keys become strings, as in `json.dumps`. The value is copied.
        """
        try:
            text = _encode(value).decode()
            same = _fast_decode(text)
        except (TypeError, msgspec.MsgspecError, *BEYOND):
            text, same = "", None
        # The encoder accepts more than JSON (sets, dates, NaN), so the decoded value shows whether it was JSON.
        if text == "" or same != value:
            with room_to_nest():
                text = _strict_encode(value)
            same = loads(text)
        payload = cls(same)
        payload._text = text
        return payload

    @classmethod
    def joined(cls, items: list[Payload]) -> Payload:
        """Return the array of the items; their texts are used unchanged."""
        payload = cls([item._value for item in items])
        if any(item._text is not None for item in items):
            payload._text = f"[{','.join(item.text for item in items)}]"
        return payload

    def with_member(self, name: str, value: Json) -> Payload:
        """Return the object with a member set; every other member is shared.

        If the last member is replaced or a new one is added, as most ResultPaths do, the text that was encoded before
        is extended instead of encoded again.
        """
        before, text, last = self._value, self._text, self._last
        payload = Payload({**before, name: value})
        if text is None or last is None:
            return payload
        if last[0] == name:
            start = text[: last[1]]
        elif name in before:
            return payload
        else:
            start = f"{text[:-1]},{dumps(name)}:"
        payload._text = f"{start}{dumps(value)}}}"
        payload._last = (name, len(start))
        return payload

    @property
    def value(self) -> Json:
        return self._value

    @property
    def text(self) -> str:
        if self._text is None:
            try:
                self._text = _encode(self._value).decode()
            except BEYOND:
                self._text = _dumps_slowly(self._value)
            if self._value.__class__ is dict and len(self._text) > LARGE:
                name = next(reversed(self._value))
                self._last = (name, len(self._text) - 1 - len(dumps(self._value[name])))
        return self._text

    def exceeds(self, limit: int) -> bool:
        """Return whether the text is longer than `limit` bytes of UTF-8."""
        text = self.text
        # No character takes more than four bytes, so most texts need no encoding to know.
        return len(text) * 4 > limit and (len(text) > limit or len(text.encode("utf-8", "surrogatepass")) > limit)

    def __repr__(self) -> str:
        return f"Payload({self.text})"


def type_name(value: Json) -> str:
    """Return the JSON type of a value, as AWS names it: array, object, string, number, boolean or null."""
    return TYPE_NAMES[type(value)]


TYPE_NAMES = {
    list: "array",
    dict: "object",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def plain(value: Any) -> Json:
    """Return the JSON value of an event's detail: a Payload, or an object of Payloads such as assignedVariables."""
    if isinstance(value, Payload):
        return value.value
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return value


def json_equal(one: Json, other: Json) -> bool:
    """Return whether two JSON values are equal. 1, 1.0 and true are three values; the order of keys does not matter."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(json_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(json_equal, one, other))
    return bool(one == other)


def dumps(value: Json) -> str:
    """Return compact JSON text, as AWS writes it: no spaces, non-ASCII characters unescaped."""
    try:
        return _encode(value).decode()
    except BEYOND:
        return _dumps_slowly(value)


def canonical(value: Json) -> bytes:
    """Return text that is equal for equal values only, in the sense of `json_equal`."""
    try:
        return msgspec.json.encode(value, order="sorted")
    except BEYOND:
        with room_to_nest():
            return json.dumps(value, sort_keys=True).encode()


def loads(text: str | bytes, decode: Callable[[str], Json] | None = None) -> Json:
    """Decode a JSON text, with integers of any size. Raises ValueError, with the position if there is one.

    `decode` is the method of another json.JSONDecoder: a stricter one, or one that reads numbers differently.
    """
    value = _loads(text, decode)
    # The decoders' own limits depend on the version of Python and on the caller's stack.
    if len(text) > 2 * MAX_DEPTH and _is_too_deep(text):
        raise ValueError(_TOO_DEEP)
    return value


def _is_too_deep(text: str | bytes) -> bool:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH:
        return False
    # Brackets in strings seldom matter, so the strings are removed only if they do.
    return _nests_too_deep(data) and _nests_too_deep(_STRING.sub(b"", data))


def _nests_too_deep(data: bytes) -> bool:
    """Remove the innermost pairs of brackets until few enough are left: a tenth of the time of decoding."""
    brackets = data.translate(_BRACES_AS_BRACKETS, _NOT_BRACKETS)
    for removed in range(1, MAX_DEPTH + 1):
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"")
        if removed + len(brackets) // 2 <= MAX_DEPTH:
            return False
        if len(brackets) == before:
            break
    return True


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"')
_BRACES_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


def _loads(text: str | bytes, decode: Callable[[str], Json] | None) -> Json:
    if decode is None:
        try:
            return _fast_decode(text)
        except (msgspec.MsgspecError, *BEYOND):
            decode = _decode  # accepts a little more, and has better messages
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogatepass")
    try:
        return decode(text)
    except RecursionError:
        with room_to_nest():
            try:
                return decode(text)
            except RecursionError:
                raise ValueError(_TOO_DEEP) from None


# What the fast encoder and decoder cannot handle: deep nesting, and lone surrogates, which JSON may have.
BEYOND = (RecursionError, UnicodeEncodeError)

_encode = msgspec.json.Encoder().encode
_fast_decode = msgspec.json.Decoder().decode
_strict_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def _dumps_slowly(value: Json) -> str:
    with room_to_nest():
        text = _strict_encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        with room_to_nest():
            text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is out of range")
    return number


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


@contextmanager
def room_to_nest() -> Iterator[None]:
    """Raise the recursion limit so that one JSON value of the deepest nesting can be walked."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 3 * MAX_DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
