"""Parse the Resource of a Task: a Lambda function, an activity, a service integration, or another runner's URI."""

from __future__ import annotations

import re
from functools import lru_cache

from sfnrun.effects import Resource

__all__ = ["is_of_another_runner", "read_resource", "resource_or_function"]

# A placeholder can stand for a partition, region or account; the colons of ${AWS::Region} do not separate anything.
_PART = r"(?:[^:$]|\$\{[^{}]*\}|\$(?!\{))*"
_ARN = rf"(?s)arn:({_PART}):({_PART}):({_PART}):({_PART}):(.+)"
# A name, maybe with a version, an alias or $LATEST: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_FUNCTION = r"([A-Za-z0-9_-]+)(?::(?:\$LATEST|[A-Za-z0-9_-]+))?"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:(?=\S)"


@lru_cache(maxsize=1024)
def read_resource(text: str) -> Resource | None:
    """Return the parts of a Resource; None unless it is the ARN of a function, an activity or an integration.

    `arn:PARTITION:states:REGION:ACCOUNT:SERVICE:ACTION[.PATTERN]`, with or without region and account;
    `…:aws-sdk:SERVICE:ACTION`; `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`;
    `arn:PARTITION:states:REGION:ACCOUNT:activity:NAME`. A region or account that is a placeholder is "".
    """
    found = re.fullmatch(_ARN, text)
    if found is None:
        return None
    _, service, region, account, rest = found.groups()
    region, account = _final(region), _final(account)
    kind, _, name = rest.partition(":")
    if service == "lambda":
        function = _function(name) if kind == "function" else ""
        if not function:
            return None
        return Resource(text, "lambda", service="lambda", name=function, region=region, account=account)
    if service != "states" or not name:
        return None
    if kind == "activity":
        return Resource(text, "activity", name=name, region=region, account=account)
    if kind == "aws-sdk":
        kind, _, name = name.partition(":")
        kind = f"aws-sdk:{kind}"
    action, _, pattern = name.partition(".")
    return Resource(text, "service", service=kind, action=action, pattern=pattern, region=region, account=account)


def resource_or_function(text: str) -> Resource:
    """Return the parts of a Resource; a text that is not an ARN is the name of a Lambda function."""
    return read_resource(text) or Resource(text, "lambda", service="lambda", name=text)


def _final(part: str) -> str:
    return "" if "${" in part else part


def _function(name: str) -> str:
    """Return the name without its qualifier; "" if it cannot be the name of a function."""
    if "${" in name:
        match = re.match(_PART, name)
        return match[0] if match else name
    found = re.fullmatch(_FUNCTION, name)
    return found[1] if found else ""


def is_of_another_runner(value: object) -> bool:
    """Whether a Resource is a URI that only another interpreter of the language knows, such as `docker://image`.

    The specification requires a URI, AWS an ARN. A text that looks like a misspelled ARN is neither.
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
