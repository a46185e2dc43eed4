"""Compile the rules of a JSONPath Choice state: comparisons, tests of presence and type, And, Or and Not.

A comparison of values that are not of its type does not match, without an error. A missing Variable is an error, except
for IsPresent. Source: https://states-language.net/#choice-state
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sfnrun.errors import ExpressionError, StatesError
from sfnrun.expr.jsonpath import Path, compile_path
from sfnrun.expr.scope import Evaluate, PathError, Scope
from sfnrun.expr.template import OnError, Pointer
from sfnrun.expr.timestamp import instant_ms
from sfnrun.payload import Json, dumps

__all__ = ["OPERATORS", "Comparison", "Finding", "Junction", "Rule", "compile_rule"]

# AWS fails on a null input, even for IsPresent (states-language#29, confirmed by AWS Support).
NULL_INPUT = "Unable to apply Path transformation to null or empty input."

# Keys and indices down to the deepest rule; each level takes a stack frame or two when it is evaluated.
MAX_NESTING = 200

Matches = Callable[[Json, Scope], bool]
Finding = tuple[str, bool | None, str]
"""(text of a part of a rule, its outcome, value of the Variable); the outcome is None if the part failed."""


class Comparison(NamedTuple):
    """`Variable operator operand`; the operand is a literal, or the text of its path."""

    variable: str
    operator: str
    operand: Json
    reads: frozenset[str]
    matches: Matches
    value: Callable[[Json, Scope], Json]

    @property
    def text(self) -> str:
        """Such as `$.n NumericLessThan 3`."""
        return f"{self.variable} {self.operator} {dumps(self.operand)}"

    def describe(self, document: Json, scope: Scope) -> list[Finding]:
        """The outcome of the comparison, for explaining a choice."""
        try:
            held = dumps(self.value(document, scope))
        except PathError as error:
            held = error.message
        try:
            return [(self.text, self.matches(document, scope), held)]
        except StatesError as error:
            return [(self.text, None, error.cause or held)]


class Junction(NamedTuple):
    """And, Or, or Not (of one part)."""

    operator: str
    parts: tuple[Rule, ...]
    reads: frozenset[str]
    matches: Matches

    @property
    def text(self) -> str:
        """Such as `Not ($.n NumericLessThan 3)`."""
        if self.operator == "Not":
            return f"Not ({self.parts[0].text})"
        return f" {self.operator} ".join(f"({part.text})" for part in self.parts)

    def describe(self, document: Json, scope: Scope) -> list[Finding]:
        """The outcome of each comparison, including those that `matches` skips."""
        return [finding for part in self.parts for finding in part.describe(document, scope)]


Rule = Comparison | Junction


def compile_rule(rule: Mapping[str, Any], on_error: OnError) -> Rule:
    """Compile the condition of one entry of Choices; its other fields, such as Next, are ignored.

    Errors go to `on_error` with their pointer in the rule; a part with an error never matches.
    """
    return _rule(rule, (), on_error)


# --- reading ---------------------------------------------------------------------------------------------------------


def _rule(rule: Any, at: Pointer, on_error: OnError) -> Rule:
    if not isinstance(rule, Mapping) or len(at) > MAX_NESTING:
        what = "a rule must be an object" if len(at) <= MAX_NESTING else "rules are nested too deeply"
        on_error(at, ExpressionError(dumps(rule), what))
        return _broken({})
    for name in ("And", "Or"):
        if isinstance(rule.get(name), list):
            parts = [_rule(part, (*at, name, index), on_error) for index, part in enumerate(rule[name])]
            return _junction(name, parts)
    if isinstance(rule.get("Not"), dict):
        return _junction("Not", [_rule(rule["Not"], (*at, "Not"), on_error)])
    return _comparison(rule, at, on_error)


def _junction(name: str, parts: list[Rule]) -> Junction:
    tests = [part.matches for part in parts]
    matches: dict[str, Matches] = {
        "And": lambda document, scope: all(test(document, scope) for test in tests),
        "Or": lambda document, scope: any(test(document, scope) for test in tests),
        "Not": lambda document, scope: not tests[0](document, scope),
    }
    return Junction(name, tuple(parts), _union(part.reads for part in parts), matches[name])


def _union(reads: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*reads)


def _comparison(rule: Mapping[str, Any], at: Pointer, on_error: OnError) -> Comparison:
    names = [name for name in rule if name in OPERATORS]
    if not names or "Variable" not in rule:
        on_error(at, ExpressionError(dumps(dict(rule)), "a rule must have a Variable and one operator"))
        return _broken(rule)
    name = names[0]
    variable = _path(rule["Variable"], (*at, "Variable"), on_error)
    is_path = name.endswith("Path")
    operand = _path(rule[name], (*at, name), on_error) if is_path else None
    if variable is None or (is_path and operand is None):
        return _broken(rule)
    try:
        matches = OPERATORS[name](variable, operand if is_path else rule[name])
    except ExpressionError as error:
        on_error((*at, name), error)
        return _broken(rule)
    reads = variable.reads | (operand.reads if operand else frozenset())
    return Comparison(variable.text, name, rule[name], reads, matches, variable.evaluate)


def _path(text: Json, at: Pointer, on_error: OnError) -> Path | None:
    try:
        if isinstance(text, str):
            return compile_path(text)
        on_error(at, ExpressionError(dumps(text), "a path must be a string"))
    except ExpressionError as error:
        on_error(at, error)
    return None


def _broken(rule: Mapping[str, Any]) -> Comparison:
    return Comparison(
        str(rule.get("Variable")), "", None, frozenset(), lambda document, scope: False, lambda document, scope: None
    )


# --- values ----------------------------------------------------------------------------------------------------------


def _invalid(path: Path) -> StatesError:
    cause = f"Invalid path '{path.text}': The choice state's condition path references an invalid value."
    return StatesError("States.Runtime", cause)


def _value(path: Path) -> Evaluate:
    evaluate = path.evaluate
    is_of_document = path.root == "$"

    def value(document: Json, scope: Scope) -> Json:
        if document is None and is_of_document:
            raise StatesError("States.Runtime", NULL_INPUT)
        try:
            return evaluate(document, scope)
        except PathError:
            raise _invalid(path) from None

    return value


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_string(value: Json) -> bool:
    return isinstance(value, str)


def _is_boolean(value: Json) -> bool:
    return isinstance(value, bool)


def _is_null(value: Json) -> bool:
    return value is None


def _is_timestamp(value: Json) -> bool:
    return isinstance(value, str) and instant_ms(value) is not None


# --- operators -------------------------------------------------------------------------------------------------------


Build = Callable[[Path, Any], Matches]
"""Builds the test of an operator from its Variable and its operand, which is a literal or a Path."""


def _presence(variable: Path, wanted: Json) -> Matches:
    evaluate = variable.evaluate
    is_of_document = variable.root == "$"

    def matches(document: Json, scope: Scope) -> bool:
        if document is None and is_of_document:
            raise StatesError("States.Runtime", NULL_INPUT)
        try:
            evaluate(document, scope)
        except PathError:
            return wanted is False
        return wanted is True

    return matches


def _kind(test: Callable[[Json], bool]) -> Build:
    def build(variable: Path, wanted: Json) -> Matches:
        value = _value(variable)
        return lambda document, scope: test(value(document, scope)) is wanted

    return build


def _compared(is_kind: Callable[[Json], bool], compare: Callable[[Any, Any], bool]) -> Build:
    """Both sides must be of the kind; a comparison with a literal of another kind never matches."""

    def build(variable: Path, operand: Any) -> Matches:
        value = _value(variable)
        if isinstance(operand, Path):
            other = _value(operand)

            def matches_path(document: Json, scope: Scope) -> bool:
                left, right = value(document, scope), other(document, scope)
                return is_kind(left) and is_kind(right) and compare(left, right)

            return matches_path
        valid = is_kind(operand)

        def matches(document: Json, scope: Scope) -> bool:
            left = value(document, scope)
            return valid and is_kind(left) and compare(left, operand)

        return matches

    return build


def _as_instants(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: compare(instant_ms(left), instant_ms(right))


def _as_java_texts(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Java orders strings by their UTF-16 units."""

    def compare_texts(left: str, right: str) -> bool:
        if left.isascii() and right.isascii():
            return compare(left, right)
        return compare(left.encode("utf-16-be", "surrogatepass"), right.encode("utf-16-be", "surrogatepass"))

    return compare_texts


