"""Rules about the Resource of a Task: ARNs, integrations and their patterns."""

from __future__ import annotations

import re

from sfnrun.asl.integrations import INTEGRATIONS
from sfnrun.asl.lint.outline import State, has_placeholder, is_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, Row, enter_rows, rule
from sfnrun.asl.lint.shape import close_to
from sfnrun.asl.resource import is_of_another_runner, read_resource
from sfnrun.effects import Resource

__all__ = ["resource_of", "under"]


def _unrecognized(arn: str) -> str:
    """AWS's words (recorded)."""
    return (
        f"The resource provided {arn} is not recognized. "
        "The value is not a valid resource ARN, or the resource is not available in this region."
    )


def resource_of(state: State) -> Resource | None:
    """The Resource taken apart, if it is final and an ARN that is known in kind."""
    text = state.get("Resource")
    return read_resource(text) if isinstance(text, str) and not is_placeholder(text) else None


def _integration(state: State) -> Resource | None:
    """The optimized integration that a Task calls; None for all else, and for names that are not final yet."""
    resource = resource_of(state)
    if resource is None or resource.kind != "service" or resource.service.startswith("aws-sdk:"):
        return None
    return None if has_placeholder(resource.service) or has_placeholder(resource.action) else resource


def under(state: State, resource: Resource, part: str, message: str, hint: str) -> Finding:
    """A Finding under a part of the ARN, the last one of that text."""
    offset = max(0, resource.arn.rfind(part))
    return Finding(state.at("Resource"), message, hint, offset=offset, length=max(1, len(part)))


@rule("SFN-T01", on="state", types=("Task",))
def resource_is_an_arn(state: State) -> Findings:
    """Checks that `Resource` is the ARN of a Lambda function, an activity or a service integration.

    Why is this bad? AWS rejects anything else. Other URIs (`docker://…`) are valid in the specification, so they are a
    warning.

    Example: `"Resource": "my-function"`

    How to fix: `"Resource": "arn:aws:lambda:us-east-1:123456789012:function:my-function"`
    """
    text = state.get("Resource")
    if not isinstance(text, str) or text == "" or is_placeholder(text) or read_resource(text):
        return
    if is_of_another_runner(text):
        hint = "AWS rejects it: it accepts only ARNs"
        yield Finding(state.at("Resource"), f"{text} is not an AWS resource", hint, severity="warning")
    elif not (has_placeholder(text) and not text.startswith("arn:")):
        yield Finding(state.at("Resource"), _unrecognized(text), _arn_for(text))


def _arn_for(text: str) -> str:
    if re.fullmatch(r"[\w-]+:[\w:]+(\.[\w:]+)?", text) and text.partition(":")[0] in INTEGRATIONS:
        return f"did you mean arn:aws:states:::{text}?"
    if re.fullmatch(r"[\w-]{1,140}", text):
        return f"for a Lambda function: arn:aws:lambda:REGION:ACCOUNT:function:{text}"
    return "use arn:aws:states:::lambda:invoke or arn:aws:lambda:REGION:ACCOUNT:function:NAME"


@rule("SFN-T02", on="state", types=("Task",))
def integrated_service_is_known(state: State) -> Findings:
    """Checks for services without an optimized integration in `arn:PARTITION:states:::SERVICE:ACTION`.

    Why is this bad? AWS rejects the definition.

    Example: `"Resource": "arn:aws:states:::lamda:invoke"`

    How to fix: `"Resource": "arn:aws:states:::lambda:invoke"`; call other services as `aws-sdk:SERVICE:ACTION`
    """
    resource = _integration(state)
    if resource and resource.service not in INTEGRATIONS:
        close = close_to(resource.service, INTEGRATIONS)
        sdk = f"use aws-sdk:{resource.service}:{resource.action} if the service exists"
        hint = f"did you mean {close}?" if close else sdk
        yield under(state, resource, f"{resource.service}:{resource.action}", _unrecognized(resource.arn), hint)


