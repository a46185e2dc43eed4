"""Rules about Task states: the resource, what it needs, timeouts and credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sfnrun.asl.integrations import INTEGRATIONS, NEEDS, SDK_NEEDS
from sfnrun.asl.model import Resource
from sfnrun.asl.outline import Outline, State, has_placeholder, is_placeholder
from sfnrun.asl.resource import is_of_another_runner, read_resource
from sfnrun.asl.rule import Finding, Findings, rule
from sfnrun.asl.rules.expressions import Found
from sfnrun.asl.rules.paths import reference_fault
from sfnrun.asl.shape import Violation, close_to
from sfnrun.payload import Json, dumps

__all__: list[str] = []


def _unrecognized(arn: str) -> str:
    """AWS's words (recorded)."""
    return (
        f"The resource provided {arn} is not recognized. "
        "The value is not a valid resource ARN, or the resource is not available in this region."
    )


def _resource(state: State) -> Resource | None:
    """The Resource taken apart, if it is final and an ARN that is known in kind."""
    text = state.get("Resource")
    return read_resource(text) if isinstance(text, str) and not is_placeholder(text) else None


def _integration(state: State) -> Resource | None:
    """The optimized integration that a Task calls; None for all else, and for names that are not final yet."""
    resource = _resource(state)
    if resource is None or resource.kind != "service" or resource.service.startswith("aws-sdk:"):
        return None
    return None if has_placeholder(resource.service) or has_placeholder(resource.action) else resource


def _part(state: State, resource: Resource, part: str, message: str, hint: str) -> Finding:
    """A Finding under a part of the ARN, the last one of that text."""
    offset = max(0, resource.arn.rfind(part))
    return Finding(state.at("Resource"), message, hint, offset=offset, length=max(1, len(part)))


@rule("SFN-T01", on="state", types=("Task",))
def resource_is_an_arn(state: State) -> Findings:
    """`Resource` is the ARN of a Lambda function, an activity or a service integration.

    The specification asks for a URI only: one of another runner (`docker://…`) is a warning, AWS would refuse it.

    Example: `"Resource": "my-function"`
    """
    text = state.get("Resource")
    if not isinstance(text, str) or text == "" or is_placeholder(text) or read_resource(text):
        return
    if is_of_another_runner(text):
        hint = "AWS would refuse it: it takes ARNs only"
        yield Finding(state.at("Resource"), f"{text} is no resource of AWS", hint, severity="warning")
    elif not (has_placeholder(text) and not text.startswith("arn:")):
        yield Finding(state.at("Resource"), _unrecognized(text), _arn_for(text))


def _arn_for(text: str) -> str:
    if re.fullmatch(r"[\w-]+:[\w:]+(\.[\w:]+)?", text) and text.partition(":")[0] in INTEGRATIONS:
        return f"did you mean arn:aws:states:::{text}?"
    if re.fullmatch(r"[\w-]{1,140}", text):
        return f"for a Lambda function: arn:aws:lambda:REGION:ACCOUNT:function:{text}"
    return "it looks like arn:aws:states:::lambda:invoke, or arn:aws:lambda:REGION:ACCOUNT:function:NAME"


@rule("SFN-T02", on="state", types=("Task",))
def integrated_service_is_known(state: State) -> Findings:
    """`arn:PARTITION:states:::SERVICE:ACTION` names a service with an optimized integration.

    All other services are called as `aws-sdk:SERVICE:ACTION`.

    Example: `"Resource": "arn:aws:states:::lamda:invoke"`
    """
    resource = _integration(state)
    if resource and resource.service not in INTEGRATIONS:
        close = close_to(resource.service, INTEGRATIONS)
        sdk = f"use aws-sdk:{resource.service}:{resource.action}, if there is such a service"
        hint = f"did you mean {close}?" if close else sdk
        yield _part(state, resource, f"{resource.service}:{resource.action}", _unrecognized(resource.arn), hint)


