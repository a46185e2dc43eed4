"""Rules about intrinsic functions: calls that AWS refuses, and calls that can only fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.rule import Finding, Findings, rule
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
    if message.endswith("does not exist"):
        name = found.text[offset : offset + length].lower()
        known = {function.lower() for function in FUNCTIONS}
        return "SFN-I07" if name in known or f"states.{name}" in known else "SFN-I01"
    return "SFN-I03" if message.endswith(" given") else "SFN-I02"


@rule("SFN-I01", on="path", types=("template!",))
def function_exists(found: Found) -> Findings:
    """The function is one of the 18 that exist.

    Array, ArrayPartition, ArrayContains, ArrayRange, ArrayGetItem, ArrayLength, ArrayUnique, Base64Encode,
    Base64Decode, Hash, JsonMerge, StringToJson, JsonToString, MathRandom, MathAdd, StringSplit, UUID, Format.

    Example: `"x.$": "States.Foo($.y)"`
    """
    if _refused(found) == "SFN-I01":
        yield in_template(found)


@rule("SFN-I02", on="path", types=("template!",))
def call_parses(found: Found) -> Findings:
    r"""The call can be read: brackets, commas, single-quoted texts, and only the escapes `\'`, `\{`, `\}` and `\\`.

    Example: `"x.$": "States.Format('{}, $.y)"`
    """
    if _refused(found) == "SFN-I02":
        yield in_template(found)


@rule("SFN-I03", on="path", types=("template!",))
def call_has_its_arguments(found: Found) -> Findings:
    """A function gets as many arguments as it takes.

    Example: `"x.$": "States.UUID($.y)"`
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
    """States.Format gets as many values as its template has `{}`.

    Otherwise the state fails with States.IntrinsicFailure.

    Example: `"x.$": "States.Format('{} {}', $.a)"`
    """
    for call in _calls(found, "Format"):
        template = call.arguments[0]
        if isinstance(template, Literal) and template.source is not None:
            wanted, given = _placeholders(template.source), len(call.arguments) - 1
            if wanted != given:
                message = f"States.Format: {_number(wanted, 'placeholder')}, {_number(given, 'argument')}"
                yield _at(found, call, message, "write one value for each {}; a brace itself is \\{ or \\}")


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
    """States.Hash knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512.

    Any other name fails the state.

    Example: `"x.$": "States.Hash($.text, 'CRC32')"`
    """
    for call in _calls(found, "Hash"):
        algorithm = _literal(call, 1, str)
        if algorithm and algorithm.value not in DIGESTS:
            yield _at(found, algorithm, f"unknown algorithm '{algorithm.value}'", f"there are {', '.join(DIGESTS)}")


@rule("SFN-I06", on="path", types=("call",), severity="warning", code="")
def merge_is_shallow(found: Found) -> Findings:
    """The third argument of States.JsonMerge is `false`.

    A deep merge is not supported and fails the state.

    Example: `"x.$": "States.JsonMerge($.a, $.b, true)"`
    """
    for call in _calls(found, "JsonMerge"):
        deep = _literal(call, 2, bool)
        if deep and deep.value is True:
            yield _at(found, deep, "deep merge is not supported", "write false")


@rule("SFN-I07", on="path", types=("template!",))
def function_names_are_exact(found: Found) -> Findings:
    """Upper and lower case count in the name of a function, and it begins with `States.`.

    Example: `"x.$": "States.format('{}', $.y)"`
    """
    if _refused(found) == "SFN-I07":
        yield in_template(found)


@rule("SFN-I08", on="accepted")
def calls_may_nest(_: object) -> Findings:
    r"""Calls nest up to ten deep; escaped quotes and `States.Array()` are fine.

    Example: `"x.$": "States.Format('it\\'s {}', States.ArrayLength(States.Array(1, 2)))"`
    """
    yield from ()


def _range_items(call: Call) -> int | None:
    start, end, step = (_literal(call, index, int) for index in range(3))
    if start is None or end is None or step is None or step.value == 0:
        return None
    return max(0, int(end.value - start.value) // int(step.value) + 1)


def _range_fault(call: Call) -> str:
    step, items = _literal(call, 2, int), _range_items(call)
    if step and step.value == 0:
        return "step must not be 0"
    return f"{items} items; States.ArrayRange gives at most {MAX_RANGE}" if items and items > MAX_RANGE else ""


def _partition_fault(call: Call) -> str:
    size = _literal(call, 1, int)
    return "chunk size must be positive" if size and size.value < 1 else ""


def _text_fault(call: Call) -> str:
    text = _literal(call, 0, str)
    too_long = text and len(text.value) > MAX_CHARACTERS
    return f"{len(text.value)} characters; {call.name} takes at most {MAX_CHARACTERS}" if text and too_long else ""


_FAULTS: dict[str, Callable[[Call], str]] = {
    "ArrayPartition": _partition_fault,
    "ArrayRange": _range_fault,
    "Base64Decode": _text_fault,
    "Base64Encode": _text_fault,
    "Hash": _text_fault,
}


@rule("SFN-I09", on="path", types=("call",), severity="warning", code="")
def literal_arguments_are_in_range(found: Found) -> Findings:
    """Literal arguments are such that the function can work.

    ArrayPartition wants chunks of at least 1, ArrayRange a step other than 0 and at most 1,000 items; Base64Encode,
    Base64Decode and Hash take at most 10,000 characters.

    Example: `"x.$": "States.ArrayPartition($.items, 0)"`
    """
    for name, fault in _FAULTS.items():
        for call in _calls(found, name):
            message = fault(call)
            if message:
                yield _at(found, call, message, "the state would fail with States.IntrinsicFailure")
