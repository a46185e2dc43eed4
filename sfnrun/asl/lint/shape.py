"""Check the shape of a definition against schema.json: each violation with its rule, in AWS's words.

The validator is jsonschema-rs, which checks a 200 KB definition in a millisecond. `lint.schema` decides about the first
small definitions, to save importing it. The tests compare both with `jsonschema`, an independent implementation.

A violation that only follows from another one is left out: inside an unsupported field, a missing field that is there
under a misspelled name, the language of a field while the language itself is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.asl.lint.outline import is_placeholder
from sfnrun.asl.lint.rule import Finding, Pointer
from sfnrun.asl.lint.schema import (
    LANGUAGES,
    fields_of_other_language,
    fields_of_part,
    fields_of_states,
    is_surely_valid,
    operators,
    schema,
)
from sfnrun.asl.lint.typo import close_to, only_meant
from sfnrun.asl.lint.unsupported import rule_of_other_language, rule_of_unsupported
from sfnrun.errors import Fix
from sfnrun.payload import Json

if TYPE_CHECKING:
    from jsonschema_rs import Draft7Validator, ValidationError

__all__ = ["Violation", "close_to", "is_valid", "operators", "schema", "violations"]

_TYPES = {
    "array": "Array",
    "boolean": "Boolean",
    "integer": "Integer",
    "null": "Null",
    "number": "Number",
    "object": "Object",
    "string": "String",
}
# A machine without both fields is told so in one diagnostic, in this order (recorded on AWS).
_SCOPE_FIELDS = ("States", "StartAt")
_STATES_AT_ONCE = 100
# Definitions that lint.schema decides about before the library pays off, and their most states.
_FIRST_DEFINITIONS = iter(range(10))
_FEW_STATES = 30


@cache
def _validator() -> Draft7Validator:
    from jsonschema_rs import Draft7Validator  # 15 ms, and most executions are of a small valid definition

    return Draft7Validator(schema())


def is_valid(value: Json) -> bool:
    """Whether the schema accepts a definition as it is, placeholders not forgiven."""
    return _validator().is_valid(value)


class Violation(Struct, frozen=True):
    """One place where a definition is not as the schema says.

    `pointer` is the value at fault, `keyword` the word of the schema that it breaks, `limit` what that word demands,
    `fields` the fields concerned (missing, too many, or unsupported), `definition` the part of the schema, as
    "JSONPathTask" ("" for the machine itself).
    """

    rule: str
    pointer: Pointer
    value: Json
    keyword: str
    limit: Json = None
    fields: tuple[str, ...] = ()
    definition: str = ""

    @property
    def field(self) -> str:
        """The name of the field at fault: the last one if several exclude each other."""
        if self.fields:
            return self.fields[-1]
        return next((step for step in reversed(self.pointer) if isinstance(step, str)), "")

    @property
    def language(self) -> str:
        """The language whose fields were expected, or "" where that makes no difference."""
        if self.definition.startswith("JSONPath"):
            return "JSONPath"
        return "JSONata" if self.definition.startswith("JSONata") else ""

    @property
    def part(self) -> str:
        """The definition without its language: "Task", "Catcher", "NestedRule"."""
        return self.definition.removeprefix(self.language)

    @property
    def known_fields(self) -> tuple[str, ...]:
        """The fields that this object may have."""
        return fields_of_part(self.definition)

    @property
    def is_of_other_language(self) -> bool:
        """Whether an unsupported field would be supported in the other query language."""
        return self.field in fields_of_other_language(self.definition)

    def found(self, hint: str = "", **changes: Any) -> Finding:
        """The Finding in AWS's words. `changes` are other fields of it."""
        words, on_field = _WORDS[self.keyword]
        given: dict[str, Any] = {"message": words(self), "hint": hint or self._hint(), "pointer": self.pointer}
        if on_field:
            given |= {"pointer": (*self.pointer, self.field), "location": self.pointer}
        given["key"] = on_field or self.keyword in ("required", "none")
        given["fix"] = self._fix()
        return Finding(**{**given, **changes})

    def _fix(self) -> Fix | None:
        """A misspelt field is renamed if there is one name only that it can mean, and nothing is called so yet."""
        if self.keyword != "additionalProperties" or self.is_of_other_language:
            return None
        meant = only_meant(self.field, self.known_fields)
        if meant is None or meant in self.value or meant != close_to(self.field, self.known_fields):
            return None
        return Fix("rename", (*self.pointer, self.field), meant)

    def _hint(self) -> str:
        if self.keyword == "enum" and isinstance(self.value, str):
            return _did_you_mean(close_to(self.value, self.limit))
        if self.keyword == "additionalProperties":
            return _did_you_mean(close_to(self.field, self.known_fields))
        if self.keyword in ("type", "pattern") and self.is_quoted:
            return f"write {self.value}, without quotes"
        return ""

    @property
    def is_quoted(self) -> bool:
        """Whether a string only has quotes too many."""
        if not isinstance(self.value, str):
            return False
        if self.limit == "Boolean":
            return self.value in ("true", "false")
        return self.limit in ("Integer", "Number") and re.fullmatch(r"-?\d{1,15}(\.\d+)?", self.value) is not None


