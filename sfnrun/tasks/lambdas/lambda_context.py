"""The second argument of a handler: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from sfnrun.payload import Json

__all__ = ["LambdaContext"]


class LambdaContext:
    """What the Python runtime tells a handler about its invocation.

    `memory_limit_in_mb` is a string, as in Lambda. `client_context` is None, or has `client`, `custom` and `env`.
    """

    def __init__(
        self,
        *,
        aws_request_id: str,
        function_name: str,
        function_version: str,
        invoked_function_arn: str,
        memory: int,
        timeout: float,
        variables: Mapping[str, str | None],
        client_context: Json = None,
    ) -> None:
        self.aws_request_id = aws_request_id
        self.log_group_name = variables.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = variables.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = function_name
        self.memory_limit_in_mb = str(memory)
        self.function_version = function_version
        self.invoked_function_arn = invoked_function_arn
        self.tenant_id: str | None = None
        self.client_context = _client_context(client_context)
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self._deadline = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's timeout, in real time; 0 when it is over."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))

    def log(self, msg: object) -> None:
        """Write to the function's log; the message brings its own line end."""
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        members = (f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"LambdaContext({', '.join(members)})"


_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


def _client_context(given: Json) -> Any:
    if not isinstance(given, dict):
        return None
    client = given.get("client")
    if isinstance(client, dict):
        client = SimpleNamespace(**{name: client.get(name) for name in _CLIENT})
    return SimpleNamespace(client=client, custom=given.get("custom"), env=given.get("env"))
