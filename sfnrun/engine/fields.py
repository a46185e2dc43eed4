"""Evaluate fields that hold a number, a time, a string or an array: literals, paths and JSONata.

The causes of failures are AWS's, word for word: those of a path name "the SecondsPath parameter" and quote
`path == value`, those of JSONata name the expected type.
"""

from __future__ import annotations

import re
from typing import Any

from sfnrun.asl.model import Field
from sfnrun.engine.visit import Visit
from sfnrun.errors import StatesError
from sfnrun.expr.scope import PathError
from sfnrun.expr.timestamp import instant_ms
from sfnrun.payload import Json, Payload, dumps, type_name

__all__ = ["array", "integer", "percentage", "seconds", "text", "timestamp"]

# AWS accepts a numeric string at MaxConcurrencyPath and ToleratedFailurePercentagePath; see tests/engine/map.yaml.
WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)

# The longest Wait that AWS accepts, in seconds: 24,855 days wait, 24,856 fail; see tests/engine/wait.yaml.
LONGEST_WAIT_S = 2**31 - 1


def _evaluated(visit: Visit, field: Field, document: Payload, named: str | None = None) -> Json:
    """Return the field's value; `named` is the field's name in the cause where a path does not match."""
    if field.expression is None:
        return field.literal
    if visit.state.query_language == "JSONata":
        return visit.evaluate_states(field.expression, {"input": document.value})
    return visit.evaluate(field.expression, document, named)


def _path(field: Field | None) -> str:
    """Return the field's path as AWS's causes show it: `$$.Map` as `$.Map`; see tests/engine/map.yaml."""
    text = field.expression.text if field is not None and field.expression is not None else "$"
    return text[1:] if text.startswith("$$") else text


def _unexpected(visit: Visit, field: Field, expected: str, value: Json) -> StatesError:
    """Return the failure of a JSONata field with a result of the wrong type."""
    text = field.expression.text if field.expression else dumps(field.literal)
    return visit.query_error(
        f"The JSONata expression '{text}' specified for the field '{field.name}' returned an unexpected result type. "
        f"Expected '{expected}', but was '{type_name(value)}' for value: {dumps(value)}",
        field.name,
    )


def _is_whole(value: Json) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def integer(visit: Visit, field: Field | None, document: Payload) -> int | None:
    """Return a whole number (TimeoutSeconds, HeartbeatSeconds, MaxConcurrency, …); None without the field."""
    if field is None:
        return None
    value = _evaluated(visit, field, document)
    if _is_whole(value):
        return int(value)
    if isinstance(value, str) and WHOLE.fullmatch(value) and visit.state.query_language == "JSONPath":
        return int(value)
    if visit.state.query_language == "JSONata":
        raise _unexpected(visit, field, "integer", value)
    raise visit.runtime_error(_invalid_number(field, value, "integer"))


def percentage(visit: Visit, field: Field | None, document: Payload) -> float | None:
    """Return a number from 0 to 100 (ToleratedFailurePercentage); None without the field."""
    if field is None:
        return None
    value = _evaluated(visit, field, document)
    if isinstance(value, str) and DECIMAL.fullmatch(value) and visit.state.query_language == "JSONPath":
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        if visit.state.query_language == "JSONata":
            raise _unexpected(visit, field, "number", value)
        raise visit.runtime_error(_invalid_number(field, value, "float"))
    return float(value)


def _invalid_number(field: Field, value: Json, kind: str) -> str:
    shown = value if isinstance(value, str) else "{}" if isinstance(value, dict) else dumps(value)
    return f'The {field.name} field refers to value "{shown}" which is not a valid {kind}: {_path(field)}'


def seconds(visit: Visit, field: Field, document: Payload) -> float:
    """Return Seconds or SecondsPath of a Wait."""
    if visit.state.query_language == "JSONata" or field.expression is None:
        value: Any = _evaluated(visit, field, document)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _unexpected(visit, field, "number", value)
        if value < 0:
            raise visit.query_error(f"The {field.name} field references a negative value: {value}", field.name)
    else:
        value = _seconds_at_path(visit, field, document)
    if value > LONGEST_WAIT_S:
        raise visit.runtime_error("Wait state delay is too long.")
    return float(value)


def _at_path(visit: Visit, field: Field, document: Payload) -> Json:
    """Return the value at SecondsPath or TimestampPath."""
    assert field.expression is not None
    try:
        return field.expression.evaluate(document.value, visit)
    except PathError:
        text = f"The {field.name} parameter does not reference an input value: {_path(field)}"
        raise visit.runtime_error(text) from None
    except StatesError as error:
        raise visit.failure(error) from None


def _seconds_at_path(visit: Visit, field: Field, document: Payload) -> int:
    value, path = _at_path(visit, field, document), _path(field)
    if isinstance(value, str) and WHOLE.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        shown = value if isinstance(value, str) else dumps(value)
        raise visit.runtime_error(f"The {field.name} parameter cannot be parsed as a long value: {path} == {shown}")
    if value < 0:
        raise visit.runtime_error(f"The {field.name} parameter references a negative value: {path} == {value}")
    return value


def timestamp(visit: Visit, field: Field, document: Payload) -> int:
    """Return Timestamp or TimestampPath of a Wait, in milliseconds since 1970."""
    by_path = visit.state.query_language == "JSONPath" and field.expression is not None
    value = _at_path(visit, field, document) if by_path else _evaluated(visit, field, document)
    moment = instant_ms(value) if isinstance(value, str) else None
    if moment is None:
        raise _bad_timestamp(visit, field, value)
    if moment - visit.now > LONGEST_WAIT_S * 1000:
        raise visit.runtime_error("Wait state delay is too long.")
    return round(moment)


def _bad_timestamp(visit: Visit, field: Field, value: Json) -> StatesError:
    shown = value if isinstance(value, str) else dumps(value)
    expected = "ISO-8601 extended offset date-time format string"
    if visit.state.query_language == "JSONata":
        # On AWS it points to the StateEntered event, unlike every other failed evaluation.
        text = f"The {field.name} field cannot be parsed as an {expected}: {shown}"
        return visit.query_error(text, field.name, previous=visit.entered)
    text = f"The {field.name} parameter does not reference a valid {expected}: {_path(field)} == {shown}"
    return visit.runtime_error(text)


def text(visit: Visit, field: Field | None, document: Payload) -> str | None:
    """Return Error or Cause of a Fail, or the value at its Path."""
    if field is None:
        return None
    value = _evaluated(visit, field, document, field.name)
    if isinstance(value, str):
        return value
    if visit.state.query_language == "JSONata":
        raise _unexpected(visit, field, "string", value)
    raise visit.runtime_error(
        f"The {field.name} field refers to a value that is not a string: {_path(field)} == {dumps(value)}"
    )


def array(visit: Visit, field: Field | None, document: Payload) -> list[Json]:
    """Return Items, the array at ItemsPath, or the Map's whole input if it has neither."""
    value = document.value if field is None else _evaluated(visit, field, document)
    if isinstance(value, list):
        return value
    if visit.state.query_language == "JSONata":
        if field is None:
            raise visit.query_error(f"Map state input must be an array but was: {document.text}")
        raise _unexpected(visit, field, "array", value)
    raise visit.runtime_error(f'Reference path "{_path(field)}" must point to array.')
