"""Rules about Pass and Fail states."""

from __future__ import annotations

from sfnrun.asl.lint.expressions import Found, looks_like_path
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.shape import Violation

__all__: list[str] = []


@rule("SFN-P01", on="path", types=("constant",), severity="warning", code="PASS_RESULT_IS_STATIC")
def result_is_literal(found: Found) -> Findings:
    """Checks for `.$` keys and paths in `Result`.

    Why is this bad? `Result` is copied unchanged, so the path stays a string.

    Example: `"Result": {"id.$": "$.id"}`

    How to fix: `"Parameters": {"id.$": "$.id"}`
    """
    if found.field == "Result" and looks_like_path(found.text):
        key = found.key.endswith(".$") and found.key == found.pointer[-1]
        message = "The path in Result will be treated as a string"
        yield Finding(found.pointer, message, "use Parameters instead", key=key)


@rule("SFN-P03", on="shape")
def error_and_cause_are_strings(violation: Violation) -> Findings:
    """Checks that `Error` and `Cause` are strings.

    Why is this bad? AWS rejects the definition.

    Example: `"Error": 404`

    How to fix: `"Error": "404"`
    """
    yield violation.found(hint=f'write "{violation.value}"' if isinstance(violation.value, int) else "")


@rule("SFN-P04", on="path", types=("fail!", "call"))
def error_path_gives_a_string(found: Found) -> Findings:
    """Checks that `ErrorPath` and `CausePath` are a path, or an intrinsic function that returns a string (Format,
    JsonToString, ArrayGetItem, Base64Encode, Base64Decode, Hash, UUID).

    Why is this bad? AWS rejects the definition.

    Example: `"CausePath": "States.MathAdd(1, 2)"`

    How to fix: `"CausePath": "States.Format('{}', $.cause)"`
    """
    if found.role != "fail":
        return
    message = f"{found.field} must be a path or an intrinsic function that returns a string"
    if found.error:
        yield found.fault(message)
    elif found.function and found.function not in _GIVE_STRINGS:
        yield Finding(
            found.pointer, message, f"{found.function} does not return a string", offset=0, length=len(found.text)
        )


_GIVE_STRINGS = frozenset(
    f"States.{name}"
    for name in ("Format", "JsonToString", "ArrayGetItem", "Base64Encode", "Base64Decode", "Hash", "UUID")
)


@rule("SFN-P05", on="shape")
def jsonata_fails_have_no_paths(violation: Violation) -> Findings:
    """Checks for ErrorPath and CausePath in JSONata states.

    Why is this bad? AWS rejects the definition.

    Example: `"ErrorPath": "$.error"` in a JSONata state

    How to fix: `"Error": "{% $states.input.error %}"`
    """
    field = violation.field.removesuffix("Path")
    yield violation.found(hint=f'write "{field}": "{{% $states.input… %}}"')


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-P02",
            """Checks for Fail states with both Error and ErrorPath, or Cause and CausePath.

            Why is this bad? AWS rejects the definition.

            Example: `{"Type": "Fail", "Error": "Late", "ErrorPath": "$.error"}`

            How to fix: remove one of them
            """,
            hint="remove one of them",
        ),
        Row(
            "SFN-P06",
            """Not reported: a Fail state without any field except Type.

            Example: `"A": {"Type": "Fail"}`
            """,
            on="accepted",
        ),
        Row(
            "SFN-P07",
            """Checks for Pass states that combine Result or Parameters (JSONPath) with Output (JSONata).

            Why is this bad? AWS rejects the definition.

            Example: `{"Type": "Pass", "Result": 1, "Output": "{% 2 %}", "End": true}`

            How to fix: `{"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 2 %}", "End": true}`
            """,
            hint="remove it, or make the whole state JSONata",
        ),
    ),
)
