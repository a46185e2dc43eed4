"""The JSON Schema of a definition: its fields, and a validator of small definitions that says no more than yes or no.

Importing jsonschema-rs and compiling the schema take 20 ms, a fifth of a short execution. `is_surely_valid` decides
about the first, small definitions of a process in less than one; if it says no, the library says why. The tests compare
the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

import msgspec

from sfnrun.asl.model import STATE_TYPES
from sfnrun.payload import Json

__all__ = [
    "KEYWORDS",
    "LANGUAGES",
    "fields_of_other_language",
    "fields_of_part",
    "fields_of_states",
    "is_surely_valid",
    "operators",
    "schema",
]

Schema = Mapping[str, Any]
_ANNOTATIONS = frozenset({"$schema", "definitions", "description", "else", "then", "title", "x-rules"})


LANGUAGES = {"JSONPath": "JSONata", "JSONata": "JSONPath"}


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of the Amazon States Language, draft 7."""
    from pkgutil import get_data

    loaded: dict[str, Any] = msgspec.json.decode(get_data(__package__, "schema.json") or b"{}")
    return loaded


@cache
def operators() -> frozenset[str]:
    """Return the comparison operators of JSONPath Choice rules."""
    return frozenset(fields_of_part("NestedRule")) - {"Variable", "And", "Or", "Not", "Comment"}


@cache
def fields_of_part(definition: str) -> tuple[str, ...]:
    """Return the fields of a part of the schema, such as "JSONPathTask"; "" is the state machine."""
    node = schema()["definitions"].get(definition, {}) if definition else schema()
    return tuple(node.get("properties", ()))


@cache
def fields_of_other_language(definition: str) -> frozenset[str]:
    """Return the fields of a part in the other query language; none if there is no difference."""
    language = next((language for language in LANGUAGES if definition.startswith(language)), "")
    return (
        frozenset(fields_of_part(LANGUAGES[language] + definition.removeprefix(language))) if language else frozenset()
    )


@cache
def fields_of_states() -> frozenset[str]:
    """Return the fields of all state types in both query languages."""
    return frozenset(
        name for language in LANGUAGES for type_ in STATE_TYPES for name in fields_of_part(language + type_)
    )


def is_surely_valid(value: Json) -> bool:
    """Whether a definition is valid. False, too, if it is nested too deeply to tell."""
    try:
        return _Check(schema()).is_valid(schema(), value)
    except RecursionError:
        return False


class _Check:
    def __init__(self, root: Schema) -> None:
        self.definitions: Mapping[str, Schema] = root.get("definitions", {})

    def is_valid(self, schema: Schema, value: Json) -> bool:
        if "$ref" in schema:  # draft 7 ignores the keywords next to it
            return self.is_valid(self.definitions[schema["$ref"].rpartition("/")[2]], value)
        return all(KEYWORDS[name](self, schema, value) for name in schema if name not in _ANNOTATIONS)


def _type(check: _Check, schema: Schema, value: Json) -> bool:
    types = schema["type"]
    return any(_TYPES[name](value) for name in ([types] if isinstance(types, str) else types))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Json], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and value == int(value),
    "null": lambda value: value is None,
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def _properties(check: _Check, schema: Schema, value: Json) -> bool:
    if not isinstance(value, dict):
        return True
    return all(check.is_valid(part, value[name]) for name, part in schema["properties"].items() if name in value)


def _additional(check: _Check, schema: Schema, value: Json) -> bool:
    if not isinstance(value, dict):
        return True
    extra = [value[name] for name in value if name not in schema.get("properties", ())]
    rest = schema["additionalProperties"]
    return (rest or not extra) if isinstance(rest, bool) else all(check.is_valid(rest, member) for member in extra)


def _if(check: _Check, schema: Schema, value: Json) -> bool:
    branch = schema.get("then" if check.is_valid(schema["if"], value) else "else")
    return branch is None or check.is_valid(branch, value)


def _count(check: _Check, parts: list[Schema], value: Json) -> int:
    return sum(check.is_valid(part, value) for part in parts)


@lru_cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


KEYWORDS: Mapping[str, Callable[[_Check, Schema, Json], bool]] = {
    "additionalProperties": _additional,
    "allOf": lambda check, schema, value: all(check.is_valid(part, value) for part in schema["allOf"]),
    "anyOf": lambda check, schema, value: _count(check, schema["anyOf"], value) > 0,
    "const": lambda check, schema, value: type(value) is type(schema["const"]) and value == schema["const"],
    "enum": lambda check, schema, value: value in schema["enum"],
    "if": _if,
    "items": lambda check, schema, value: (
        not isinstance(value, list) or all(check.is_valid(schema["items"], item) for item in value)
    ),
    "maxLength": lambda check, schema, value: not isinstance(value, str) or len(value) <= schema["maxLength"],
    "maximum": lambda check, schema, value: not _is_number(value) or value <= schema["maximum"],
    "minItems": lambda check, schema, value: not isinstance(value, list) or len(value) >= schema["minItems"],
    "minLength": lambda check, schema, value: not isinstance(value, str) or len(value) >= schema["minLength"],
    "minProperties": lambda check, schema, value: not isinstance(value, dict) or len(value) >= schema["minProperties"],
    "minimum": lambda check, schema, value: not _is_number(value) or value >= schema["minimum"],
    "not": lambda check, schema, value: not check.is_valid(schema["not"], value),
    "oneOf": lambda check, schema, value: _count(check, schema["oneOf"], value) == 1,
    "pattern": lambda check, schema, value: (
        not isinstance(value, str) or _pattern(schema["pattern"]).search(value) is not None
    ),
    "properties": _properties,
    "required": lambda check, schema, value: (
        not isinstance(value, dict) or all(name in value for name in schema["required"])
    ),
    "type": _type,
}
