"""Rules about Wait states."""

from __future__ import annotations

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.outline import State
from sfnrun.asl.lint.rule import Findings, Row, enter_rows, rule
from sfnrun.asl.lint.rules.choice import not_a_timestamp
from sfnrun.asl.lint.rules.paths import reference_fault
from sfnrun.asl.lint.shape import Violation

__all__: list[str] = []


@rule("SFN-W03", on="shape")
def seconds_in_range(violation: Violation) -> Findings:
    """Checks that `Seconds` is an integer from 0 to 99999999.

    Why is this bad? AWS rejects fractions and numbers in quotes.

    Example: `"Seconds": -1`

    How to fix: `"Seconds": 1`
    """
    path = isinstance(violation.value, str) and violation.value[:1] == "$"
    yield violation.found(hint="put the path into SecondsPath" if path else "")


@rule("SFN-W04", on="state", types=("Wait",))
def timestamp_is_a_time(state: State) -> Findings:
    """Checks that `Timestamp` is an RFC 3339 time with upper-case T and Z, or an offset; in JSONata states an
    expression is valid, too.

    Why is this bad? AWS rejects the definition.

    Example: `"Timestamp": "2016-12-05T21:29:29"`, which lacks the Z

    How to fix: `"Timestamp": "2016-12-05T21:29:29Z"`
    """
    value = state.get("Timestamp")
    is_expression = state.is_jsonata and isinstance(value, str) and "{%" in value
    if not is_expression:
        yield from not_a_timestamp(state.at("Timestamp"), value)


@rule("SFN-W05", on="path", types=("wait!",))
def wait_paths_are_reference_paths(found: Found) -> Findings:
    """Checks that `SecondsPath` and `TimestampPath` are reference paths.

    Why is this bad? The path must identify a single value, so AWS rejects the definition.

    Example: `"SecondsPath": "$.waits[*]"`

    How to fix: `"SecondsPath": "$.seconds"`
    """
    if found.role == "wait" and found.error:
        yield reference_fault(found)


@rule("SFN-W06", on="shape")
def jsonata_waits_have_no_paths(violation: Violation) -> Findings:
    """Checks for SecondsPath and TimestampPath in JSONata states.

    Why is this bad? AWS rejects the definition.

    Example: `"SecondsPath": "$.seconds"` in a JSONata state

    How to fix: `"Seconds": "{% $states.input.seconds %}"`
    """
    field = violation.field.removesuffix("Path")
    yield violation.found(hint=f'write "{field}": "{{% $states.input… %}}"')


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-W01",
            """Checks for Wait states without Seconds or Timestamp (in JSONPath states also SecondsPath or
            TimestampPath).

            Why is this bad? AWS rejects the definition: the state has nothing to wait for.

            Example: `"A": {"Type": "Wait", "Next": "B"}`

            How to fix: `"A": {"Type": "Wait", "Seconds": 5, "Next": "B"}`
            """,
        ),
        Row(
            "SFN-W02",
            """Checks for Wait states with more than one of Seconds, SecondsPath, Timestamp and TimestampPath.

            Why is this bad? AWS rejects the definition.

            Example: `{"Type": "Wait", "Seconds": 1, "Timestamp": "2030-01-31T09:00:00Z", "Next": "B"}`

            How to fix: remove all but one
            """,
            hint="remove one of them",
        ),
        Row(
            "SFN-W07",
            """Not reported: expressions in Seconds and Timestamp of JSONata states.

            Example: `"Seconds": "{% $states.input.seconds %}"`
            """,
            on="accepted",
        ),
    ),
)