@rule("SFN-T03", on="state", types=("Task",))
def integrated_action_is_known(state: State) -> Findings:
    """The action is one that the integration of the service has.

    Every other action of the API is reached with `aws-sdk:`.

    Example: `"Resource": "arn:aws:states:::dynamodb:query"`
    """
    resource = _integration(state)
    known = INTEGRATIONS.get(resource.service) if resource else None
    if resource and known and resource.action not in known.actions:
        close = close_to(resource.action, known.actions)
        service = _SDK_NAMES.get(resource.service, resource.service)
        hint = f"did you mean {close}?" if close else f"use aws-sdk:{service}:{resource.action}"
        yield _part(state, resource, resource.action, _unrecognized(resource.arn), hint)


# Services whose SDK has another name than their optimized integration.
_SDK_NAMES = {"states": "sfn", "events": "eventbridge", "elasticmapreduce": "emr", "emr-containers": "emrcontainers"}


def _wrong_pattern(state: State) -> tuple[Resource, tuple[str, ...]] | None:
    """The resource whose action has no such pattern, with the patterns that it has."""
    resource = _integration(state)
    known = INTEGRATIONS.get(resource.service) if resource else None
    if not resource or not known or resource.action not in known.actions or not resource.pattern:
        return None
    patterns = known.patterns(resource.action)
    return None if resource.pattern in patterns or has_placeholder(resource.pattern) else (resource, patterns)


def _pattern_finding(state: State, resource: Resource, patterns: tuple[str, ...]) -> Finding:
    name = f"{resource.service}:{resource.action}"
    has = " and ".join(f".{pattern}" for pattern in patterns)
    hint = f"{name} does not support .{resource.pattern}" + (f"; it has {has}" if has else "")
    return _part(state, resource, f".{resource.pattern}", _unrecognized(resource.arn), hint)


@rule("SFN-T04", on="state", types=("Task",))
def sync_exists(state: State) -> Findings:
    """`.sync` is used only with actions that start a job to wait for.

    Example: `"Resource": "arn:aws:states:::sqs:sendMessage.sync"`
    """
    wrong = _wrong_pattern(state)
    if wrong and wrong[0].pattern == "sync":
        yield _pattern_finding(state, *wrong)


@rule("SFN-T05", on="state", types=("Task",))
def other_patterns_exist(state: State) -> Findings:
    """`.sync:2` belongs to states:startExecution, `.waitForTaskToken` to actions that can pass a token on.

    Any other suffix is no pattern at all.

    Example: `"Resource": "arn:aws:states:::lambda:invoke.sync:2"`
    """
    wrong = _wrong_pattern(state)
    if wrong and wrong[0].pattern != "sync":
        yield _pattern_finding(state, *wrong)


_SDK_SERVICE = re.compile(r"[a-z][a-z0-9]*")
_SDK_ACTION = re.compile(r"[a-z][A-Za-z0-9]*")


@rule("SFN-T06", on="state", types=("Task",))
def sdk_call_is_spelt_right(state: State) -> Findings:
    """In `aws-sdk:SERVICE:ACTION` the service has no capitals and no hyphens, the action begins with a small letter.

    The only pattern of SDK calls is `.waitForTaskToken`.

    Example: `"Resource": "arn:aws:states:::aws-sdk:s3:GetObject"`
    """
    resource = _resource(state)
    if (
        resource is None
        or not resource.service.startswith("aws-sdk:")
        or has_placeholder(resource.arn.split(":", 5)[-1])
    ):
        return
    service, action = resource.service.removeprefix("aws-sdk:"), resource.action
    message = _unrecognized(resource.arn)
    if not _SDK_SERVICE.fullmatch(service):
        right = re.sub(r"[^a-z0-9]", "", service.lower())
        yield _part(state, resource, f"{service}:{action}", message, f"'{service}' should be '{right}'")
    elif not _SDK_ACTION.fullmatch(action):
        right = action[:1].lower() + re.sub(r"[^A-Za-z0-9]", "", action[1:])
        yield _part(
            state,
            resource,
            action or ":",
            message,
            f"'{action}' should be '{right}'" if right else "an action is missing",
        )
    elif resource.pattern not in ("", "waitForTaskToken"):
        hint = f"SDK calls do not support .{resource.pattern}, only .waitForTaskToken"
        yield _part(state, resource, f".{resource.pattern}", message, hint)