def _string_matches(variable: Path, pattern: Json) -> Matches:
    value = _value(variable)
    pieces = _pieces(pattern if isinstance(pattern, str) else "")

    def matches(document: Json, scope: Scope) -> bool:
        held = value(document, scope)
        return isinstance(held, str) and _fits(held, pieces)

    return matches


_PATTERN_PART = re.compile(r"\\([*\\])|(\*)|([^*\\]+|\\)", re.DOTALL)


def _pieces(pattern: str) -> list[str]:
    """The strings around the stars of a pattern; a backslash escapes a star or a backslash."""
    pieces = [""]
    for part in _PATTERN_PART.finditer(pattern):
        if part[2]:
            pieces.append("")
        else:
            pieces[-1] += part[1] or part[3]
    return pieces


def _fits(text: str, pieces: list[str]) -> bool:
    """Whether the text contains the pieces in this order, starts with the first and ends with the last."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return text == first
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in pieces[1:-1]:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}

_COMPARED: dict[str, Build] = {
    "BooleanEquals": _compared(_is_boolean, operator.eq),
    **{f"Numeric{name}": _compared(_is_number, order) for name, order in _ORDERS.items()},
    **{f"String{name}": _compared(_is_string, _as_java_texts(order)) for name, order in _ORDERS.items()},
    **{f"Timestamp{name}": _compared(_is_timestamp, _as_instants(order)) for name, order in _ORDERS.items()},
}

OPERATORS: dict[str, Build] = {
    **_COMPARED,
    **{f"{name}Path": build for name, build in _COMPARED.items()},
    "IsBoolean": _kind(_is_boolean),
    "IsNull": _kind(_is_null),
    "IsNumeric": _kind(_is_number),
    "IsPresent": _presence,
    "IsString": _kind(_is_string),
    "IsTimestamp": _kind(_is_timestamp),
    "StringMatches": _string_matches,
}
