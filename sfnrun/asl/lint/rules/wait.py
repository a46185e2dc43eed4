"""Rules about Wait states."""

from __future__ import annotations

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.outline import State
from sfnrun.asl.lint.rule import Findings, rule
from sfnrun.asl.lint.rules.choice import not_a_timestamp
from sfnrun.asl.lint.rules.paths import reference_fault
from sfnrun.asl.lint.shape import Violation

__all__: list[str] = []


@rule("SFN-W01", on="shape")
def wait_has_a_time(violation: Violation) -> Findings:
    """A Wait has Seconds or Timestamp, or in JSONPath states SecondsPath or TimestampPath.

    Example: `"A": {"Type": "Wait", "Next": "B"}`
    """
    yield violation.found()


@rule("SFN-W02", on="shape")
def wait_has_one_time(violation: Violation) -> Findings:
    """A Wait has only one of Seconds, SecondsPath, Timestamp and TimestampPath.

    Example: `{"Type": "Wait", "Seconds": 1, "Timestamp": "2030-01-31T09:00:00Z", "Next": "B"}`
    """
    yield violation.found(hint="remove one of them")


@rule("SFN-W03", on="shape")
def seconds_in_range(violation: Violation) -> Findings:
    """`Seconds` is an integer from 0 to 99999999.

    A fraction is refused, and so is a number in quotes.

    Example: `"Seconds": -1`
    """
    path = isinstance(violation.value, str) and violation.value[:1] == "$"
    yield violation.found(hint="a path belongs in SecondsPath" if path else "")


@rule("SFN-W04", on="state", types=("Wait",))
def timestamp_is_a_time(state: State) -> Findings:
    """`Timestamp` is an RFC 3339 time with upper-case T and Z, or an offset; in JSONata states an expression too.

    Example: `"Timestamp": "2016-12-05T21:29:29"`, which lacks the Z
    """
    value = state.get("Timestamp")
    is_expression = state.is_jsonata and isinstance(value, str) and "{%" in value
    if not is_expression:
        yield from not_a_timestamp(state.at("Timestamp"), value)


@rule("SFN-W05", on="path", types=("wait!",))
def wait_paths_are_reference_paths(found: Found) -> Findings:
    """`SecondsPath` and `TimestampPath` are reference paths: they name one value.

    Example: `"SecondsPath": "$.waits[*]"`
    """
    if found.role == "wait" and found.error:
        yield reference_fault(found)


@rule("SFN-W06", on="shape")
def jsonata_waits_have_no_paths(violation: Violation) -> Findings:
    """JSONata states have no SecondsPath and no TimestampPath; Seconds and Timestamp take expressions.

    Example: `"SecondsPath": "$.seconds"` in a JSONata state
    """
    field = violation.field.removesuffix("Path")
    yield violation.found(hint=f'write "{field}": "{{% $states.input… %}}"')


@rule("SFN-W07", on="accepted")
def wait_may_compute(_: object) -> Findings:
    """In JSONata states Seconds and Timestamp may be expressions.

    Example: `"Seconds": "{% $states.input.seconds %}"`
    """
    yield from ()
