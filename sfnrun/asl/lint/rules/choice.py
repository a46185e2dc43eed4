"""Rules about Choice states: rules, comparisons and the values they compare with."""

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


@rule("SFN-C01", on="shape")
def choices_are_there(violation: Violation) -> Findings:
    """A Choice has `Choices`.

    Example: `"A": {"Type": "Choice", "Default": "B"}`
    """
    yield violation.found()


@rule("SFN-C02", on="shape")
def choices_are_not_empty(violation: Violation) -> Findings:
    """`Choices` is an array of at least one rule, each an object.

    Example: `"Choices": []`
    """
    yield violation.found()


@rule("SFN-C03", on="shape")
def rule_has_next(violation: Violation) -> Findings:
    """A rule of `Choices` has `Next`.

    It says where to go if the rule holds.

    Example: `{"Variable": "$.x", "IsNull": true}`
    """
    yield violation.found(hint='add "Next": "name of a state"')


@rule("SFN-C04", on="state", types=("Choice",))
def comparison_has_a_variable(state: State) -> Findings:
    """A comparison has `Variable`.

    It is the value that is compared.

    Example: `{"NumericEquals": 1, "Next": "B"}`
    """
    for pointer, rule_ in _rules(state):
        compares = _operators(rule_)
        if compares and "Variable" not in rule_ and not any(name in rule_ for name in _LOGIC):
            message = "The field 'Variable' is required but was missing"
            yield Finding((*pointer, compares[0]), message, 'add "Variable": "$.path"', key=True, location=pointer)


@rule("SFN-C05", on="state", types=("Choice",))
def comparison_has_an_operator(state: State) -> Findings:
    """A rule compares: it has an operator, or And, Or, Not.

    Example: `{"Variable": "$.x", "Next": "B"}`
    """
    for pointer, rule_ in _rules(state):
        unknown = [name for name in rule_ if name not in ("Variable", "Next", "Comment", "Assign")]
        if not unknown:
            message = "One comparison operator is required"
            yield Finding(pointer, message, 'e.g. "StringEquals": "…" or "IsPresent": true', key=True)


@rule("SFN-C06", on="state", types=("Choice",))
def comparison_has_one_operator(state: State) -> Findings:
    """A comparison has one operator, not more.

    Two conditions on one value are joined by And.

    Example: `{"Variable": "$.x", "NumericGreaterThan": 1, "NumericLessThan": 9, "Next": "B"}`
    """
    for pointer, rule_ in _rules(state):
        compares = _operators(rule_)
        if len(compares) > 1 and not any(name in rule_ for name in _LOGIC):
            yield _only_one(pointer, compares, "join two comparisons with And")


def _only_one(pointer: Pointer, names: list[str], hint: str) -> Finding:
    message = f"There should only be one of the following fields: [{', '.join(names)}]"
    return Finding((*pointer, names[-1]), message, hint, key=True, location=pointer)


@rule("SFN-C07", on="shape")
def operator_is_known(violation: Violation) -> Findings:
    """A rule has only Variable, one of the 39 operators, And, Or, Not, Next, Assign and Comment.

    Operators: String, Numeric and Timestamp with Equals, LessThan, GreaterThan, LessThanEquals, GreaterThanEquals, and
    BooleanEquals, each with Path too; StringMatches; IsNull, IsPresent, IsNumeric, IsString, IsBoolean, IsTimestamp.

    Example: `{"Variable": "$.x", "StringEqual": "a", "Next": "B"}`
    """
    yield violation.found()


@rule("SFN-C08", on="shape")
def string_operand(violation: Violation) -> Findings:
    """String comparisons and StringMatches take a string.

    Example: `"StringEquals": 1`
    """
    yield violation.found(hint=_operator_for(violation))


@rule("SFN-C09", on="shape")
def numeric_operand(violation: Violation) -> Findings:
    """Numeric comparisons take a number.

    Example: `"NumericEquals": "1"`
    """
    yield violation.found(hint=_operator_for(violation))


def _operator_for(violation: Violation) -> str:
    """The operator that compares with such a value."""
    value, operator = violation.value, violation.field
    if isinstance(value, str) and value[:1] == "$":
        return f"a path belongs in {operator}Path"
    kind = {bool: "Boolean", int: "Numeric", float: "Numeric", str: "String"}.get(type(value))
    if violation.is_quoted:
        return ""  # the quotes are more likely the mistake
    other = next(
        (operator.replace(old, kind or "", 1) for old in ("String", "Numeric", "Boolean") if old in operator), ""
    )
    return f"use {other} to compare with it" if kind and other in operators() and other != operator else ""


@rule("SFN-C10", on="shape")
def boolean_operand(violation: Violation) -> Findings:
    """BooleanEquals takes a boolean.

    Example: `"BooleanEquals": "true"`
    """
    yield violation.found(hint=_operator_for(violation))


