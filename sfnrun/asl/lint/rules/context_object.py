"""Rules about the context object, `$$` in JSONPath states."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.rules.task import waits_for_token
from sfnrun.asl.lint.shape import close_to
from sfnrun.expr.intrinsics import Argument, Call, Intrinsic
from sfnrun.expr.jsonpath import Path

__all__ = ["MEMBERS", "is_inside_map", "paths_of"]

MEMBERS = ("Execution", "Map", "State", "StateMachine", "Task")
# What stands in each of them; what is under Input and Value is the user's.
_INNER: dict[tuple[str | int, ...], tuple[str, ...]] = {
    (): MEMBERS,
    ("Execution",): ("Id", "Input", "Name", "RedriveCount", "RedriveTime", "RoleArn", "StartTime"),
    ("Map",): ("Item",),
    ("Map", "Item"): ("Index", "Key", "Source", "Value"),
    ("State",): ("EnteredTime", "Name", "RetryCount"),
    ("StateMachine",): ("Id", "Name"),
    ("Task",): ("Token",),
}


def paths_of(found: Found) -> Iterator[Path]:
    """The paths of an expression: itself, or the arguments of its function at any depth."""
    waiting: list[Argument] = []
    if isinstance(found.compiled, Path):
        waiting = [found.compiled]
    elif isinstance(found.compiled, Intrinsic):
        waiting = [found.compiled.call]
    while waiting:
        argument = waiting.pop(0)
        if isinstance(argument, Call):
            waiting += argument.arguments
        elif isinstance(argument, Path):
            yield argument


def _members(found: Found) -> Iterator[tuple[Path, tuple[str | int, ...]]]:
    """The paths that begin at the context object, with their keys."""
    for path in paths_of(found):
        if path.root == "$$" and path.keys:
            yield path, path.keys


def _at(found: Found, path: Path, message: str, hint: str = "") -> Finding:
    offset = max(0, found.text.find(path.text))
    return Finding(found.pointer, message, hint, offset=offset, length=len(path.text))


@rule("SFN-X01", on="context", severity="warning", code="")
def context_member_exists(found: Found) -> Findings:
    """Checks for unknown fields of the context object. It has Execution, State, StateMachine, Task and Map.

    Why is this bad? The path fails when the state runs.

    Example: `"id.$": "$$.Exeuction.Id"`

    How to fix: `"id.$": "$$.Execution.Id"`
    """
    for path, keys in _members(found):
        for depth, name in enumerate(keys):
            known = _INNER.get(keys[:depth])
            if known and name not in known:
                way = "".join(f".{step}" for step in keys[:depth])
                close = close_to(str(name), known)
                hint = f"did you mean '$${way}.{close}'?" if close else f"valid: {', '.join(known)}"
                yield _at(found, path, f"'$${way}.{name}' does not exist", hint)
                break


def is_inside_map(found: Found) -> bool:
    """Whether `Map` of the context object is set: in a Map's selector, and in all states of its processor."""
    selector = found.state.type == "Map" and found.pointer[len(found.state.pointer)] in ("ItemSelector", "Parameters")
    return selector or any(owner.type == "Map" for owner in found.state.scope.ancestors)


@rule("SFN-X02", on="context", severity="warning", code="")
def map_context_is_set(found: Found) -> Findings:
    """Checks for `$$.Map` outside a Map's `ItemSelector` (or `Parameters`) and processor.

    Why is this bad? The current item is defined only there.

    Example: `"index.$": "$$.Map.Item.Index"` in a state outside of any Map

    How to fix: pass the value from the ItemSelector of the Map
    """
    for path, keys in _members(found):
        if keys[0] == "Map" and not is_inside_map(found):
            yield _at(found, path, "$$.Map is only set while a Map runs")


@rule("SFN-X03", on="context", severity="warning", code="")
def token_is_set(found: Found) -> Findings:
    """Checks for `$$.Task.Token` in states other than activities and Tasks with `.waitForTaskToken`.

    Why is this bad? Other states have no task token.

    Example: `"Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"token.$": "$$.Task.Token"}`

    How to fix: `"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"`
    """
    for path, keys in _members(found):
        if keys[0] == "Task" and not (found.state.type == "Task" and waits_for_token(found.state)):
            yield _at(
                found, path, "$$.Task.Token is only set with .waitForTaskToken", "add .waitForTaskToken to the Resource"
            )


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-X04",
            """Not reported: `$$` itself, and anything below `$$.Execution.Input`.

            Example: `"context.$": "$$"`
            """,
            on="accepted",
        ),
    ),
)
