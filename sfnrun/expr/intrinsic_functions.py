"""The 18 intrinsic functions, as recorded on AWS, and as the developer guide describes them where no recording exists.

Each takes the Scope and JSON values, and raises Failure, which becomes States.IntrinsicFailure.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from sfnrun.expr.meter import MAX_BYTES, size_of
from sfnrun.expr.scope import Scope
from sfnrun.payload import Json, canonical, dumps, loads

__all__ = ["FUNCTIONS", "TOO_LARGE", "Failure", "Function", "fill", "hash_map_order", "template_parts"]

MAX_RANGE = 1000
MAX_CHARACTERS = 10_000
TOO_LARGE = f"its result is larger than {MAX_BYTES} bytes"
INT_32 = range(-(2**31), 2**31)
DIGESTS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


class Failure(Exception):
    """A function cannot be evaluated with its arguments."""


# --- argument types ------------------------------------------------------------------------------------------


def _array(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise Failure(f"an array is expected, not {_shown(value)}")
    return value


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise Failure(f"an object is expected, not {_shown(value)}")
    return value


def _string(value: Json) -> str:
    if not isinstance(value, str):
        raise Failure(f"a string is expected, not {_shown(value)}")
    return value


def _short_string(value: Json) -> str:
    if len(_string(value)) > MAX_CHARACTERS:
        raise Failure(f"a string of at most {MAX_CHARACTERS} characters is expected, this one has {len(value)}")
    return str(value)


def _integer(value: Json) -> int:
    """A number rounded half up, like Java's Math.round: 1.5 is 2 and -1.5 is -1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Failure(f"a number is expected, not {_shown(value)}")
    down = math.floor(value)
    return down + (value - down >= 0.5)


def _shown(value: Json) -> str:
    text = dumps(value)
    return text if len(text) <= 60 else text[:59] + "…"


# --- the functions ---------------------------------------------------------------------------------------------------


def _make_array(scope: Scope, *items: Json) -> Json:
    if len(items) > 1 and sum(size_of(item) for item in items if isinstance(item, (list, dict, str))) > MAX_BYTES:
        raise Failure(TOO_LARGE)
    return list(items)


def _array_partition(scope: Scope, array: Json, size: Json) -> Json:
    items, step = _array(array), _integer(size)
    if step < 1:
        raise Failure(f"the size of a chunk is a positive number, not {_shown(size)}")
    return [items[start : start + step] for start in range(0, len(items), step)]


def _array_contains(scope: Scope, array: Json, value: Json) -> Json:
    wanted = canonical(value)
    return any(canonical(item) == wanted for item in _array(array))


def _array_range(scope: Scope, first: Json, last: Json, step: Json) -> Json:
    start, end, by = _integer(first), _integer(last), _integer(step)
    if by == 0:
        raise Failure("the step is not 0")
    numbers = range(start, end + (1 if by > 0 else -1), by)
    # len() fails for a range longer than a machine word.
    if (end - start) // by >= MAX_RANGE:
        raise Failure(f"a range has at most {MAX_RANGE} numbers, this one has {(end - start) // by + 1}")
    return list(numbers)


def _array_get_item(scope: Scope, array: Json, index: Json) -> Json:
    items, at = _array(array), _integer(index)
    if not 0 <= at < len(items):
        raise Failure(f"there is no index {at} in an array of {len(items)}")
    return items[at]


def _array_length(scope: Scope, array: Json) -> Json:
    return len(_array(array))


def _array_unique(scope: Scope, array: Json) -> Json:
    found: dict[str | bytes, Json] = {}
    for item in _array(array):
        found.setdefault(canonical(item), item)
    return list(found.values())


def _base64_encode(scope: Scope, text: Json) -> Json:
    return binascii.b2a_base64(_short_string(text).encode("utf-8", "replace"), newline=False).decode()


def _base64_decode(scope: Scope, text: Json) -> Json:
    encoded = _short_string(text)
    try:
        decoded = binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4), strict_mode=True) if encoded else b""
    except ValueError as error:
        raise Failure(f"{_shown(text)} is not Base64: {error}") from None
    return decoded.decode("utf-8", "replace")


