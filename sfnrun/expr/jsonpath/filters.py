"""Parse and evaluate filters such as `[?(@.price > 10 && @.name == 'x')]`, as Jayway JsonPath 2.0.0 does.

The condition is split at every `&&` and `||`, and the parentheses around its parts are dropped: they do not group, and
`!( )` does not negate. A literal is a string, in single quotes or bare, and is converted to the type of the other side:
`'10'` and `10` both equal the number 10. Values of types that cannot be compared do not match, not even with `!=`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from sfnrun.expr.jsonpath.steps import Criterion, Filter, Flaw, InnerPath, Operand, Step, is_definite, java_text
from sfnrun.expr.meter import Meter
from sfnrun.expr.regex import Regex, compile_regex
from sfnrun.expr.scope import PathError
from sfnrun.payload import Json

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["Reader", "compile_filter", "is_costly", "parse_filter"]

Reader = Callable[[Json, Json], Json]
"""Reads an inner path: `(item, document) -> value`; raises PathError."""

ParseSteps = Callable[[str], tuple[Step, ...]]

Test = Callable[[Json, Json, Meter | None], bool]
"""A compiled filter: `(item, document, meter) -> whether it is kept`; the meter is not None if `is_costly`."""

Comparison = Callable[[Json, Json, Meter | None], bool]
"""`(right side, left side, meter) -> whether the operator holds`."""

# In the order in which Jayway searches them; the first that occurs anywhere in a part is its operator.
_OPERATORS = ("==", ">=", "<=", "!=", "<", ">", "=~")
_CUTS = re.compile(r"(?<=&&|\|\|)|(?=&&|\|\|)")
_FILTER_HINT = "write a filter as [?(@.price > 10)]; the operators are == != < <= > >= =~ && ||"


# --- reading ---------------------------------------------------------------------------------------------------------


def parse_filter(bracket: str, at: int, parse_steps: ParseSteps) -> Filter:
    """Parse the filter in `[?( … )]` whose `?` is at `at`. Raises Flaw."""
    start = bracket.rindex("[", 0, at)
    filter_text = bracket[start : _filter_end(bracket, start)]
    condition = _condition(filter_text)
    offset = start + filter_text.index(condition)
    try:
        return Filter(_groups(condition, parse_steps))
    except Flaw as flaw:
        raise flaw.moved(offset) from None


def _filter_end(bracket: str, start: int) -> int:
    """The offset after the `]` that closes the filter; brackets in quotes do not count."""
    round_open = square_open = 0
    quoted = False
    for position in range(start, len(bracket)):
        character = bracket[position]
        if character == "'":
            quoted ^= bracket[position - 1] != "\\" or position == start
        elif not quoted:
            round_open += (character == "(") - (character == ")")
            square_open += (character == "[") - (character == "]")
            if character == "]" and round_open == 0:
                if square_open:
                    break
                return position + 1
    raise Flaw("unbalanced brackets or quotes in the filter", start, len(bracket) - start, _FILTER_HINT)


def _condition(text: str) -> str:
    inner = text[1:-1].strip()
    inner = inner[1:].strip() if inner.startswith("?") else ""
    if not (inner.startswith("(") and inner.endswith(")")) or len(inner) < 2:
        raise Flaw("a filter must start with [?( and end with )]", 0, len(text), _FILTER_HINT)
    condition = inner[1:-1].strip()
    if not condition:
        raise Flaw("the filter has no condition", 0, len(text), _FILTER_HINT)
    return condition


def _groups(condition: str, parse_steps: ParseSteps) -> tuple[tuple[Criterion, ...], ...]:
    """Criteria joined by `&&` in groups joined by `||`; Jayway evaluates both from the last to the first."""
    groups: list[list[Criterion]] = [[]]
    joints = offset = 0
    for part in _CUTS.split(condition):
        text = part.strip()
        joints += text in ("&&", "||")
        if text == "||":
            groups.append([])
        elif text and text != "&&":
            groups[-1].append(_criterion(text, offset + part.index(text), parse_steps))
        offset += len(part)
    if sum(map(len, groups)) != joints + 1:
        raise Flaw("`&&` and `||` need a condition on both sides", 0, max(1, len(condition)), _FILTER_HINT)
    return tuple(tuple(reversed(group)) for group in reversed(groups))


def _criterion(text: str, offset: int, parse_steps: ParseSteps) -> Criterion:
    stripped = text.lstrip("[?( ")
    offset += len(text) - len(stripped)
    stripped = stripped.rstrip(") ")
    if not stripped:
        raise Flaw("expected a condition", offset, len(text), _FILTER_HINT)
    sign = next((sign for sign in _OPERATORS if sign in stripped), "")
    if not sign:
        return _existence(stripped, offset, parse_steps)
    left, _, right = stripped.partition(sign)
    right_offset = offset + len(left) + len(sign) + len(right) - len(right.lstrip())
    left, right = left.strip(), right.strip()
    if right.startswith("!@"):
        raise Flaw("`!` tests for a missing value and takes no operator", right_offset, 1, "write [?(!@.name)]")
    # Jayway ignores a `!` before a comparison.
    left = left[1:] if left.startswith("!@") else left
    return Criterion(_operand(left, offset, parse_steps), sign, _operand(right, right_offset, parse_steps))


def _existence(text: str, offset: int, parse_steps: ParseSteps) -> Criterion:
    negated = text.startswith("!@")
    path = _operand(text[negated:], offset + negated, parse_steps)
    if not isinstance(path, InnerPath):
        raise Flaw(f"{text} has no operator and is not a path", offset, len(text), _FILTER_HINT)
    return Criterion(path, "missing" if negated else "exists")


def _operand(text: str, offset: int, parse_steps: ParseSteps) -> Operand:
    if text.startswith(("$", "@")):
        return _inner_path(text, offset, parse_steps)
    if text.startswith("'") and text.endswith("'"):
        if len(text) == 1:
            raise Flaw("the quote is not closed", offset)
        return text[1:-1]
    if text.startswith("/") and (text.endswith("/") or text[-2:] == "/i"):
        return _pattern(text, offset)
    return text


def _inner_path(text: str, offset: int, parse_steps: ParseSteps) -> InnerPath:
    try:
        steps = parse_steps(text[1:])
    except Flaw as flaw:
        raise Flaw(flaw.message, offset + 1 + flaw.offset, flaw.length, _FILTER_HINT) from None
    if not is_definite(steps):
        raise Flaw(f"the path {text} in a filter can give several values", offset, len(text))
    return InnerPath(steps, text[0] == "$")


def _pattern(text: str, offset: int) -> Regex:
    end = text.rindex("/")
    if end == 0:
        raise Flaw("the pattern is not closed", offset)
    # Java's \d, \w, \b and its ignoring of case are limited to ASCII by default.
    flags = re.ASCII | (re.IGNORECASE if text.endswith("i") else 0)
    try:
        return compile_regex(
            text[1:end].replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!"), flags
        )
    except (re.error, OverflowError, RecursionError) as error:
        raise Flaw(f"invalid pattern: {error}", offset, len(text)) from None


# --- evaluating ------------------------------------------------------------------------------------------------------


# A filter with more criteria is metered.
FEW_CRITERIA = 20
# Steps of one criterion; LONG_LITERAL characters of a literal add one.
STEPS_OF_A_CRITERION = 3
LONG_LITERAL = 1000


def weight(part: Filter) -> int:
    """The number of steps that the filter takes for one item."""
    criteria = [criterion for group in part.any_of for criterion in group]
    return sum(STEPS_OF_A_CRITERION + (_length(each.left) + _length(each.right)) // LONG_LITERAL for each in criteria)


def _length(operand: Operand) -> int:
    return len(operand) if isinstance(operand, str) else 0


def is_costly(part: Filter) -> bool:
    """Whether the steps of the filter must be metered."""
    criteria = (criterion for group in part.any_of for criterion in group)
    return weight(part) > FEW_CRITERIA * STEPS_OF_A_CRITERION or any(
        criterion.operator == "=~" for criterion in criteria
    )


def compile_filter(part: Filter, read: Callable[[InnerPath, bool], Reader]) -> Test:
    """Compile the filter; `read(path, require)` compiles an inner path, with `require` all of several names."""
    groups = [[_compile_criterion(criterion, read) for criterion in group] for group in part.any_of]
    if len(groups) == 1 and len(groups[0]) == 1:
        return groups[0][0]
    steps = weight(part)

    def test(item: Json, document: Json, meter: Meter | None) -> bool:
        if meter is not None:
            meter.spend(steps)
        return any(all(holds(item, document, meter) for holds in group) for group in groups)

    return test


def _compile_criterion(criterion: Criterion, read: Callable[[InnerPath, bool], Reader]) -> Test:
    if criterion.operator in ("exists", "missing"):
        assert isinstance(criterion.left, InnerPath)
        return _compile_existence(read(criterion.left, True), criterion.operator == "exists")
    left, right = (_compile_operand(operand, read) for operand in (criterion.left, criterion.right))
    holds = _HOLDS[criterion.operator]

    def test(item: Json, document: Json, meter: Meter | None) -> bool:
        try:
            value = left(item, document)
            return holds(right(item, document), value, meter)
        except PathError as error:
            if error.not_found:
                return False
            raise
        except _Incomparable:
            return False

    return test


def _compile_existence(read: Reader, wanted: bool) -> Test:
    """Whether there is something other than null. A `$` here is the item, as in Jayway."""

    def test(item: Json, document: Json, meter: Meter | None) -> bool:
        try:
            return (read(item, item) is not None) is wanted
        except PathError as error:
            if error.not_found:
                return not wanted
            raise

    return test


def _compile_operand(operand: Operand, read: Callable[[InnerPath, bool], Reader]) -> Reader:
    if isinstance(operand, InnerPath):
        return read(operand, False)
    return lambda item, document: operand


class _Incomparable(Exception):
    """Two values of types that cannot be compared."""


def _compare(expected: Json, value: Json) -> int:
    """Negative, zero or positive, as `expected` (the right side) is less than, equal to or more than `value`."""
    if expected is value and not isinstance(value, Regex):
        return 0
    nullish = (expected is None or expected == "null", value is None or value == "null")
    if any(nullish):
        return nullish[1] - nullish[0]
    compare = _COMPARISONS.get((_kind(expected), _kind(value)))
    if compare is None:
        raise _Incomparable
    return compare(expected, value)


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "other"


def _order(left: Json, right: Json) -> int:
    return int(left > right) - int(left < right)


def _order_of_texts(expected: str, value: str) -> int:
    if "\\'" in expected:
        expected = expected.replace("\\'", "'")
    if expected == value:
        return 0
    if expected.isascii() and value.isascii():
        return _order(expected, value)
    return _order(*(text.encode("utf-16-be", "surrogatepass") for text in (expected, value)))


def _order_of_numbers(expected: Json, value: Json) -> int:
    return _order(_decimal(java_text(expected)), _decimal(java_text(value)))


_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?")


@lru_cache(maxsize=1024)
def _decimal(text: str) -> Decimal:
    """`new BigDecimal(text)`; Jayway does not catch its exception, so a string that is not a number is an error."""
    if not _DECIMAL.fullmatch(text):
        raise PathError(f"{text!r} cannot be compared with a number", not_found=False)
    from decimal import Decimal  # only needed to compare numbers

    return Decimal(text)


_COMPARISONS: dict[tuple[str, str], Callable[[Json, Json], int]] = {
    ("string", "string"): _order_of_texts,
    ("number", "number"): _order_of_numbers,
    ("string", "number"): _order_of_numbers,
    ("string", "boolean"): lambda expected, value: _order(expected.lower() == "true", value),
    ("boolean", "boolean"): _order,
}


def _comparison(holds: Callable[[int, int], bool], null_matches_null_only: bool) -> Comparison:
    def test(expected: Json, value: Json, meter: Meter | None) -> bool:
        if null_matches_null_only and (expected is None) != (value is None):
            return False
        return holds(0, _compare(expected, value))

    return test


def _matches(expected: Json, value: Json, meter: Meter | None) -> bool:
    """`=~`: the pattern is on either side and must match the whole text of the value."""
    pattern, target = (value, expected) if isinstance(value, Regex) else (expected, value)
    if not isinstance(pattern, Regex):
        raise PathError(f"{java_text(pattern)} is not a pattern; write it as /…/", not_found=False)
    assert meter is not None
    target = target.pattern if isinstance(target, Regex) else target
    return target is not None and pattern.matches(java_text(target), meter)


# `expected` is the right side: `value > expected` holds if 0 > compare(expected, value).
_HOLDS: dict[str, Comparison] = {
    "==": _comparison(operator.eq, False),
    "!=": _comparison(operator.ne, False),
    ">": _comparison(operator.gt, True),
    ">=": _comparison(operator.ge, True),
    "<": _comparison(operator.lt, True),
    "<=": _comparison(operator.le, True),
    "=~": _matches,
}