@rule("SFN-C11", on="state", types=("Choice",))
def timestamp_operand(state: State) -> Findings:
    """Timestamp comparisons take an RFC 3339 time with upper-case T and Z, or an offset.

    Example: `"TimestampEquals": "2030-01-31"`
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
    """IsNull, IsPresent and the other Is operators take a boolean.

    Example: `"IsPresent": "$.x"`
    """
    path = isinstance(violation.value, str) and violation.value[:1] == "$"
    yield violation.found(hint="the path belongs in Variable" if path else "")


@rule("SFN-C13", on="path", types=("operand!",))
def path_operand(found: Found) -> Findings:
    """The operators that end in Path take a reference path to the value to compare with.

    Example: `"StringEqualsPath": "order.id"`
    """
    if found.role == "operand" and found.error:
        yield reference_fault(found)


@rule("SFN-C14", on="accepted")
def path_operand_of_context(_: object) -> Findings:
    """The operators that end in Path may start at the context object (`$$`) or at a variable.

    Example: `"StringEqualsPath": "$$.Execution.Input.name"`
    """
    yield from ()


_ESCAPE = r"(?s)\\(?:[*\\]|(.|$))"


@rule("SFN-C15", on="state", types=("Choice",))
def pattern_escapes(state: State) -> Findings:
    r"""In StringMatches a backslash escapes `*` or a backslash, nothing else.

    `*` matches any characters; there are no other wildcards.

    Example: `"StringMatches": "log\d"`
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


@rule("SFN-C16", on="shape")
def and_or_are_arrays(violation: Violation) -> Findings:
    """And and Or are arrays of at least one rule.

    Example: `"And": []`
    """
    yield violation.found()


@rule("SFN-C17", on="shape")
def nested_rules_have_no_next(violation: Violation) -> Findings:
    """A rule inside And, Or or Not has no Next, Assign or Output.

    Only the outermost rule decides where to go.

    Example: `"Not": {"Variable": "$.x", "IsNull": true, "Next": "B"}`
    """
    yield violation.found(
        hint=f"move {violation.field} to the outermost rule" if violation.part == "NestedRule" else ""
    )


@rule("SFN-C18", on="shape")
def not_is_an_object(violation: Violation) -> Findings:
    """Not is one rule, an object.

    Example: `"Not": [{"Variable": "$.x", "IsNull": true}]`
    """
    yield violation.found()


@rule("SFN-C19", on="state", types=("Choice",))
def rule_compares_or_joins(state: State) -> Findings:
    """A rule is a comparison, or one of And, Or, Not; never both.

    Example: `{"And": [...], "Variable": "$.x", "IsNull": true, "Next": "B"}`
    """
    for pointer, rule_ in _rules(state):
        logic = [name for name in rule_ if name in _LOGIC]
        both = [name for name in rule_ if name in _LOGIC or name in operators()]
        if len(logic) > 1 or (logic and (len(both) > 1 or "Variable" in rule_)):
            names = both if len(both) > 1 else [*logic, "Variable"]
            yield _only_one(pointer, names, "put the comparison inside")


@rule("SFN-C20", on="path", types=("variable!",))
def variable_is_a_path(found: Found) -> Findings:
    """`Variable` is a path to one value, in the input (`$`), the context object (`$$`) or a variable (`$name`).

    Intrinsic functions, wildcards and filters are not possible here; a Pass state before it can evaluate them.

    Example: `"Variable": "States.ArrayLength($.items)"`
    """
    if found.role == "variable" and found.error:
        yield reference_fault(found)


@rule("SFN-C21", on="shape")
def some_operators_have_no_path(violation: Violation) -> Findings:
    """StringMatches and the Is operators have no form with Path.

    Example: `"StringMatchesPath": "$.pattern"`
    """
    yield violation.found(hint=f"there is only {violation.field.removesuffix('Path')}")


@rule("SFN-C22", on="shape")
def jsonata_rules_have_conditions(violation: Violation) -> Findings:
    """A rule of a JSONata Choice has `Condition`, not Variable, operators, And, Or or Not.

    Example: `{"Variable": "$.x", "IsNull": true, "Next": "B"}` in a JSONata state
    """
    yield violation.found(hint='write a Condition: "{% $states.input.x = 1 %}"')


@rule("SFN-C23", on="shape")
def jsonpath_rules_have_no_condition(violation: Violation) -> Findings:
    """`Condition` belongs to JSONata states.

    Example: `{"Condition": "{% true %}", "Next": "B"}` in a JSONPath state
    """
    yield violation.found(hint='add "QueryLanguage": "JSONata" to the state, or use Variable with an operator')


@rule("SFN-C24", on="shape")
def condition_is_there(violation: Violation) -> Findings:
    """A rule of a JSONata Choice has `Condition`.

    Example: `{"Next": "B"}`
    """
    yield violation.found(hint='add "Condition": "{% … %}"')


@rule("SFN-C25", on="shape")
def condition_is_an_expression(violation: Violation) -> Findings:
    """`Condition` is a JSONata expression in `{% %}`, or true or false.

    Example: `"Condition": "$states.input.x = 1"`
    """
    text = isinstance(violation.value, str)
    hint = f"write {{% {violation.value} %}}" if text and "%" not in violation.value else ""
    yield violation.found(message="Condition must be a JSONata expression or a boolean", hint=hint)


@rule("SFN-C26", on="accepted")
def condition_may_be_a_boolean(_: object) -> Findings:
    """`Condition` may be a literal true or false.

    Example: `"Condition": true`
    """
    yield from ()


@rule("SFN-C27", on="state", types=("Choice",), severity="warning", code="")
def rules_can_match(state: State) -> Findings:
    """No rule tests what an earlier one tests, and none follows a rule that always holds.

    Rules are tried in order and the first that matches counts, so the later one is dead.

    Example: two rules `{"Variable": "$.x", "NumericEquals": 1, …}`
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