def _hash(scope: Scope, data: Json, algorithm: Json) -> Json:
    name = DIGESTS.get(_string(algorithm))
    if name is None:
        raise Failure(f"{_shown(algorithm)} is not one of {', '.join(DIGESTS)}")
    import hashlib  # it loads OpenSSL, which takes time at start-up

    return hashlib.new(name, _short_string(data).encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def _json_merge(scope: Scope, first: Json, second: Json, deep: Json) -> Json:
    if deep is not False:
        raise Failure(f"only shallow merging is supported, so the third argument is false, not {_shown(deep)}")
    merged = {**_object(first), **_object(second)}
    return {key: merged[key] for key in hash_map_order(merged)}


def hash_map_order(keys: Collection[str]) -> list[str]:
    """The keys in the order in which a java.util.HashMap gives them back that they were put into in this order.

    AWS's interpreter, a Java program, keeps the keys of JSONPath payload templates and of States.JsonMerge in one.
    """
    buckets = 16
    while len(keys) > buckets * 0.75:
        buckets *= 2
    return sorted(keys, key=lambda key: _java_hash(key) & (buckets - 1))


def _java_hash(text: str) -> int:
    """String.hashCode with its upper half mixed into the lower, as HashMap does."""
    total = 0
    for unit in memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"):
        total = (31 * total + unit) & 0xFFFFFFFF
    return total ^ (total >> 16)


def _string_to_json(scope: Scope, text: Json) -> Json:
    try:
        return loads(text) if _string(text).strip() else None
    except ValueError as error:
        raise Failure(f"{_shown(text)} is not JSON: {error}") from None


def _json_to_string(scope: Scope, value: Json) -> Json:
    return dumps(value)


def _math_random(scope: Scope, first: Json, last: Json, seed: Json = None) -> Json:
    """A number from `first` up to, not including, `last`; the same seed gives the same number."""
    start, end = _integer(first), _integer(last)
    if start >= end:
        raise Failure(f"the start {start} is not less than the end {end}")
    return start + int(_chance(scope, seed) * (end - start))


def _chance(scope: Scope, seed: Json) -> float:
    if seed is None:
        return scope.random.random()
    from sfnrun.expr.jsonata.functions import (
        java_random,
    )  # a seed is rare, and importing the JSONata package takes time

    return java_random(_integer(seed))


def _math_add(scope: Scope, left: Json, right: Json) -> Json:
    numbers = (_integer(left), _integer(right))
    for number in numbers:
        if number not in INT_32:
            raise Failure(f"{number} is not between {INT_32[0]} and {INT_32[-1]}")
    return sum(numbers)


def _string_split(scope: Scope, text: Json, separators: Json) -> Json:
    """Split at every character of `separators` and drop empty parts, like java.util.StringTokenizer."""
    signs = _string(separators)
    parts = re.split(f"[{re.escape(signs)}]", _string(text)) if signs else [_string(text)]
    return [part for part in parts if part]


def _uuid(scope: Scope) -> Json:
    bits = scope.random.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | (4 << 76) | (2 << 62)
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


# --- Format ----------------------------------------------------------------------------------------------------------


def _format(scope: Scope, template: Json, *values: Json) -> Json:
    return fill(template_parts(_string(template)), values)


_HOLES = re.compile(r"\\([\\'{}])|(\{\})")


def template_parts(template: str) -> list[str]:
    """The strings around the `{}` of a template, in which a backslash escapes braces and quotes."""
    parts = [""]
    end = 0
    for found in _HOLES.finditer(template):
        parts[-1] += template[end : found.start()] + (found[1] or "")
        end = found.end()
        if found[2]:
            parts.append("")
    parts[-1] += template[end:]
    return parts


def fill(parts: list[str], values: tuple[Json, ...]) -> str:
    """Join the parts with the values as strings. Raises Failure if the number of values does not fit."""
    if len(parts) != len(values) + 1:
        raise Failure(f"the template has {len(parts) - 1} times {{}}, but there are {len(values)} values for it")
    filled = parts[0]
    for value, part in zip(values, parts[1:], strict=True):
        filled += (value if isinstance(value, str) else _java_text(value)) + part
        if len(filled) > MAX_BYTES:
            raise Failure(TOO_LARGE)
    return filled


def _java_text(value: Json) -> str:
    """Objects and arrays as Java prints maps and lists: `{Arg1=1, Arg2=[]}`; everything else as JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java_text(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_java_text, value)) + "]"
    return value if isinstance(value, str) else dumps(value)


# --- the table -------------------------------------------------------------------------------------------------------


class Function(NamedTuple):
    """A function and how many arguments it takes; `most` None is any number."""

    name: str
    least: int
    most: int | None
    run: Callable[..., Any]


FUNCTIONS = {
    function.name: function
    for function in (
        Function("States.Array", 0, None, _make_array),
        Function("States.ArrayContains", 2, 2, _array_contains),
        Function("States.ArrayGetItem", 2, 2, _array_get_item),
        Function("States.ArrayLength", 1, 1, _array_length),
        Function("States.ArrayPartition", 2, 2, _array_partition),
        Function("States.ArrayRange", 3, 3, _array_range),
        Function("States.ArrayUnique", 1, 1, _array_unique),
        Function("States.Base64Decode", 1, 1, _base64_decode),
        Function("States.Base64Encode", 1, 1, _base64_encode),
        Function("States.Format", 1, None, _format),
        Function("States.Hash", 2, 2, _hash),
        Function("States.JsonMerge", 3, 3, _json_merge),
        Function("States.JsonToString", 1, 1, _json_to_string),
        Function("States.MathAdd", 2, 2, _math_add),
        Function("States.MathRandom", 2, 3, _math_random),
        Function("States.StringSplit", 2, 2, _string_split),
        Function("States.StringToJson", 1, 1, _string_to_json),
        Function("States.UUID", 0, 0, _uuid),
    )
}
