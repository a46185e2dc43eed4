"""What a Resource names: a Lambda function, an activity, a service integration, or a thing of another runner."""

from __future__ import annotations

import re
from functools import lru_cache

from sfnrun.effects import Resource

__all__ = ["PATTERNS", "is_of_another_runner", "read_resource"]

PATTERNS = ("sync", "sync:2", "waitForTaskToken")

# Placeholders stand for a partition, a region, an account: their own colons must not be taken for the ARN's.
_PART = r"(?:[^:$]|\$\{[^{}]*\}|\$(?!\{))*"
_ARN = rf"(?s)arn:({_PART}):({_PART}):({_PART}):({_PART}):(.+)"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:(?=\S)"


@lru_cache(maxsize=1024)
def read_resource(text: str) -> Resource | None:
    """A Resource taken apart; None if it is no ARN of a function, an activity or an integration.

    `arn:PARTITION:states:REGION:ACCOUNT:SERVICE:ACTION[.PATTERN]`, with or without region and account;
    `…:aws-sdk:SERVICE:ACTION`; `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:VERSION]`;
    `arn:PARTITION:states:REGION:ACCOUNT:activity:NAME`.
    """
    found = re.fullmatch(_ARN, text)
    if found is None:
        return None
    _, service, region, account, rest = found.groups()
    kind, _, name = rest.partition(":")
    if service == "lambda":
        if kind != "function" or not _is_function(name):
            return None
        return Resource(text, "lambda", service="lambda", name=name, region=region, account=account)
    if service != "states" or not name:
        return None
    if kind == "activity":
        return Resource(text, "activity", name=name, region=region, account=account)
    if kind == "aws-sdk":
        kind, _, name = name.partition(":")
        kind = f"aws-sdk:{kind}"
    action, _, pattern = name.partition(".")
    return Resource(text, "service", service=kind, action=action, pattern=pattern, region=region, account=account)


# A name with a version, an alias or $LATEST; https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_FUNCTION = r"[A-Za-z0-9_-]+(:(\$LATEST|[A-Za-z0-9_-]+))?"


def _is_function(name: str) -> bool:
    return "${" in name or re.fullmatch(_FUNCTION, name) is not None


def is_of_another_runner(value: object) -> bool:
    """Whether a Resource is a URI that only another interpreter of the language knows, as `docker://image`.

    The specification asks for a URI, AWS for an ARN. What looks like a misspelt ARN is none of these.
    """
    if not isinstance(value, str) or not re.match(_SCHEME, value):
        return False
    scheme = value.partition(":")[0]
    if scheme == "arn":
        return re.fullmatch(r"arn:[^:]*:swf:[^:]*:[^:]*:task:.+", value) is not None  # the specification's example
    return value.count(":") < 4 and not _is_service(scheme)


def _is_service(name: str) -> bool:
    from sfnrun.asl.integrations import INTEGRATIONS

    return name in INTEGRATIONS or name in ("aws-sdk", "activity", "function")
