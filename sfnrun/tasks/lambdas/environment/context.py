"""The second argument of a handler: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html.

Attributes, their types and what is read from the environment variables are those of awslambdaric 4.2.2.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["LambdaContext"]

_W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class _Record:
    """An object with a fixed set of attributes, which are None if `given` lacks them."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, given: Mapping[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, given.get(name))

    def __repr__(self) -> str:
        members = ",".join(f"{name}={getattr(self, name)}" for name in self.__slots__)
        return f"{type(self).__name__}([{members}])"


class CognitoIdentity(_Record):
    """The Cognito identity of the caller; Step Functions has none."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")


# In the order that the runtime prints them in.
_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
_CLIENT_CONTEXT = ("custom", "env", "client")


class Client(_Record):
    """The mobile application that invoked the function."""

    __slots__ = _CLIENT


class ClientContext(_Record):
    """What the caller passed as ClientContext."""

    __slots__ = _CLIENT_CONTEXT

    client: Any

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.client = None if self.client is None else Client(self.client)


class LambdaContext:
    """What the Python runtime tells a handler about its invocation. `memory_limit_in_mb` is a string, as in Lambda."""

    def __init__(self, request_id: str, arn: str, deadline_ms: int, client_context: Any = None) -> None:
        variables = os.environ
        self.aws_request_id = request_id
        self.log_group_name = variables.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = variables.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = variables.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = variables.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = variables.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = arn
        self.tenant_id: str | None = None
        self._w3c = _without_w3c(client_context)
        self.client_context = ClientContext(client_context) if isinstance(client_context, dict) else None
        self.identity = CognitoIdentity({})
        self._epoch_deadline_time_in_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's timeout, in real time; 0 when it is over."""
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def w3c(self) -> dict[str, str]:
        """The W3C trace context of the invocation."""
        return dict(self._w3c)

    def log(self, msg: object) -> None:
        """Write to the function's log; the message brings its own line end."""
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return f"LambdaContext([{','.join(f'{name}={getattr(self, name)}' for name in names)}])"


def _without_w3c(client_context: Any) -> dict[str, str]:
    """The trace context, which is taken out of what the caller passed."""
    given = client_context.pop("w3c", None) if isinstance(client_context, dict) else None
    if not isinstance(given, dict):
        return {}
    return {name: given[name] for name in _W3C_FIELDS if isinstance(given.get(name), str)}
