"""What a handler returns becomes JSON text as the Python runtime writes it, or the error that the runtime would report.

The runtime writes with blanks, characters beyond ASCII as they are, Decimals as numbers, tuples as arrays, keys that
are no strings as json does; bytes go out as they are. NaN gets through it, and fails as JSON afterwards.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

from sfnrun.tasks.lambdas.function_error import fault, platform

__all__ = ["LARGEST_RESPONSE", "response_text"]

# 6 MB and a little; https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST_RESPONSE = 6_291_556


def response_text(result: Any, request_id: str, handler: Any) -> str:
    """The JSON text of a handler's result. Raises FunctionError (Runtime.MarshalError, a response too large)."""
    text = result.decode("utf-8", "replace") if isinstance(result, bytes) else _marshalled(result, request_id, handler)
    if len(text) * 4 > LARGEST_RESPONSE and len(text.encode("utf-8", "surrogatepass")) > LARGEST_RESPONSE:
        message = f"Response payload size exceeded maximum allowed payload size ({LARGEST_RESPONSE} bytes)."
        raise platform("Function.ResponseSizeTooLarge", message)
    return text


def _marshalled(result: Any, request_id: str, handler: Any) -> str:
    try:
        return _encoded(result)
    except Exception as error:  # the result's own methods may raise anything; so does the runtime
        from sfnrun.tasks.lambdas.advice import on_result

        message = f"Unable to marshal response: {error}"
        raise fault("MarshalError", message, request_id, hint=on_result(result, handler)) from None


def _encoded(result: Any) -> str:
    try:
        text = _encode(result)
        if text.isascii() or _is_unicode(text):
            return text
    except TypeError:  # Decimals, or what has no JSON at all
        pass
    return _encoded_slowly(result)


_encode = json.JSONEncoder(ensure_ascii=False).encode


def _encoded_slowly(result: Any, *, ascii_only: bool = False) -> str:
    decimals = _Decimals()
    text = json.dumps(result, ensure_ascii=ascii_only, default=decimals)
    if decimals.texts:
        text = decimals.put_into(text)
    return text if _is_unicode(text) else _encoded_slowly(result, ascii_only=True)


def _is_unicode(text: str) -> bool:
    """False for half a surrogate pair, which has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Decimals:
    """`default` of json.dumps: json can only be given a mark for a number, which is replaced in the text afterwards."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._mark = ""

    def __call__(self, value: Any) -> str:
        if type(value).__name__ != "Decimal" or not isinstance(value, sys.modules["decimal"].Decimal):
            raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
        # A mark that no result can hold by chance or on purpose.
        self._mark = self._mark or f"decimal-{os.urandom(16).hex()}-"
        self.texts.append("NaN" if value.is_nan() else str(value))
        return f"{self._mark}{len(self.texts) - 1}"

    def put_into(self, text: str) -> str:
        return re.sub(rf'"{self._mark}(\d+)"', lambda found: self.texts[int(found[1])], text)
