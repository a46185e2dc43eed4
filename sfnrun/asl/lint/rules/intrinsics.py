"""Rules about intrinsic functions: calls that AWS rejects, and calls that always fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.rules.paths import in_template
from sfnrun.expr.intrinsic_functions import FUNCTIONS
from sfnrun.expr.intrinsics import Argument, Call, Intrinsic, Literal

__all__: list[str] = []

MAX_RANGE = 1000
MAX_CHARACTERS = 10_000
DIGESTS = ("MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512")


def _refused(found: Found) -> str:
    """The rule that a refused call breaks: an unknown name, another case, a wrong number of arguments, or syntax."""
    if found.role != "template" or not found.is_intrinsic or found.error is None:
        return ""
    message, offset, length = found.error.message, found.error.offset, found.error.length
    if message.startswith("unknown function"):
        name = found.text[offset : offset + length].lower()
        known = {function.lower() for function in FUNCTIONS}
        return "SFN-I07" if name in known or f"states.{name}" in known else "SFN-I01"
    return "SFN-I03" if ", got " in message else "SFN-I02"


@rule("SFN-I01", on="path", types=("template!",))
def function_exists(found: Found) -> Findings:
    """Checks for unknown intrinsic functions. The 18 functions are Array, ArrayPartition, ArrayContains, ArrayRange,
    ArrayGetItem, ArrayLength, ArrayUnique, Base64Encode, Base64Decode, Hash, JsonMerge, StringToJson, JsonToString,
    MathRandom, MathAdd, StringSplit, UUID and Format.

    Why is this bad? AWS rejects the definition.

    Example: `"x.$": "States.Foo($.y)"`

    How to fix: `"x.$": "States.JsonToString($.y)"`
    """
    if _refused(found) == "SFN-I01":
        yield in_template(found)


@rule("SFN-I02", on="path", types=("template!",))
def call_parses(found: Found) -> Findings:
    r"""Checks for syntax errors in calls: brackets, commas, strings in single quotes, and the escapes `\'`, `\{`, `\}`
    and `\\`.

    Why is this bad? AWS rejects the definition.

    Example: `"x.$": "States.Format('{}, $.y)"`

    How to fix: `"x.$": "States.Format('{}', $.y)"`
    """
    if _refused(found) == "SFN-I02":
        yield in_template(found)


@rule("SFN-I03", on="path", types=("template!",))
def call_has_its_arguments(found: Found) -> Findings:
    """Checks for calls with a wrong number of arguments.

    Why is this bad? AWS rejects the definition.

    Example: `"x.$": "States.UUID($.y)"`

    How to fix: `"x.$": "States.UUID()"`
    """
    if _refused(found) == "SFN-I03":
        yield in_template(found)


def _calls(found: Found, name: str) -> Iterator[Call]:
    """The calls of a function in an expression, nested ones too."""
    waiting: list[Argument] = [found.compiled.call] if isinstance(found.compiled, Intrinsic) else []
    while waiting:
        argument = waiting.pop(0)
        if isinstance(argument, Call):
            if argument.name == f"States.{name}":
                yield argument
            waiting += argument.arguments


def _at(found: Found, part: Call | Literal, message: str, hint: str = "") -> Finding:
    length = part.length if isinstance(part, Literal) else len(part.text)
    return Finding(found.pointer, message, hint, offset=part.offset, length=length)


@rule("SFN-I04", on="path", types=("call",), severity="warning", code="")
def format_fills_its_template(found: Found) -> Findings:
    """Checks that States.Format has as many values as its template has `{}`.

    Why is this bad? The state fails with States.IntrinsicFailure.

    Example: `"x.$": "States.Format('{} {}', $.a)"`

    How to fix: `"x.$": "States.Format('{} {}', $.a, $.b)"`
    """
    for call in _calls(found, "Format"):
        template = call.arguments[0]
        if isinstance(template, Literal) and template.source is not None:
            wanted, given = _placeholders(template.source), len(call.arguments) - 1
            if wanted != given:
                message = f"States.Format: {_number(wanted, 'placeholder')}, {_number(given, 'argument')}"
                yield _at(found, call, message, "pass one value for each {}; escape a brace as \\{ or \\}")


def _placeholders(source: str) -> int:
    return source.replace("\\\\", "").replace("\\{", "").replace("\\}", "").count("{}")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _literal(call: Call, index: int, kind: type) -> Literal | None:
    argument = call.arguments[index] if index < len(call.arguments) else None
    right = isinstance(argument, Literal) and type(argument.value) is kind
    return argument if right and isinstance(argument, Literal) else None


@rule("SFN-I05", on="path", types=("call",), severity="warning", code="")
def hash_knows_its_algorithm(found: Found) -> Findings:
    """Checks for algorithms of States.Hash other than MD5, SHA-1, SHA-256, SHA-384 and SHA-512.

    Why is this bad? The state fails with States.IntrinsicFailure.

    Example: `"x.$": "States.Hash($.text, 'CRC32')"`

    How to fix: `"x.$": "States.Hash($.text, 'SHA-256')"`
    """
    for call in _calls(found, "Hash"):
        algorithm = _literal(call, 1, str)
        if algorithm and algorithm.value not in DIGESTS:
            yield _at(found, algorithm, f"Unknown algorithm '{algorithm.value}'", f"valid: {', '.join(DIGESTS)}")


@rule("SFN-I06", on="path", types=("call",), severity="warning", code="")
def merge_is_shallow(found: Found) -> Findings:
    """Checks for a third argument of States.JsonMerge other than `false`.

    Why is this bad? A deep merge is not supported and fails the state.

    Example: `"x.$": "States.JsonMerge($.a, $.b, true)"`

    How to fix: `"x.$": "States.JsonMerge($.a, $.b, false)"`
    """
    for call in _calls(found, "JsonMerge"):
        deep = _literal(call, 2, bool)
        if deep and deep.value is True:
            yield _at(found, deep, "Deep merge is not supported", "write false")


@rule("SFN-I07", on="path", types=("template!",))
def function_names_are_exact(found: Found) -> Findings:
    """Checks for function names in the wrong case, or without `States.`.

    Why is this bad? Names are case-sensitive, so AWS rejects the definition.

    Example: `"x.$": "States.format('{}', $.y)"`

    How to fix: `"x.$": "States.Format('{}', $.y)"`
    """
    if _refused(found) == "SFN-I07":
        yield in_template(found)


def _range_items(call: Call) -> int | None:
    start, end, step = (_literal(call, index, int) for index in range(3))
    if start is None or end is None or step is None or step.value == 0:
        return None
    return max(0, int(end.value - start.value) // int(step.value) + 1)


def _range_fault(call: Call) -> str:
    step, items = _literal(call, 2, int), _range_items(call)
    if step and step.value == 0:
        return "Step must not be 0"
    return f"{items} items; States.ArrayRange returns at most {MAX_RANGE}" if items and items > MAX_RANGE else ""


def _partition_fault(call: Call) -> str:
    size = _literal(call, 1, int)
    return "Chunk size must be positive" if size and size.value < 1 else ""


def _text_fault(call: Call) -> str:
    text = _literal(call, 0, str)
    too_long = text and len(text.value) > MAX_CHARACTERS
    return f"{len(text.value)} characters; {call.name} accepts at most {MAX_CHARACTERS}" if text and too_long else ""


_FAULTS: dict[str, Callable[[Call], str]] = {
    "ArrayPartition": _partition_fault,
    "ArrayRange": _range_fault,
    "Base64Decode": _text_fault,
    "Base64Encode": _text_fault,
    "Hash": _text_fault,
}


@rule("SFN-I09", on="path", types=("call",), severity="warning", code="")
def literal_arguments_are_in_range(found: Found) -> Findings:
    """Checks for literal arguments out of range: ArrayPartition needs chunks of at least 1, ArrayRange a step other
    than 0 and at most 1,000 items; Base64Encode, Base64Decode and Hash accept at most 10,000 characters.

    Why is this bad? The state fails with States.IntrinsicFailure.

    Example: `"x.$": "States.ArrayPartition($.items, 0)"`

    How to fix: `"x.$": "States.ArrayPartition($.items, 10)"`
    """
    for name, fault in _FAULTS.items():
        for call in _calls(found, name):
            message = fault(call)
            if message:
                yield _at(found, call, message, "the state fails with States.IntrinsicFailure")


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-I08",
            r"""Not reported: calls that nest up to ten levels, escaped quotes, and `States.Array()`.

            Example: `"x.$": "States.Format('it\\'s {}', States.ArrayLength(States.Array(1, 2)))"`
            """,
            on="accepted",
        ),
    ),
)
