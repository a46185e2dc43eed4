"""The functions that Step Functions adds to JSONata, and others that must be answered by the execution.

$partition $range $hash $random $uuid $parse. Arguments come as JSON values, None for a missing one (and for null);
None as the answer is undefined. What each does with odd arguments was measured on AWS: numbers are cut towards zero, a
missing argument mostly gives undefined, a wrong type T0410, a wrong value D3137.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from sfnrun.expr.scope import Scope
from sfnrun.payload import Json, loads

__all__ = ["FUNCTIONS", "HostFunction", "Thrown", "java_random"]

# The largest array within AWS's memory limit: [1..873782] evaluates on AWS, one more item fails.
MAX_ITEMS = 873_782


class Thrown(Exception):
    """A JSONata error of a host function: its code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _wrong_type(function: str, argument: int) -> NoReturn:
    raise Thrown("T0410", f'Argument {argument} of function "{function}" does not match function signature')


def _whole(value: Json, function: str, argument: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _wrong_type(function, argument)
    return int(value)


def _partition(scope: Scope, array: Json = None, size: Json = None) -> Json:
    if array is None or array == []:
        return None
    if not isinstance(array, list):
        raise Thrown("T0412", 'Argument 1 of function "partition" must be an array of undefined')
    if size is None:
        return [array]
    step = _whole(size, "partition", 2)
    if step < 0:
        raise Thrown("D3137", "Second argument must be zero or greater")
    return [array[i : i + step] for i in range(0, len(array), step)] if step else None


def _range(scope: Scope, first: Json = None, last: Json = None, delta: Json = None) -> Json:
    start, end = _whole(first, "range", 1), _whole(last, "range", 2)
    if delta is None:
        return None
    step = _whole(delta, "range", 3)
    if step == 0:
        return None
    numbers = range(start, end + (1 if step > 0 else -1), step)
    if len(numbers) > MAX_ITEMS:
        raise Thrown("U1001", f"An array would exceed the size limit of {MAX_ITEMS} items")
    # A sequence of one is its item, as everywhere in JSONata: $range(1, 9, 9) is 1.
    return numbers[0] if len(numbers) == 1 else list(numbers) or None


_DIGESTS = {"SHA-1": "sha1", "SHA-384": "sha384", "SHA-256": "sha256", "SHA-512": "sha512", "MD5": "md5"}


def _hash(scope: Scope, text: Json = None, algorithm: Json = None) -> Json:
    import hashlib  # it loads OpenSSL

    if not isinstance(text, str):
        _wrong_type("hash", 1)
    if algorithm is None:
        return None
    if not isinstance(algorithm, str):
        _wrong_type("hash", 2)
    if algorithm not in _DIGESTS:
        raise Thrown("D3137", f"Hash algorithm '{algorithm}' must be one of {', '.join(_DIGESTS)}")
    return hashlib.new(_DIGESTS[algorithm], text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def java_random(seed: int) -> float:
    """The first `nextDouble()` of `new java.util.Random(seed)`, the result of `$random(seed)` on AWS."""
    state = (seed ^ 0x5DEECE66D) & (1 << 48) - 1

    def bits(count: int) -> int:
        nonlocal state
        state = (state * 0x5DEECE66D + 0xB) & (1 << 48) - 1
        return state >> (48 - count)

    return ((bits(26) << 27) + bits(27)) * 2.0**-53


def _random(scope: Scope, seed: Json = None) -> Json:
    return scope.random.random() if seed is None else java_random(_whole(seed, "random", 1))


def _uuid(scope: Scope) -> Json:
    # A version 4 UUID: 4 bits of version, 2 of variant, the rest random.
    value = scope.random.getrandbits(128) & ~(0xF000 << 64) & ~(0xC000 << 48) | 4 << 76 | 0x8000 << 48
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number out of range")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_strict_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant).decode


def _parse(scope: Scope, text: Json = None) -> Json:
    """Return `{"v": value}`, since None means undefined; the prelude of `$parse` extracts the value."""
    if not isinstance(text, str):
        _wrong_type("parse", 1)
    try:
        return {"v": loads(text, _strict_decode)}
    except ValueError:
        raise Thrown("D3137", "Invalid JSON") from None


def _clone(scope: Scope, value: Json = None) -> Json:
    """Return the value, which the engine copies. jlens lacks this function of JSONata 2.0.6."""
    return value


class HostFunction(NamedTuple):
    """A host function: its name and signature in the engine, and its implementation."""

    name: str
    signature: str
    call: Callable[..., Json]
    prelude: str = ""


FUNCTIONS = {
    "clone": HostFunction("clone", "<(oa)-:x>", _clone),
    "hash": HostFunction("hash", "<x?x?:x>", _hash),
    "parse": HostFunction(
        "__parse",
        "<x?:x>",
        _parse,
        "$parse:=function($text){$exists($text)?$lookup($__parse($text),'v')};",
    ),
    "partition": HostFunction("partition", "<x?x?:x>", _partition),
    "random": HostFunction("random", "<x?:n>", _random),
    "range": HostFunction("range", "<x?x?x?:x>", _range),
    "uuid": HostFunction("uuid", "<:s>", _uuid),
}