def _arguments(state: State) -> Json:
    return state.get("Arguments" if state.is_jsonata else "Parameters")


@rule("SFN-T07", on="state", types=("Task",), severity="warning", code="")
def task_token_is_passed_on(state: State) -> Findings:
    """A task that waits for its token passes the token on.

    `$$.Task.Token` (JSONata: `$states.context.Task.Token`) has to stand in its parameters; otherwise nothing can
    complete the task, and it waits for its timeout, which is a year by default.

    Example: `sqs:sendMessage.waitForTaskToken` with `"Parameters": {"QueueUrl": "…", "MessageBody": "hello"}`
    """
    resource = _resource(state)
    if resource is None or resource.pattern != "waitForTaskToken":
        return
    text = dumps(_arguments(state))
    passed = "Task.Token" in text or '"$$.Task"' in text or '"$$"' in text or has_placeholder(text)
    if not (passed or _passes_on_what_it_cannot_see(state, text)):
        token = "{% $states.context.Task.Token %}" if state.is_jsonata else "$$.Task.Token"
        message = "The task token is not passed on: nothing can complete this task"
        yield _part(state, resource, ".waitForTaskToken", message, f"put {token} into the parameters")


def _passes_on_what_it_cannot_see(state: State, arguments: str) -> bool:
    """Whether the token may come in otherwise: a variable that was given it, or an InputPath of the context object."""
    context = str(state.get("InputPath") or "").startswith("$$")
    whole = "$states.context %}" in arguments or "$states.context)" in arguments
    return context or whole or "$states.context.Task" in arguments


@rule("SFN-T08", on="shape")
def timeout_in_range(violation: Violation) -> Findings:
    """`TimeoutSeconds` of a Task is an integer from 1 to 99999999.

    Example: `"TimeoutSeconds": 0`
    """
    yield violation.found(hint=_path_hint(violation))


@rule("SFN-T09", on="shape")
def heartbeat_in_range(violation: Violation) -> Findings:
    """`HeartbeatSeconds` of a Task is an integer from 1 to 99999999.

    Example: `"HeartbeatSeconds": 0`
    """
    yield violation.found(hint=_path_hint(violation))


def _path_hint(violation: Violation) -> str:
    path = isinstance(violation.value, str) and violation.value[:1] == "$"
    return f"a path belongs in {violation.field}Path" if path else ""


@rule("SFN-T10", on="state", types=("Task",))
def heartbeat_is_below_timeout(state: State) -> Findings:
    """`HeartbeatSeconds` is smaller than `TimeoutSeconds`.

    Otherwise the timeout always comes first.

    Example: `"TimeoutSeconds": 10, "HeartbeatSeconds": 60`
    """
    timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
    if type(timeout) is int and type(heartbeat) is int and heartbeat >= timeout:
        message = "HeartbeatSeconds must be smaller than TimeoutSeconds"
        yield Finding(state.at("HeartbeatSeconds"), message, f"TimeoutSeconds is {timeout}")


@rule("SFN-T11", on="shape")
def timeout_or_its_path(violation: Violation) -> Findings:
    """A Task has TimeoutSeconds or TimeoutSecondsPath, HeartbeatSeconds or HeartbeatSecondsPath, not both.

    Example: `"TimeoutSeconds": 10, "TimeoutSecondsPath": "$.timeout"`
    """
    yield violation.found(hint="remove one of them")


