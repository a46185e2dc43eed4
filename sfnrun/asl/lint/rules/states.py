"""Rules about the fields that states share: Type, Next, End, Comment, and that a field fits its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from sfnrun.asl.lint.outline import State, is_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.lint.shape import Violation
from sfnrun.asl.resource import is_of_another_runner
from sfnrun.errors import Fix

__all__: list[str] = []


@rule("SFN-F01", on="shape")
def type_is_there(violation: Violation) -> Findings:
    """Every state has `Type`.

    It says what the state does; without it nothing else in the state can be judged, and nothing else is.

    Example: `"A": {"End": true}`
    """
    yield violation.found(hint=_type_that_fits(violation.value))


def _type_that_fits(state: Mapping[str, Any]) -> str:
    """What a state with one of these fields can only be."""
    only = {"Resource": "Task", "Branches": "Parallel", "Choices": "Choice", "ItemProcessor": "Map", "Iterator": "Map"}
    return next((f'add "Type": "{type_}"' for field, type_ in only.items() if field in state), "")


@rule("SFN-F02", on="shape")
def type_is_known(violation: Violation) -> Findings:
    """`Type` is Task, Wait, Pass, Succeed, Fail, Choice, Parallel or Map.

    Upper and lower case count.

    Example: `"Type": "Lambda"`
    """
    yield violation.found()


@rule("SFN-F03", on="shape")
def fields_are_known(violation: Violation) -> Findings:
    """A state has no field that no state knows.

    AWS refuses the definition, and a misspelt field would do nothing. In a Task of another runner (`docker://…`) it is
    a warning: the field may be that runner's own.

    Example: `"A": {"Type": "Pass", "Ned": true}`
    """
    found = violation.found()
    resource = violation.value.get("Resource")
    foreign = is_of_another_runner(resource) and "://" in resource and not found.hint
    yield replace(found, severity="warning", fix=None) if foreign else found


@rule("SFN-F04", on="shape")
def state_goes_on_or_ends(violation: Violation) -> Findings:
    """Task, Pass, Wait, Map and Parallel have `Next` or `End`.

    A state that neither goes on nor ends would leave the execution nowhere.

    Example: `"A": {"Type": "Pass"}`
    """
    fix = Fix("add", (*violation.pointer, "End"), "End")
    yield violation.found(hint='add "Next": "name of a state", or "End": true', fix=fix)


@rule("SFN-F05", on="shape")
def next_and_end_exclude_each_other(violation: Violation) -> Findings:
    """A state has `Next` or `End`, not both, not even `"End": false`.

    Which of the two would count is anybody's guess, so AWS refuses it.

    Example: `"A": {"Type": "Pass", "Next": "B", "End": true}`
    """
    superfluous = violation.value.get("End") is False
    fix = Fix("remove", (*violation.pointer, "End")) if superfluous else None
    yield violation.found(hint='remove "End": false' if superfluous else "remove one of them", fix=fix)


@rule("SFN-F06", on="shape")
def end_false_does_not_end(violation: Violation) -> Findings:
    """`"End": false` without `Next` does not end a state.

    Only true ends it, so the state has nowhere to go.

    Example: `"A": {"Type": "Pass", "End": false}`
    """
    message = "'End' must be true or the state needs 'Next'"
    yield violation.found(message=message, pointer=(*violation.pointer, "End"), key=False, location=violation.pointer)


@rule("SFN-F07", on="shape")
def end_is_a_boolean(violation: Violation) -> Findings:
    """`End` is a boolean.

    The text "true" is refused.

    Example: `"End": "true"`
    """
    yield violation.found()


@rule("SFN-F08", on="shape")
def comment_of_a_state_is_a_string(violation: Violation) -> Findings:
    """The `Comment` of a state is a string.

    AWS refuses anything else.

    Example: `"A": {"Type": "Succeed", "Comment": 1}`
    """
    yield violation.found()


@rule("SFN-F09", on="shape")
def choice_succeed_fail_have_no_next(violation: Violation) -> Findings:
    """Choice, Succeed and Fail have neither `Next` nor `End`.

    A Choice goes where a rule or Default says; Succeed and Fail end by themselves.

    Example: `"A": {"Type": "Succeed", "End": true}`
    """
    instead = "a Choice goes on with Default" if violation.part == "Choice" else f"{violation.part} ends by itself"
    yield violation.found(hint=f"remove it: {instead}")


@rule("SFN-F10", on="shape")
def field_fits_its_state(violation: Violation) -> Findings:
    """A field stands only in states of a type that has it.

    Retry and Catch belong to Task, Parallel and Map, TimeoutSeconds to Task, Result to Pass. AWS refuses the
    definition.

    Example: `"A": {"Type": "Pass", "Catch": [...], "End": true}`
    """
    yield violation.found(hint=f"{violation.part} has no {violation.field}")


@rule("SFN-F11", on="state", severity="warning", code="")
def templates_are_objects(state: State) -> Findings:
    """Parameters, ResultSelector and ItemSelector of a JSONPath state are objects.

    AWS passes any other literal on as it is (arrays, with the templates in them evaluated), which is rarely meant: a
    string that looks like a path stays a string.

    Example: `"Parameters": "$.order"`
    """
    if state.is_jsonata:
        return
    for name in ("Parameters", "ResultSelector", "ItemSelector"):
        value = state.literal(name)
        if isinstance(value, str | bool | int | float) and not is_placeholder(value):
            kind = "a string" if isinstance(value, str) else "a boolean" if isinstance(value, bool) else "a number"
            meant = (
                f'a path belongs in InputPath, or under a key: {{"x.$": "{value}"}}' if str(value)[:1] == "$" else ""
            )
            yield Finding(state.at(name), f"{name} is {kind}; it will be passed as is", meant)


@rule("SFN-F12", on="shape")
def task_has_a_resource(violation: Violation) -> Findings:
    """A Task has `Resource`.

    It says what to call: a Lambda function, an activity or a service integration.

    Example: `"A": {"Type": "Task", "End": true}`
    """
    yield violation.found(hint='for a Lambda function: "Resource": "arn:aws:states:::lambda:invoke"')