@rule("SFN-T03", on="state", types=("Task",))
def integrated_action_is_known(state: State) -> Findings:
    """Checks for actions that the optimized integration does not support.

    Why is this bad? AWS rejects the definition.

    Example: `"Resource": "arn:aws:states:::dynamodb:query"`

    How to fix: call other API actions with `aws-sdk:SERVICE:ACTION`
    """
    resource = _integration(state)
    known = INTEGRATIONS.get(resource.service) if resource else None
    if resource and known and resource.action not in known.actions:
        close = close_to(resource.action, known.actions)
        service = _SDK_NAMES.get(resource.service, resource.service)
        hint = f"did you mean {close}?" if close else f"use aws-sdk:{service}:{resource.action}"
        yield under(state, resource, resource.action, _unrecognized(resource.arn), hint)


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
    hint = f"{name} does not support .{resource.pattern}" + (f"; it supports {has}" if has else "")
    return under(state, resource, f".{resource.pattern}", _unrecognized(resource.arn), hint)


@rule("SFN-T04", on="state", types=("Task",))
def sync_exists(state: State) -> Findings:
    """Checks for `.sync` on actions that do not start a job.

    Why is this bad? AWS rejects the definition.

    Example: `"Resource": "arn:aws:states:::sqs:sendMessage.sync"`

    How to fix: `"Resource": "arn:aws:states:::sqs:sendMessage"`
    """
    wrong = _wrong_pattern(state)
    if wrong and wrong[0].pattern == "sync":
        yield _pattern_finding(state, *wrong)


@rule("SFN-T05", on="state", types=("Task",))
def other_patterns_exist(state: State) -> Findings:
    """Checks for `.sync:2`, `.waitForTaskToken` and other suffixes on actions that do not support them.

    Why is this bad? AWS rejects the definition. `.sync:2` belongs to states:startExecution, `.waitForTaskToken` to
    actions that can pass on a token.

    Example: `"Resource": "arn:aws:states:::lambda:invoke.sync:2"`

    How to fix: `"Resource": "arn:aws:states:::lambda:invoke"`
    """
    wrong = _wrong_pattern(state)
    if wrong and wrong[0].pattern != "sync":
        yield _pattern_finding(state, *wrong)


_SDK_SERVICE = r"[a-z][a-z0-9]*"
_SDK_ACTION = r"[a-z][A-Za-z0-9]*"


@rule("SFN-T06", on="state", types=("Task",))
def sdk_call_is_spelt_right(state: State) -> Findings:
    """Checks the spelling of `aws-sdk:SERVICE:ACTION`: a service without capitals and hyphens, an action in camelCase,
    and no pattern except `.waitForTaskToken`.

    Why is this bad? AWS rejects the definition.

    Example: `"Resource": "arn:aws:states:::aws-sdk:s3:GetObject"`

    How to fix: `"Resource": "arn:aws:states:::aws-sdk:s3:getObject"`
    """
    resource = resource_of(state)
    if (
        resource is None
        or not resource.service.startswith("aws-sdk:")
        or has_placeholder(resource.arn.split(":", 5)[-1])
    ):
        return
    service, action = resource.service.removeprefix("aws-sdk:"), resource.action
    message = _unrecognized(resource.arn)
    if not re.fullmatch(_SDK_SERVICE, service):
        right = re.sub(r"[^a-z0-9]", "", service.lower())
        yield under(state, resource, f"{service}:{action}", message, f"write '{right}' instead of '{service}'")
    elif not re.fullmatch(_SDK_ACTION, action):
        right = action[:1].lower() + re.sub(r"[^A-Za-z0-9]", "", action[1:])
        yield under(
            state,
            resource,
            action or ":",
            message,
            f"write '{right}' instead of '{action}'" if right else "add an action",
        )
    elif resource.pattern not in ("", "waitForTaskToken"):
        hint = f"SDK calls do not support .{resource.pattern}, only .waitForTaskToken"
        yield under(state, resource, f".{resource.pattern}", message, hint)


# --- rules without a function ---

enter_rows(
    __name__,
    (
        Row(
            "SFN-T14",
            """Not reported: any partition (aws, aws-cn, aws-us-gov, aws-iso).

            Example: `"Resource": "arn:aws-cn:states:::lambda:invoke"`
            """,
            on="accepted",
        ),
        Row(
            "SFN-T15",
            """Not reported: ARNs of activities, and of Lambda functions with a version or an alias.

            Example: `"Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge:live"`
            """,
            on="accepted",
        ),
        Row(
            "SFN-T20",
            """Not reported: ARNs of integrations with a region and an account.

            Example: `"Resource": "arn:aws:states:us-east-1:123456789012:aws-sdk:s3:getObject"`
            """,
            on="accepted",
        ),
    ),
)
