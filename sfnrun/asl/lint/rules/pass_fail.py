"""Rules about Pass, Succeed and Fail states."""

from __future__ import annotations

from sfnrun.asl.lint.expressions import Found, looks_like_path
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.lint.shape import Violation

__all__: list[str] = []


@rule("SFN-P01", on="path", types=("constant",), severity="warning", code="PASS_RESULT_IS_STATIC")
def result_is_literal(found: Found) -> Findings:
    """`Result` holds no `.$` keys and no paths: it is copied as it is.

    What is to be evaluated stands in Parameters.

    Example: `"Result": {"id.$": "$.id"}`
    """
    if found.field == "Result" and looks_like_path(found.text):
        key = found.key.endswith(".$") and found.key == found.pointer[-1]
        message = "The path in Result will be treated as a string"
        yield Finding(found.pointer, message, "use Parameters instead", key=key)


@rule("SFN-P02", on="shape")
def error_or_its_path(violation: Violation) -> Findings:
    """A Fail state has Error or ErrorPath, Cause or CausePath, not both.

    Example: `{"Type": "Fail", "Error": "Late", "ErrorPath": "$.error"}`
    """
    yield violation.found(hint="remove one of them")


@rule("SFN-P03", on="shape")
def error_and_cause_are_strings(violation: Violation) -> Findings:
    """`Error` and `Cause` are strings.

    Example: `"Error": 404`
    """
    yield violation.found(hint=f'write "{violation.value}"' if isinstance(violation.value, int) else "")


@rule("SFN-P04", on="path", types=("fail!", "call"))
def error_path_gives_a_string(found: Found) -> Findings:
    """`ErrorPath` and `CausePath` are a path, or an intrinsic function that returns a string.

    These are Format, JsonToString, ArrayGetItem, Base64Encode, Base64Decode, Hash and UUID.

    Example: `"CausePath": "States.MathAdd(1, 2)"`
    """
    if found.role != "fail":
        return
    message = f"{found.field} must be a path or an intrinsic function that returns a string"
    if found.error:
        yield found.fault(message)
    elif found.function and found.function not in _GIVE_STRINGS:
        yield Finding(found.pointer, message, f"{found.function} does not return one", offset=0, length=len(found.text))


_GIVE_STRINGS = frozenset(
    f"States.{name}"
    for name in ("Format", "JsonToString", "ArrayGetItem", "Base64Encode", "Base64Decode", "Hash", "UUID")
)


@rule("SFN-P05", on="shape")
def jsonata_fails_have_no_paths(violation: Violation) -> Findings:
    """JSONata states have no ErrorPath and no CausePath; Error and Cause take expressions.

    Example: `"ErrorPath": "$.error"` in a JSONata state
    """
    field = violation.field.removesuffix("Path")
    yield violation.found(hint=f'write "{field}": "{{% $states.input… %}}"')


@rule("SFN-P06", on="accepted")
def fail_needs_nothing(_: object) -> Findings:
    """A Fail state needs no field but Type.

    Example: `"A": {"Type": "Fail"}`
    """
    yield from ()


@rule("SFN-P07", on="shape")
def result_and_output_do_not_mix(violation: Violation) -> Findings:
    """Result and Parameters are JSONPath's, Output is JSONata's; a Pass has one or the other.

    Example: `{"Type": "Pass", "Result": 1, "Output": "{% 2 %}", "End": true}`
    """
    yield violation.found(hint="remove it, or make the whole state JSONata")
