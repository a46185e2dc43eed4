"""Rules about Task states: parameters, timeouts, tokens and credentials. For ARNs see Task resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sfnrun.asl.integrations import NEEDS, SDK_NEEDS
from sfnrun.asl.lint.expressions import Found
from sfnrun.asl.lint.outline import Outline, State, has_placeholder, is_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.rules.paths import reference_fault
from sfnrun.asl.lint.rules.task_resource import resource_of, under
from sfnrun.asl.lint.shape import Violation
from sfnrun.asl.resource import is_of_another_runner
from sfnrun.effects import Resource
from sfnrun.payload import Json, dumps

__all__ = ["waits_for_token"]


def _arguments(state: State) -> Json:
    return state.get("Arguments" if state.is_jsonata else "Parameters")


@rule("SFN-T07", on="state", types=("Task",), severity="warning", code="")
def task_token_is_passed_on(state: State) -> Findings:
    """Checks for `.waitForTaskToken` Tasks that do not pass on their task token (`$$.Task.Token`, in JSONata
    `$states.context.Task.Token`).

    Why is this bad? Nothing can complete the Task, so it waits until its timeout (one year by default).

    Example: `sqs:sendMessage.waitForTaskToken` with `"Parameters": {"QueueUrl": "…", "MessageBody": "hello"}`

    How to fix: `"MessageBody": {"token.$": "$$.Task.Token"}`
    """
    resource = resource_of(state)
    if resource is None or resource.pattern != "waitForTaskToken":
        return
    text = dumps(_arguments(state))
    passed = "Task.Token" in text or '"$$.Task"' in text or '"$$"' in text or has_placeholder(text)
    if not (passed or _passes_on_what_it_cannot_see(state, text)):
        token = "{% $states.context.Task.Token %}" if state.is_jsonata else "$$.Task.Token"
        message = "Task token is not passed on: nothing can complete this Task"
        yield under(state, resource, ".waitForTaskToken", message, f"add {token} to the parameters")


def _passes_on_what_it_cannot_see(state: State, arguments: str) -> bool:
    """Whether the token may come in otherwise: a variable that was given it, or an InputPath of the context object."""
    context = str(state.get("InputPath") or "").startswith("$$")
    whole = "$states.context %}" in arguments or "$states.context)" in arguments
    return context or whole or "$states.context.Task" in arguments


@rule("SFN-T08", on="shape")
def timeout_in_range(violation: Violation) -> Findings:
    """Checks that `TimeoutSeconds` of a Task is an integer from 1 to 99999999.

    Why is this bad? AWS rejects the definition.

    Example: `"TimeoutSeconds": 0`

    How to fix: `"TimeoutSeconds": 60`
    """
    yield violation.found(hint=_path_hint(violation))


@rule("SFN-T09", on="shape")
def heartbeat_in_range(violation: Violation) -> Findings:
    """Checks that `HeartbeatSeconds` of a Task is an integer from 1 to 99999999.

    Why is this bad? AWS rejects the definition.

    Example: `"HeartbeatSeconds": 0`

    How to fix: `"HeartbeatSeconds": 10`
    """
    yield violation.found(hint=_path_hint(violation))


def _path_hint(violation: Violation) -> str:
    path = isinstance(violation.value, str) and violation.value[:1] == "$"
    return f"put the path into {violation.field}Path" if path else ""


@rule("SFN-T10", on="state", types=("Task",))
def heartbeat_is_below_timeout(state: State) -> Findings:
    """Checks that `HeartbeatSeconds` is less than `TimeoutSeconds`.

    Why is this bad? Otherwise the Task always times out before its heartbeat is due; AWS rejects the definition.

    Example: `"TimeoutSeconds": 10, "HeartbeatSeconds": 60`

    How to fix: `"TimeoutSeconds": 60, "HeartbeatSeconds": 10`
    """
    timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
    if type(timeout) is int and type(heartbeat) is int and heartbeat >= timeout:
        message = "HeartbeatSeconds must be smaller than TimeoutSeconds"
        yield Finding(state.at("HeartbeatSeconds"), message, f"use less than TimeoutSeconds, {timeout}")


@rule("SFN-T12", on="state", types=("Task",))
def credentials_name_a_role(state: State) -> Findings:
    """Checks that `Credentials` is an object with `RoleArn` (in JSONPath states also `RoleArn.$`).

    Why is this bad? AWS rejects the definition.

    Example: `"Credentials": {}`

    How to fix: `"Credentials": {"RoleArn": "arn:aws:iam::123456789012:role/name"}`
    """
    credentials = state.literal("Credentials")
    if not isinstance(credentials, dict) or is_of_another_runner(state.get("Resource")):
        return
    names = ("RoleArn",) if state.is_jsonata else ("RoleArn", "RoleArn.$")
    if not any(name in credentials for name in names):
        yield Finding(state.at("Credentials"), "The field 'RoleArn' is required but was missing", key=True)
    for name, value in credentials.items():
        if name not in names:
            place = state.at("Credentials", name)
            if any(known in credentials for known in names):
                yield Finding(place, f"Field '{name}' is not supported", key=True, location=state.at("Credentials"))
        elif not isinstance(value, str) and not is_placeholder(value):
            yield Finding(state.at("Credentials", name), "Expected value of type String")


@rule("SFN-T13", on="state", types=("Task",), severity="warning", code="")
def required_parameters_are_there(state: State) -> Findings:
    """Checks for missing required parameters and for parameter names that begin with a lower-case letter.

    Why is this bad? AWS rejects the definition or the API call.

    Example: `lambda:invoke` without `FunctionName`

    How to fix: `"Parameters": {"FunctionName": "charge"}`
    """
    resource = resource_of(state)
    given = _arguments(state)
    if resource is None or resource.kind != "service" or not isinstance(given, dict):
        if resource is None or _needs(resource) == () or given is not None:
            return
        given = {}
    missing = [one for one in _needs(resource) if not _has(given, one)]
    field = "Arguments" if state.is_jsonata else "Parameters"
    for one in missing:
        names = (one,) if isinstance(one, str) else one
        near = next((key for key in given if _bare(key).lower() == names[0].lower()), None)
        what = f"{resource.service}:{resource.action} needs {' or '.join(repr(name) for name in names)}"
        hint = f"rename '{near}' to '{names[0]}'" if near else f"add it to {field}"
        place = state.at(field, near) if near else state.at(field) if field in state.value else state.pointer
        yield Finding(place, what, hint, key=True)


def _needs(resource: Resource) -> tuple[str | tuple[str, ...], ...]:
    service, action = resource.service, resource.action
    if service.startswith("aws-sdk:"):
        return SDK_NEEDS.get(f"{service.removeprefix('aws-sdk:')}:{action}", ())
    return NEEDS.get(f"{service}:{action}", ())


def _bare(key: str) -> str:
    return key.removesuffix(".$")


def _has(given: Mapping[str, Any], one: str | tuple[str, ...]) -> bool:
    names = (one,) if isinstance(one, str) else one
    return any(name in given or f"{name}.$" in given for name in names)


@rule("SFN-T16", on="machine", severity="info", code="")
def placeholders_are_resolved(outline: Outline) -> Findings:
    """Notes unresolved `${Name}` placeholders.

    Why is this bad? CloudFormation, SAM, CDK, Serverless or Terraform replaces them at deployment; until then the value
    is not checked.

    Example: `"Resource": "${ChargeCardFunctionArn}"`

    How to fix: pass `--set ChargeCardFunctionArn=VALUE`, or leave it to the deployment
    """
    for placeholder in outline.source.unresolved if outline.source else ():
        if outline.source and placeholder.name in outline.source.expected:
            continue  # the template around it gives it a value
        field = next((step for step in reversed(placeholder.pointer) if isinstance(step, str)), "Definition")
        yield Finding(
            placeholder.pointer,
            f"{field} contains unresolved placeholder {placeholder.text}",
            key=placeholder.is_key,
            offset=None if placeholder.is_key else placeholder.offset,
            length=len(placeholder.text),
        )


@rule("SFN-T17", on="path", types=("timeout!",))
def timeout_paths_are_reference_paths(found: Found) -> Findings:
    """Checks that `TimeoutSecondsPath` and `HeartbeatSecondsPath` are reference paths.

    Why is this bad? The path must identify a single value, so AWS rejects the definition.

    Example: `"TimeoutSecondsPath": "timeout"`

    How to fix: `"TimeoutSecondsPath": "$.timeout"`
    """
    if found.role == "timeout" and found.error:
        yield reference_fault(found)


@rule("SFN-T18", on="shape")
def jsonata_tasks_have_no_timeout_paths(violation: Violation) -> Findings:
    """Checks for TimeoutSecondsPath and HeartbeatSecondsPath in JSONata states.

    Why is this bad? AWS rejects the definition.

    Example: `"TimeoutSecondsPath": "$.timeout"` in a JSONata state

    How to fix: `"TimeoutSeconds": "{% $states.input.timeout %}"`
    """
    field = violation.field.removesuffix("Path")
    yield violation.found(hint=f'write "{field}": "{{% $states.input… %}}"')


@rule("SFN-T19", on="state", types=("Task",), severity="info", code="", default=False)
def task_has_a_timeout(state: State) -> Findings:
    """Checks for Tasks without `TimeoutSeconds`. Off by default; enable with `--select T19`.

    Why is this bad? Activities and callbacks can wait for up to a year; Lambda functions end after 15 minutes.

    Example: `"A": {"Type": "Task", "Resource": "…:activity:approve", "End": true}`

    How to fix: add `"TimeoutSeconds": 3600`
    """
    if "TimeoutSeconds" not in state.value and "TimeoutSecondsPath" not in state.value:
        yield Finding(state.pointer, "No TimeoutSeconds: the Task can wait for a year", key=True)


def waits_for_token(state: State) -> bool:
    """Whether a Task gets a token: it waits for one, or is an activity, or is nobody knows what."""
    text = state.get("Resource")
    resource = resource_of(state)
    return (
        resource is None
        or resource.pattern == "waitForTaskToken"
        or resource.kind == "activity"
        or has_placeholder(text)
    )


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-T11",
            """Checks for Tasks with both TimeoutSeconds and TimeoutSecondsPath, or HeartbeatSeconds and
            HeartbeatSecondsPath.

            Why is this bad? AWS rejects the definition.

            Example: `"TimeoutSeconds": 10, "TimeoutSecondsPath": "$.timeout"`

            How to fix: remove one of them
            """,
            hint="remove one of them",
        ),
    ),
)
