"""Turns a handler's result into JSON text as the Python runtime writes it, or into the error that it reports.

The runtime writes with spaces and with simplejson: Decimals as numbers, tuples as arrays, named tuples as objects,
bytes inside as text; bytes alone leave as they are. NaN gets through and fails later, where JSON is read.
Source: awslambdaric 4.2.2, lambda_runtime_marshaller.py; tests/tasks/test_results.py.
"""

from __future__ import annotations

import json
import os
import re
import sys

from sfnrun.tasks.lambdas.environment.errors import (
    LARGEST_RESPONSE,
    response_too_large,
    unmarshallable,
)
from sfnrun.tasks.lambdas.environment.hints import on_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["response_body"]


def response_body(result: Any, request_id: str, handler: Any) -> bytes:
    """The body of the response. Raises FunctionError (Runtime.MarshalError, a response that is too large).

    Half a surrogate pair raises UnicodeEncodeError from Python 3.12 on, which ends the process.
    """
    body = result if isinstance(result, bytes) else _marshalled(result, request_id, handler)
    if len(body) > LARGEST_RESPONSE:
        raise response_too_large()
    return body


def _marshalled(result: Any, request_id: str, handler: Any) -> bytes:
    try:
        text = _encoded(result, ensure_ascii=False)
    except Exception as error:  # the result's own methods may raise anything; so does the runtime
        raise unmarshallable(error, request_id, on_result(result, handler)) from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        if not ESCAPES:
            raise
        return _encoded(result, ensure_ascii=True).encode()


def _encoded(result: Any, *, ensure_ascii: bool) -> str:
    if _is_plain(result) and not ensure_ascii:
        return _with_line_separators(_encode(result))
    decimals = _Decimals()
    text = json.dumps(_simplified(result, set()), ensure_ascii=ensure_ascii, default=decimals)
    return decimals.put_into(_with_line_separators(text))


_encode = json.JSONEncoder(ensure_ascii=False).encode

# Runtimes before 3.12 write characters beyond ASCII as escapes. The values are the same; sfnrun does if it has to.
ESCAPES = sys.version_info < (3, 12)

_SCALARS = frozenset({str, int, float, bool, type(None)})
_CONTAINERS = frozenset({dict, list, tuple})
_PLAIN = _SCALARS | _CONTAINERS


def _with_line_separators(text: str) -> str:
    """Simplejson escapes the two line separators that JavaScript once did not take in strings."""
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _is_plain(result: Any) -> bool:
    """Whether `json` writes all of it as simplejson does."""
    # Sets of types, so that a megabyte takes a few milliseconds.
    waiting, seen = [result], {0}
    if type(result) not in _CONTAINERS:
        return type(result) in _SCALARS
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        inside = value.values() if type(value) is dict else value
        kinds = set(map(type, inside))
        if not kinds <= _PLAIN or (type(value) is dict and not _SCALARS.issuperset(map(type, value))):
            return False
        if not kinds <= _SCALARS:
            waiting += [each for each in inside if type(each) in _CONTAINERS]
    return True


def _simplified(value: Any, above: set[int]) -> Any:
    """The same with what only simplejson writes in terms of what `json` writes too; `above` holds a cycle off."""
    if isinstance(value, bytes):
        return value.decode()
    as_dict = None if isinstance(value, (str, int, float, list, dict)) else getattr(value, "_asdict", None)
    if as_dict is not None and callable(as_dict):
        value = as_dict()
    if not isinstance(value, (dict, list, tuple)) or id(value) in above:
        return value
    above.add(id(value))
    try:
        if isinstance(value, dict):
            return {_key(key): _simplified(each, above) for key, each in value.items()}
        return [_simplified(each, above) for each in value]
    except RecursionError:
        return value  # json will say so in its own words
    finally:
        above.discard(id(value))


def _key(key: Any) -> Any:
    return key.decode() if isinstance(key, bytes) else key


class _Decimals:
    """`default` of json.dumps, which can only leave a mark for a number; the text gets the number afterwards."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        # A mark that no result contains by accident or on purpose.
        self._mark = f"decimal-{os.urandom(16).hex()}-"

    def __call__(self, value: Any) -> str:
        if type(value).__name__ != "Decimal" or not isinstance(value, sys.modules["decimal"].Decimal):
            raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
        self.texts.append("NaN" if value.is_nan() else str(value))
        return f"{self._mark}{len(self.texts) - 1}"

    def put_into(self, text: str) -> str:
        return re.sub(f'"{self._mark}(\\d+)"', lambda found: self.texts[int(found[1])], text)