def _did_you_mean(name: str | None) -> str:
    return f"did you mean '{name}'?" if name else ""


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(names)}]"


def _missing(violation: Violation) -> str:
    if set(violation.fields) <= set(_SCOPE_FIELDS):
        return f"These fields are required: {_listed(violation.fields)}"
    return f"The field '{violation.field}' is required but was missing"


def _unsupported(violation: Violation) -> str:
    if not violation.is_of_other_language:
        return f"Field '{violation.field}' is not supported"
    language = violation.language
    return (
        f"The QueryLanguage is set to '{language}', but field '{violation.field}' "
        f"is only supported for the '{LANGUAGES[language]}' QueryLanguage"
    )


def _expected_type(violation: Violation) -> str:
    return f"Expected value of type {violation.limit}"


# keyword -> AWS's words, and whether the finding stands at a field of the object (AWS then names the object)
_WORDS: dict[str, tuple[Callable[[Violation], str], bool]] = {
    "type": (_expected_type, False),
    "pattern": (_expected_type, False),
    "required": (_missing, False),
    "additionalProperties": (_unsupported, True),
    "enum": (lambda v: f"The field '{v.field}' should have one of these values: {_listed(v.limit)}", False),
    "minimum": (lambda v: f"Minimum value is {v.limit}", False),
    "maximum": (lambda v: f"Maximum value is {v.limit}", False),
    "minItems": (lambda v: "Value cannot be empty", False),
    "minLength": (lambda v: "Value cannot be empty", False),
    "minProperties": (lambda v: "Value cannot be empty", False),
    "maxLength": (lambda v: f"{v.field} cannot exceed {v.limit} characters", False),
    "none": (lambda v: f"One of these fields is required: {_listed(v.limit)}", False),
    "many": (lambda v: f"There should only be one of the following fields: {_listed(v.fields)}", True),
}


def violations(value: Json) -> list[Violation]:
    """Return all violations of the schema, each once, without those that only follow from another one."""
    if _is_small(value) and next(_FIRST_DEFINITIONS, None) is not None and is_surely_valid(value):
        return []
    if _validator().is_valid(value):
        return []
    found = [violation for error, part in _errors(value) for violation in _read(error, part)]
    return [_of_inherited_language(violation, value) for violation in _without_consequences(_joined(found), value)]


def _is_small(value: Json) -> bool:
    states = value.get("States") if isinstance(value, dict) else None
    return isinstance(states, dict) and len(states) <= _FEW_STATES


def _errors(value: Json) -> Iterator[tuple[ValidationError, Json]]:
    """Every error with the document that it was found in: the whole, or, of very many states, a few at a time.

    The library makes all errors of a document at once, 8 KB each. What stands around the states is found with each
    part, and told once.
    """
    states = value.get("States") if isinstance(value, dict) else None
    if not isinstance(states, dict) or len(states) <= _STATES_AT_ONCE:
        yield from ((error, value) for error in _validator().iter_errors(value))
        return
    names = list(states)
    for first in range(0, len(names), _STATES_AT_ONCE):
        part = {**value, "States": {name: states[name] for name in names[first : first + _STATES_AT_ONCE]}}
        if not _validator().is_valid(part):
            yield from ((error, part) for error in _validator().iter_errors(part))


def _of_inherited_language(violation: Violation, document: Json) -> Violation:
    """A field refused because a state does not inherit the language of the Map or Parallel around it: SFN-Q17."""
    if not violation.is_of_other_language or violation.language == "JSONata" or "QueryLanguage" in violation.value:
        return violation
    around: Json = document
    for step in violation.pointer:
        around = around[step]
        if isinstance(around, dict) and around.get("QueryLanguage") == "JSONata":
            return replace(violation, rule="SFN-Q17")
    return violation


def _read(error: ValidationError, document: Json) -> Iterator[Violation]:
    node, keyword, definition, rules = _broken_word(tuple(error.schema_path))
    pointer, value = _place_of(error, document)
    if is_placeholder(value):
        return  # nobody knows yet what will stand there
    for fields in _fields_at_fault(error, node, keyword, value):
        if keyword in ("oneOf", "anyOf", "not"):
            word = "many" if len(fields) > 1 else "none"
            limit: Json = _alternatives(node, keyword)
        else:
            word, limit = keyword, _limit(node, keyword)
        violation = Violation(_chosen(rules, word, fields, value), pointer, value, word, limit, fields, definition)
        yield replace(violation, rule=_rule_of(violation)) if word == "additionalProperties" else violation


