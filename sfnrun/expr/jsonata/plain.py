"""Evaluate plain references, such as `$states.input.a`, `$n` and `$x[0]`, in Python instead of in the engine.

They cost a fraction of a microsecond however large the document is, and keep integers that JSONata's doubles cannot
hold. Wherever JSONata's sequences come in (a name looked up in an array), the answer is UNSURE and the engine is asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from sfnrun.expr.jsonata.engine import UNDEFINED, Undefined
from sfnrun.expr.jsonata.scan import BUILTINS
from sfnrun.expr.scope import Scope
from sfnrun.payload import Json, dumps, loads

__all__ = ["UNSURE", "Unsure", "plain_reference", "whole_numbers"]


class Unsure:
    """The result where only the engine knows the value."""


UNSURE = Unsure()
Answer = Callable[[Json, Scope], Json | Undefined | Unsure]

_PLAIN = re.compile(r"\$([A-Za-z_]\w*)((?:\s*\.\s*(?:[A-Za-z_]\w*|`[^`]*`)|\[\s*-?\d{1,9}\s*\])*)", re.ASCII)
_STEP = re.compile(r"\s*\.\s*(?:(?P<name>[A-Za-z_]\w*)|`(?P<quoted>[^`]*)`)|\[\s*(?P<index>-?\d+)\s*\]", re.ASCII)
# Words that are not names where a name is allowed.
_NOT_NAMES = frozenset(("true", "false", "null", "and", "or", "in", "function"))


def plain_reference(text: str) -> Answer | None:
    """The evaluation of the expression `text` if it is a plain reference, else None."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    root, path = match.groups()
    steps = tuple(_step(step) for step in _STEP.finditer(path))
    if any(isinstance(step, str) and step in _NOT_NAMES for step in steps):
        return None
    if root != "states":
        return _of_variable(root, steps)
    if not steps or not isinstance(steps[0], str):
        return None  # $states itself: the engine puts it together
    return _of_context(steps[1:]) if steps[0] == "context" else _of_document(steps)


def _step(match: re.Match[str]) -> str | int:
    if match["index"] is not None:
        return int(match["index"])
    return match["name"] or match["quoted"]


Steps = tuple[str | int, ...]


def _of_variable(name: str, steps: Steps) -> Answer:
    missing = UNSURE if name in BUILTINS else UNDEFINED  # it may be a function
    return lambda document, scope: _walk(scope.variables.get(name, missing), steps)


def _of_context(steps: Steps) -> Answer:
    return lambda document, scope: _walk(scope.context, steps)


def _of_document(steps: Steps) -> Answer:
    return lambda document, scope: _walk(document, steps)


def _walk(value: Json | Undefined | Unsure, steps: Steps) -> Json | Undefined | Unsure:
    for step in steps:
        if type(value) is dict and type(step) is str:
            value = value.get(step, UNDEFINED)
        elif type(value) is list or type(step) is int:
            value = _item(value, step)
        elif value is not UNSURE:
            return UNDEFINED  # a scalar has no members
    return value if type(value) in _EXACT else whole_numbers(value)


_EXACT = (str, int, bool, Undefined, Unsure)


def _item(value: Json, step: str | int) -> Json | Undefined | Unsure:
    """The item that the filter `[step]` selects. A name looked up in an array gives a sequence: UNSURE."""
    if value is UNDEFINED or type(value) is not list or type(step) is str:
        return UNDEFINED if value is UNDEFINED else UNSURE
    assert type(step) is int
    if not -len(value) <= step < len(value):
        return UNDEFINED
    item = value[step]
    return UNSURE if type(item) is list else item


_WHOLE_FLOAT = re.compile(r"\.0(?![0-9])")


def whole_numbers(value: Json) -> Json:
    """The value with 1.0 as 1, as the engine and AWS write it; the same object if there are no such numbers."""
    if type(value) is float:
        return _number(repr(value))
    if type(value) is dict or type(value) is list:
        text = dumps(value)
        # A whole float is written 1.0 or 1e22. A string that looks like one only costs a second pass.
        if any(start in text for start in ("e1", "e2", "e3", "e+")) or (".0" in text and _WHOLE_FLOAT.search(text)):
            return loads(text, _decode)
    return value


def _number(text: str) -> float | int:
    """The number; as an integer if it is whole and below 1e21, where JavaScript's notation changes."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


_decode = json.JSONDecoder(parse_float=_number).decode
