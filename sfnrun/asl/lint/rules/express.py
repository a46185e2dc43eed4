"""Rules about EXPRESS state machines (`--type EXPRESS`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sfnrun.asl.lint.outline import Outline, Pointer, State, is_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.resource import read_resource
from sfnrun.effects import Resource

__all__: list[str] = []

MAX_SECONDS = 300


def _resources(outline: Outline) -> Iterator[tuple[State, Resource]]:
    """Tasks that run as EXPRESS, with what they call; children of a distributed Map have a type of their own."""
    for state in outline.states:
        text = state.get("Resource")
        if state.type == "Task" and isinstance(text, str) and is_express(outline, state):
            resource = read_resource(text)
            if resource:
                yield state, resource


def is_express(outline: Outline, state: State) -> bool:
    """Whether a state runs in an EXPRESS execution: the machine's own, or a child of a distributed Map."""
    for owner in state.scope.ancestors:
        if owner.is_distributed:
            processor = owner.get("ItemProcessor") or owner.get("Iterator")
            return isinstance(processor, dict) and processor["ProcessorConfig"].get("ExecutionType") == "EXPRESS"
    return outline.workflow_type == "EXPRESS"


def _pattern(outline: Outline, pattern: str, message: str, hint: str) -> Findings:
    for state, resource in _resources(outline):
        if resource.kind == "service" and resource.pattern.partition(":")[0] == pattern:
            offset = resource.arn.rindex(f".{resource.pattern}")
            length = len(resource.pattern) + 1
            yield Finding(state.at("Resource"), message, hint, offset=offset, length=length)


@rule("SFN-K01", on="machine")
def express_has_no_sync(outline: Outline) -> Findings:
    """Checks for `.sync` in EXPRESS state machines, and in processors of DISTRIBUTED Maps with ExecutionType EXPRESS.

    Why is this bad? EXPRESS executions cannot wait for a job, so AWS rejects the definition.

    Example: `"Resource": "arn:aws:states:::states:startExecution.sync"`

    How to fix: start the job without `.sync`, or use a STANDARD state machine
    """
    message = "Express state machine does not support '.sync' service integration"
    yield from _pattern(outline, "sync", message, "start the job without .sync, or use a STANDARD state machine")


@rule("SFN-K02", on="machine")
def express_has_no_callback(outline: Outline) -> Findings:
    """Checks for `.waitForTaskToken` in EXPRESS state machines.

    Why is this bad? EXPRESS executions cannot wait for a callback, so AWS rejects the definition.

    Example: `"Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"`

    How to fix: use a STANDARD state machine
    """
    # The blank at the end is AWS's (recorded).
    message = "Express state machine does not support '.waitForTaskToken' service integration "
    yield from _pattern(outline, "waitForTaskToken", message, "use a STANDARD state machine")


@rule("SFN-K03", on="machine")
def express_has_no_activities(outline: Outline) -> Findings:
    """Checks for activities in EXPRESS state machines.

    Why is this bad? EXPRESS executions cannot wait for a worker, so AWS rejects the definition.

    Example: `"Resource": "arn:aws:states:us-east-1:123456789012:activity:approve"`

    How to fix: use a Lambda function, or a STANDARD state machine
    """
    for state, resource in _resources(outline):
        if resource.kind == "activity":
            message = "Express state machine does not support Activity ARN"
            yield Finding(state.at("Resource"), message, "use a Lambda function, or a STANDARD state machine")


@rule("SFN-K04", on="machine")
def express_has_no_distributed_map(outline: Outline) -> Findings:
    """Checks for DISTRIBUTED Maps in EXPRESS state machines. Its child executions can be EXPRESS.

    Why is this bad? AWS rejects the definition.

    Example: `"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}`

    How to fix: use an INLINE Map, or a STANDARD state machine
    """
    for state in outline.states:
        if state.type == "Map" and state.is_distributed and is_express(outline, state):
            field = "ItemProcessor" if "ItemProcessor" in state.value else "Iterator"
            place = state.at(field, "ProcessorConfig", "Mode")
            yield Finding(
                place,
                "Express state machine does not support distributed Map",
                "use INLINE, or a STANDARD state machine",
            )


@rule("SFN-K05", on="machine", severity="warning", code="")
def express_ends_after_five_minutes(outline: Outline) -> Findings:
    """Checks for timeouts and waits of more than 300 seconds in EXPRESS workflows.

    Why is this bad? EXPRESS executions always end after five minutes.

    Example: `"TimeoutSeconds": 900`

    How to fix: `"TimeoutSeconds": 300`
    """
    if outline.workflow_type != "EXPRESS":
        return
    places: list[tuple[Pointer, dict[str, Any], str]] = [((), outline.value, "TimeoutSeconds")]
    places += [(s.pointer, s.value, field) for s in outline.states for field in ("TimeoutSeconds", "Seconds")]
    for pointer, value, field in places:
        seconds = value.get(field)
        if isinstance(seconds, int) and not is_placeholder(seconds) and seconds > MAX_SECONDS:
            yield Finding(
                (*pointer, field), f"Express executions end after {MAX_SECONDS} seconds", f"use at most {MAX_SECONDS}"
            )