@lru_cache(maxsize=4096)
def _broken_word(path: tuple[str | int, ...]) -> tuple[dict[str, Any], str, str, Any]:
    """The part of the schema that a path leads to: it, the keyword that is broken, its definition, and the rules."""
    node, keyword = _at(schema(), path[:-1]), str(path[-1])
    definition = str(path[1]) if path[0] == "definitions" else ""
    return node, keyword, definition, node.get("x-rules", {}).get(keyword)


def _chosen(rules: Any, word: str, fields: tuple[str, ...], value: Json) -> str:
    """The rule for a keyword: one for all, or by "none" and "many", by the missing field, or by the wrong value."""
    if isinstance(rules, str):
        return rules
    keys = (word, *fields, value if isinstance(value, str) else "", "other")
    return next(str(rules[key]) for key in keys if key in rules)


def _rule_of(unsupported: Violation) -> str:
    part, field = unsupported.part, unsupported.field
    if unsupported.is_of_other_language:
        return rule_of_other_language(unsupported.language, part, field, unsupported.value)
    return rule_of_unsupported(part, field, unsupported.rule, fields_of_states())


def _fields_at_fault(
    error: ValidationError, node: Mapping[str, Any], keyword: str, value: Json
) -> list[tuple[str, ...]]:
    kind: Any = error.kind
    if keyword == "required":
        return [(kind.property,)]
    if keyword == "additionalProperties":
        return [(name,) for name in kind.unexpected]
    if keyword in ("oneOf", "anyOf", "not"):
        if not isinstance(value, dict):
            return []  # its type is the problem
        return [tuple(name for name in value if name in _alternatives(node, keyword))]
    return [()]


def _alternatives(node: Mapping[str, Any], keyword: str) -> list[str]:
    if keyword == "not":
        return list(node["not"]["required"])
    return [part["required"][0] for part in node[keyword]]


def _limit(node: Mapping[str, Any], keyword: str) -> Json:
    if keyword not in ("type", "pattern"):
        return node.get(keyword)
    types = node["type"]
    return _TYPES[types if isinstance(types, str) else types[0]]


def _place_of(error: ValidationError, document: Json) -> tuple[Pointer, Json]:
    """Where an error stands, and the value there. The library leaves empty keys out of its paths; they are put back."""
    pointer: list[str | int] = []
    node = document
    for step in error.instance_path:
        while isinstance(node, dict) and step not in node and "" in node:
            pointer.append("")
            node = node[""]
        pointer.append(step)
        node = node[step]
    while isinstance(node, dict) and "" in node and node != error.instance:
        pointer.append("")
        node = node[""]
    return tuple(pointer), node


def _at(document: Json, pointer: Iterable[str | int]) -> Any:
    for step in pointer:
        document = document[step]
    return document


def _joined(found: list[Violation]) -> list[Violation]:
    """The violations with "StartAt and States are missing" in one."""
    missing: dict[Pointer, list[Violation]] = {}
    for violation in found:
        if violation.keyword == "required" and violation.field in _SCOPE_FIELDS:
            missing.setdefault(violation.pointer, []).append(violation)
    joined = {pointer: sorted(of, key=lambda v: _SCOPE_FIELDS.index(v.field)) for pointer, of in missing.items()}
    for pointer, (first, *rest) in joined.items():
        if rest:
            fields = tuple(violation.field for violation in (first, *rest))
            both = Violation(first.rule, pointer, first.value, first.keyword, None, fields, first.definition)
            found = [v for v in found if v not in (first, *rest)] + [both]
    return found


def _without_consequences(found: list[Violation], document: Json) -> Iterator[Violation]:
    of_wrong_type = {v.pointer for v in found if v.keyword == "type"}
    unsupported = {(*v.pointer, v.field) for v in found if v.keyword == "additionalProperties"}
    meant = {(*v.pointer, close_to(v.field, v.known_fields)) for v in found if v.keyword == "additionalProperties"}
    seen: set[tuple[Pointer, str, tuple[str, ...]]] = set()
    for violation in found:
        key = (violation.pointer, violation.keyword, violation.fields)
        follows = (
            key in seen
            or (violation.keyword != "type" and violation.pointer in of_wrong_type)
            or any(violation.pointer[:length] in unsupported for length in range(1, len(violation.pointer) + 1))
            or (
                violation.keyword == "required"
                and any((*violation.pointer, name) in meant for name in violation.fields)
            )
            or (violation.keyword == "none" and any((*violation.pointer, name) in meant for name in violation.limit))
            or (violation.keyword == "additionalProperties" and _language_is_unknown(violation, document))
        )
        seen.add(key)
        if not follows:
            yield violation


def _language_is_unknown(violation: Violation, document: Json) -> bool:
    """Whether a field only looks unsupported because a QueryLanguage, itself at fault, says nothing."""
    if not violation.is_of_other_language:
        return False
    nodes = [document]
    for step in violation.pointer:
        nodes.append(nodes[-1][step])
    states = [node for node in nodes if isinstance(node, dict) and "QueryLanguage" in node]
    return bool(states) and states[-1]["QueryLanguage"] not in tuple(LANGUAGES)
