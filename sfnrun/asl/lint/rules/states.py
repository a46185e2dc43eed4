"""Rules about the fields that states share: Type, Next, End and Comment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from sfnrun.asl.lint.outline import State, is_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.shape import Violation
from sfnrun.asl.resource import is_of_another_runner
from sfnrun.errors import Fix

__all__: list[str] = []


@rule("SFN-F01", on="shape")
def type_is_there(violation: Violation) -> Findings:
    """Checks for states without `Type`.

    Why is this bad? `Type` determines which fields are valid, so nothing else in the state is checked.

    Example: `"A": {"End": true}`

    How to fix: `"A": {"Type": "Pass", "End": true}`
    """
    yield violation.found(hint=_type_that_fits(violation.value))


def _type_that_fits(state: Mapping[str, Any]) -> str:
    """What a state with one of these fields can only be."""
    only = {"Resource": "Task", "Branches": "Parallel", "Choices": "Choice", "ItemProcessor": "Map", "Iterator": "Map"}
    return next((f'add "Type": "{type_}"' for field, type_ in only.items() if field in state), "")


@rule("SFN-F03", on="shape")
def fields_are_known(violation: Violation) -> Findings:
    """Checks for unknown fields in states.

    Why is this bad? AWS rejects the definition. In a Task for another runner (`docker://…`) this is a warning: the
    field may belong to that runner.

    Example: `"A": {"Type": "Pass", "Ned": true}`

    How to fix: `"A": {"Type": "Pass", "End": true}`
    """
    found = violation.found()
    resource = violation.value.get("Resource")
    foreign = is_of_another_runner(resource) and "://" in resource and not found.hint
    yield replace(found, severity="warning", fix=None) if foreign else found


@rule("SFN-F04", on="shape")
def state_goes_on_or_ends(violation: Violation) -> Findings:
    """Checks for Task, Pass, Wait, Map and Parallel states without `Next` or `End`.

    Why is this bad? The execution does not know how to continue, so AWS rejects the definition.

    Example: `"A": {"Type": "Pass"}`

    How to fix: `"A": {"Type": "Pass", "End": true}`
    """
    fix = Fix("add", (*violation.pointer, "End"), "End")
    yield violation.found(hint='add "Next": "NAME", or "End": true', fix=fix)


@rule("SFN-F05", on="shape")
def next_and_end_exclude_each_other(violation: Violation) -> Findings:
    """Checks for states with both `Next` and `End`, including `"End": false`.

    Why is this bad? It is ambiguous which one applies, so AWS rejects the definition.

    Example: `"A": {"Type": "Pass", "Next": "B", "End": true}`

    How to fix: `"A": {"Type": "Pass", "Next": "B"}`
    """
    superfluous = violation.value.get("End") is False
    fix = Fix("remove", (*violation.pointer, "End")) if superfluous else None
    yield violation.found(hint='remove "End": false' if superfluous else "remove one of them", fix=fix)


@rule("SFN-F06", on="shape")
def end_false_does_not_end(violation: Violation) -> Findings:
    """Checks for `"End": false` without `Next`.

    Why is this bad? Only `"End": true` ends a state, so this state has no transition.

    Example: `"A": {"Type": "Pass", "End": false}`

    How to fix: `"A": {"Type": "Pass", "End": true}`
    """
    message = "'End' must be true or the state needs 'Next'"
    yield violation.found(message=message, pointer=(*violation.pointer, "End"), key=False, location=violation.pointer)


@rule("SFN-F09", on="shape")
def choice_succeed_fail_have_no_next(violation: Violation) -> Findings:
    """Checks for `Next` or `End` in Choice, Succeed and Fail states.

    Why is this bad? A Choice transitions by its rules and `Default`; Succeed and Fail are terminal.

    Example: `"A": {"Type": "Succeed", "End": true}`

    How to fix: `"A": {"Type": "Succeed"}`
    """
    instead = "a Choice transitions by Default" if violation.part == "Choice" else f"{violation.part} ends by itself"
    yield violation.found(hint=f"remove it: {instead}")


@rule("SFN-F10", on="shape")
def field_fits_its_state(violation: Violation) -> Findings:
    """Checks for fields that the state's type does not support.

    Why is this bad? Retry and Catch belong to Task, Parallel and Map, TimeoutSeconds to Task, Result to Pass. AWS
    rejects the definition.

    Example: `"A": {"Type": "Pass", "Catch": [...], "End": true}`

    How to fix: `"A": {"Type": "Pass", "End": true}`
    """
    yield violation.found(hint=f"remove it: {violation.part} states do not support {violation.field}")


@rule("SFN-F11", on="state", severity="warning", code="")
def templates_are_objects(state: State) -> Findings:
    """Checks that `Parameters`, `ResultSelector` and `ItemSelector` of JSONPath states are objects.

    Why is this bad? AWS passes other literals through unchanged: a string that looks like a path stays a string. Arrays
    are evaluated.

    Example: `"Parameters": "$.order"`

    How to fix: `"InputPath": "$.order"`
    """
    if state.is_jsonata:
        return
    for name in ("Parameters", "ResultSelector", "ItemSelector"):
        value = state.literal(name)
        if isinstance(value, str | bool | int | float) and not is_placeholder(value):
            kind = "a string" if isinstance(value, str) else "a boolean" if isinstance(value, bool) else "a number"
            meant = (
                f'put the path into InputPath, or under a key: {{"x.$": "{value}"}}' if str(value)[:1] == "$" else ""
            )
            yield Finding(state.at(name), f"{name} is {kind}; it is passed on unchanged", meant)


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-F02",
            """Checks for a `Type` other than Task, Wait, Pass, Succeed, Fail, Choice, Parallel or Map.

            Why is this bad? AWS rejects the definition; the value is case-sensitive.

            Example: `"Type": "Lambda"`

            How to fix: `"Type": "Task"`
            """,
        ),
        Row(
            "SFN-F07",
            """Checks for an `End` that is not a boolean.

            Why is this bad? AWS rejects the string "true".

            Example: `"End": "true"`

            How to fix: `"End": true`
            """,
        ),
        Row(
            "SFN-F08",
            """Checks for a `Comment` of a state that is not a string.

            Why is this bad? AWS rejects the definition.

            Example: `"A": {"Type": "Succeed", "Comment": 1}`

            How to fix: `"A": {"Type": "Succeed", "Comment": "1"}`
            """,
        ),
        Row(
            "SFN-F12",
            """Checks for Task states without `Resource`.

            Why is this bad? `Resource` says what to call: a Lambda function, an activity or a service integration.

            Example: `"A": {"Type": "Task", "End": true}`

            How to fix: `"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", …, "End": true}`
            """,
            hint='for a Lambda function: "Resource": "arn:aws:states:::lambda:invoke"',
        ),
    ),
)
