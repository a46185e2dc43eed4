"""Rules about the rules of Choice states: comparisons, their values, and rules that can never match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.outline import Pointer, State, has_placeholder, is_placeholder, objects
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.lint.rules.paths import reference_fault
from sfnrun.asl.lint.shape import Violation, operators
from sfnrun.asl.timestamps import fault_of
from sfnrun.payload import Json, dumps

__all__: list[str] = []

_LOGIC = ("And", "Or", "Not")


def _nested(pointer: Pointer, rule_: dict[str, Any]) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """A rule and all rules in it, in the order of the text."""
    waiting = [(pointer, rule_)]
    while waiting:
        at, current = waiting.pop()
        yield at, current
        inner = [*objects(current.get("And"), (*at, "And")), *objects(current.get("Or"), (*at, "Or"))]
        if isinstance(current.get("Not"), dict):
            inner.append(((*at, "Not"), current["Not"]))
        waiting += reversed(inner)


def _rules(state: State) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """All rules of a JSONPath Choice, nested ones too."""
    if not state.is_jsonata:
        for pointer, rule_ in state.choices:
            yield from _nested(pointer, rule_)


def _operators(rule_: dict[str, Any]) -> list[str]:
    return [name for name in rule_ if name in operators()]


@rule("SFN-C04", on="state", types=("Choice",))
def comparison_has_a_variable(state: State) -> Findings:
    """Checks for comparisons without `Variable`.

    Why is this bad? `Variable` is the value that is compared, so AWS rejects the definition.

    Example: `{"NumericEquals": 1, "Next": "B"}`

    How to fix: `{"Variable": "$.x", "NumericEquals": 1, "Next": "B"}`
    """
    for pointer, rule_ in _rules(state):
        compares = _operators(rule_)
        if compares and "Variable" not in rule_ and not any(name in rule_ for name in _LOGIC):
            message = "The field 'Variable' is required but was missing"
            yield Finding((*pointer, compares[0]), message, 'add "Variable": "$.path"', key=True, location=pointer)


@rule("SFN-C05", on="state", types=("Choice",))
def comparison_has_an_operator(state: State) -> Findings:
    """Checks for rules without an operator, And, Or or Not.

    Why is this bad? The rule compares nothing, so AWS rejects the definition.

    Example: `{"Variable": "$.x", "Next": "B"}`

    How to fix: `{"Variable": "$.x", "IsPresent": true, "Next": "B"}`
    """
    for pointer, rule_ in _rules(state):
        unknown = [name for name in rule_ if name not in ("Variable", "Next", "Comment", "Assign")]
        if not unknown:
            message = "One comparison operator is required"
            yield Finding(pointer, message, 'add an operator, such as "IsPresent": true', key=True)


@rule("SFN-C06", on="state", types=("Choice",))
def comparison_has_one_operator(state: State) -> Findings:
    """Checks for comparisons with more than one operator.

    Why is this bad? AWS rejects the definition.

    Example: `{"Variable": "$.x", "NumericGreaterThan": 1, "NumericLessThan": 9, "Next": "B"}`

    How to fix: combine the comparisons with `And`
    """
    for pointer, rule_ in _rules(state):
        compares = _operators(rule_)
        if len(compares) > 1 and not any(name in rule_ for name in _LOGIC):
            yield _only_one(pointer, compares, "join two comparisons with And")


def _only_one(pointer: Pointer, names: list[str], hint: str) -> Finding:
    message = f"There should only be one of the following fields: [{', '.join(names)}]"
    return Finding((*pointer, names[-1]), message, hint, key=True, location=pointer)


@rule("SFN-C08", on="shape")
def string_operand(violation: Violation) -> Findings:
    """Checks that String comparisons and StringMatches have a string.

    Why is this bad? AWS rejects the definition.

    Example: `"StringEquals": 1`

    How to fix: `"StringEquals": "1"`
    """
    yield violation.found(hint=_operator_for(violation))


@rule("SFN-C09", on="shape")
def numeric_operand(violation: Violation) -> Findings:
    """Checks that Numeric comparisons have a number.

    Why is this bad? AWS rejects the definition.

    Example: `"NumericEquals": "1"`

    How to fix: `"NumericEquals": 1`
    """
    yield violation.found(hint=_operator_for(violation))


def _operator_for(violation: Violation) -> str:
    """The operator that compares with such a value."""
    value, operator = violation.value, violation.field
    if isinstance(value, str) and value[:1] == "$":
        return f"put the path into {operator}Path"
    kind = {bool: "Boolean", int: "Numeric", float: "Numeric", str: "String"}.get(type(value))
    if violation.is_quoted:
        return ""  # the quotes are more likely the mistake
    other = next(
        (operator.replace(old, kind or "", 1) for old in ("String", "Numeric", "Boolean") if old in operator), ""
    )
    return f"use {other} to compare with it" if kind and other in operators() and other != operator else ""


@rule("SFN-C10", on="shape")
def boolean_operand(violation: Violation) -> Findings:
    """Checks that BooleanEquals has a boolean.

    Why is this bad? AWS rejects the definition.

    Example: `"BooleanEquals": "true"`

    How to fix: `"BooleanEquals": true`
    """
    yield violation.found(hint=_operator_for(violation))


@rule("SFN-C11", on="state", types=("Choice",))
def timestamp_operand(state: State) -> Findings:
    """Checks that Timestamp comparisons have an RFC 3339 time with upper-case T and Z, or an offset.

    Why is this bad? AWS rejects the definition.

    Example: `"TimestampEquals": "2030-01-31"`

    How to fix: `"TimestampEquals": "2030-01-31T00:00:00Z"`
    """
    for pointer, rule_ in _rules(state):
        for name in _operators(rule_):
            value = rule_[name]
            if name.startswith("Timestamp") and not name.endswith("Path"):
                yield from not_a_timestamp((*pointer, name), value)


def not_a_timestamp(pointer: Pointer, value: Json) -> Findings:
    """A Finding if a string is no time as the language has them."""
    if isinstance(value, str) and not has_placeholder(value):
        hint = fault_of(value)
        if hint is not None:
            yield Finding(pointer, "String does not match RFC3339 timestamp", hint)


@rule("SFN-C12", on="shape")
def is_operand(violation: Violation) -> Findings:
    """Checks that IsNull, IsPresent and the other Is operators have a boolean.

    Why is this bad? AWS rejects the definition.

    Example: `"IsPresent": "$.x"`

    How to fix: `"Variable": "$.x", "IsPresent": true`
    """
    path = isinstance(violation.value, str) and violation.value[:1] == "$"
    yield violation.found(hint="put the path into Variable" if path else "")


@rule("SFN-C13", on="path", types=("operand!",))
def path_operand(found: Found) -> Findings:
    """Checks that operators that end in Path have a reference path.

    Why is this bad? The path must identify a single value, so AWS rejects the definition.

    Example: `"StringEqualsPath": "order.id"`

    How to fix: `"StringEqualsPath": "$.order.id"`
    """
    if found.role == "operand" and found.error:
        yield reference_fault(found)


_ESCAPE = r"(?s)\\(?:[*\\]|(.|$))"


@rule("SFN-C15", on="state", types=("Choice",))
def pattern_escapes(state: State) -> Findings:
    r"""Checks for invalid escapes in `StringMatches`: only `\*` and `\\` are valid (each backslash is doubled in JSON).

    Why is this bad? AWS rejects the definition; `*` is the only wildcard.

    Example: `"StringMatches": "log\d"`

    How to fix: `"StringMatches": "log*"`
    """
    for pointer, rule_ in _rules(state):
        pattern = rule_.get("StringMatches")
        if not isinstance(pattern, str) or has_placeholder(pattern):
            continue
        for escape in re.finditer(_ESCAPE, pattern):
            if escape[1] is not None:
                place = (*pointer, "StringMatches")
                hint = "write two backslashes for one; only * is a wildcard"
                yield Finding(place, "Invalid escape in pattern", hint, offset=escape.start(), length=len(escape[0]))


@rule("SFN-C17", on="shape")
def nested_rules_have_no_next(violation: Violation) -> Findings:
    """Checks for Next, Assign or Output in rules inside And, Or or Not.

    Why is this bad? Only the outermost rule has a transition, so AWS rejects the definition.

    Example: `"Not": {"Variable": "$.x", "IsNull": true, "Next": "B"}`

    How to fix: `"Not": {"Variable": "$.x", "IsNull": true}, "Next": "B"`
    """
    yield violation.found(
        hint=f"move {violation.field} to the outermost rule" if violation.part == "NestedRule" else ""
    )


@rule("SFN-C19", on="state", types=("Choice",))
def rule_compares_or_joins(state: State) -> Findings:
    """Checks for rules that combine a comparison with And, Or or Not, or several of these.

    Why is this bad? It is ambiguous, so AWS rejects the definition.

    Example: `{"And": [...], "Variable": "$.x", "IsNull": true, "Next": "B"}`

    How to fix: put the comparison into the array of `And`
    """
    for pointer, rule_ in _rules(state):
        logic = [name for name in rule_ if name in _LOGIC]
        both = [name for name in rule_ if name in _LOGIC or name in operators()]
        if len(logic) > 1 or (logic and (len(both) > 1 or "Variable" in rule_)):
            names = both if len(both) > 1 else [*logic, "Variable"]
            yield _only_one(pointer, names, "put the comparison inside")


@rule("SFN-C20", on="path", types=("variable!",))
def variable_is_a_path(found: Found) -> Findings:
    """Checks that `Variable` is a path to one value: in the input (`$`), the context object (`$$`) or a variable
    (`$name`).

    Why is this bad? AWS rejects intrinsic functions, wildcards and filters here.

    Example: `"Variable": "States.ArrayLength($.items)"`

    How to fix: compute the value in a Pass state before the Choice
    """
    if found.role == "variable" and found.error:
        yield reference_fault(found)


@rule("SFN-C21", on="shape")
def some_operators_have_no_path(violation: Violation) -> Findings:
    """Checks for a Path form of StringMatches and the Is operators.

    Why is this bad? It does not exist, so AWS rejects the definition.

    Example: `"StringMatchesPath": "$.pattern"`

    How to fix: `"StringMatches": "log*"`
    """
    yield violation.found(hint=f"use {violation.field.removesuffix('Path')}")


@rule("SFN-C25", on="shape")
def condition_is_an_expression(violation: Violation) -> Findings:
    """Checks for a `Condition` that is neither a JSONata expression in `{% %}` nor a boolean.

    Why is this bad? AWS rejects the definition; without the marks it is a plain string.

    Example: `"Condition": "$states.input.x = 1"`

    How to fix: `"Condition": "{% $states.input.x = 1 %}"`
    """
    text = isinstance(violation.value, str)
    hint = f"write {{% {violation.value} %}}" if text and "%" not in violation.value else ""
    yield violation.found(message="Condition must be a JSONata expression or a boolean", hint=hint)


@rule("SFN-C27", on="state", types=("Choice",), severity="warning", code="")
def rules_can_match(state: State) -> Findings:
    """Checks for Choice rules that can never match, because an earlier rule has the same test or is always true.

    Why is this bad? The first matching rule applies.

    Example: two rules `{"Variable": "$.x", "NumericEquals": 1, …}`

    How to fix: remove the later rule, or correct its test
    """
    seen: dict[str, int] = {}
    always: int | None = None
    for pointer, rule_ in state.choices:
        number = pointer[-1]
        test = {name: value for name, value in rule_.items() if name not in ("Next", "Assign", "Output", "Comment")}
        text = dumps(test)
        if not test or is_placeholder(rule_.get("Condition")) or not isinstance(number, int):
            continue
        if always is not None:
            yield Finding(pointer, f"Choices[{number}] can never match: Choices[{always}] always does", "remove it")
        elif text in seen:
            message = f"Choices[{number}] can never match: same test as Choices[{seen[text]}]"
            yield Finding(pointer, message, "remove it, or correct its test")
        seen.setdefault(text, number)
        if rule_.get("Condition") is True or rule_.get("Condition") in ("{% true %}", "{%true%}"):
            always = number