@rule("SFN-T12", on="state", types=("Task",))
def credentials_name_a_role(state: State) -> Findings:
    """`Credentials` is an object with `RoleArn`, or `RoleArn.$` in JSONPath states.

    Example: `"Credentials": {}`
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
    """The parameters that an integration cannot do without are there, and keys begin with a capital.

    AWS knows them from the API's model and refuses the call, or the definition.

    Example: `lambda:invoke` without `FunctionName`
    """
    resource = _resource(state)
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
        hint = f"did you mean '{names[0]}' by '{near}'?" if near else f"add it to {field}"
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


@rule("SFN-T14", on="accepted")
def partitions(_: object) -> Findings:
    """All partitions are fine: aws, aws-cn, aws-us-gov, aws-iso.

    Example: `"Resource": "arn:aws-cn:states:::lambda:invoke"`
    """
    yield from ()


@rule("SFN-T15", on="accepted")
def activity_and_function_arns(_: object) -> Findings:
    """ARNs of activities and of Lambda functions, with version or alias, are fine.

    Example: `"Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge:live"`
    """
    yield from ()


@rule("SFN-T16", on="machine", severity="info", code="")
def placeholders_are_resolved(outline: Outline) -> Findings:
    """`${Name}` stands for any value; nothing is wrong with it.

    SAM, CloudFormation, CDK, Serverless and Terraform put the value in. What the value would have to be is not checked
    until it is known.

    Example: `"Resource": "${ChargeCardFunctionArn}"`
    """
    for placeholder in outline.source.unresolved if outline.source else ():
        field = next((step for step in reversed(placeholder.pointer) if isinstance(step, str)), "The definition")
        yield Finding(
            placeholder.pointer,
            f"{field} holds unresolved substitution {placeholder.text}",
            key=placeholder.is_key,
            offset=None if placeholder.is_key else placeholder.offset,
            length=len(placeholder.text),
        )


@rule("SFN-T17", on="path")
def timeout_paths_are_reference_paths(found: Found) -> Findings:
    """`TimeoutSecondsPath` and `HeartbeatSecondsPath` are reference paths: they name one value.

    Example: `"TimeoutSecondsPath": "timeout"`
    """
    if found.role == "timeout" and found.error:
        yield reference_fault(found)


@rule("SFN-T18", on="shape")
def jsonata_tasks_have_no_timeout_paths(violation: Violation) -> Findings:
    """JSONata states have no TimeoutSecondsPath and no HeartbeatSecondsPath; the fields without Path take expressions.

    Example: `"TimeoutSecondsPath": "$.timeout"` in a JSONata state
    """
    field = violation.field.removesuffix("Path")
    yield violation.found(hint=f'write "{field}": "{{% $states.input… %}}"')


@rule("SFN-T19", on="state", types=("Task",), severity="info", code="", default=False)
def task_has_a_timeout(state: State) -> Findings:
    """A Task without TimeoutSeconds waits up to the limit of the execution, a year.

    Off unless selected (`--select T19`). Lambda functions end by themselves after 15 minutes; activities and callbacks
    do not.

    Example: `"A": {"Type": "Task", "Resource": "…:activity:approve", "End": true}`
    """
    if "TimeoutSeconds" not in state.value and "TimeoutSecondsPath" not in state.value:
        yield Finding(state.pointer, "No TimeoutSeconds: the task may wait for a year", key=True)


@rule("SFN-T20", on="accepted")
def integration_arns_may_have_a_region(_: object) -> Findings:
    """The ARN of an integration may have a region and an account.

    Example: `"Resource": "arn:aws:states:us-east-1:123456789012:aws-sdk:s3:getObject"`
    """
    yield from ()


def waits_for_token(state: State) -> bool:
    """Whether a Task gets a token: it waits for one, or is an activity, or is nobody knows what."""
    text = state.get("Resource")
    resource = _resource(state)
    return (
        resource is None
        or resource.pattern == "waitForTaskToken"
        or resource.kind == "activity"
        or has_placeholder(text)
    )
