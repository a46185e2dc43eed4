"""Requests for functions, and functions that are asked and tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfnrun.asl.resource import resource_or_function
from sfnrun.effects import Request
from sfnrun.payload import Payload
from sfnrun.tasks.lambdas.invoke import by_arn, by_lambda_invoke, invoke
from sfnrun.tasks.lambdas.runtime import LambdaRuntime

ID = "12345678-1234-4234-a234-123456789012"
ARN = "arn:aws:lambda:eu-west-1:111122223333:function"
INVOKE = "arn:aws:states:::lambda:invoke"
FUNCTIONS = Path(__file__).parent / "functions"


def ask(
    arn: str = f"{ARN}:f", arguments: Any = None, log: Callable[[str], None] | None = None, **given: Any
) -> Request:
    """A request; `arguments` is a JSON value, or a Payload."""
    payload = arguments if isinstance(arguments, Payload) else Payload({} if arguments is None else arguments)
    fields = {
        "key": "1",
        "id": ID,
        "state": "S",
        "attempt": 0,
        "token": None,
        "context": {"Execution": {"Id": "arn:aws:states:eu-west-1:111122223333:execution:Machine:name"}},
        "at": 1_767_225_600_000,
        "log": log or (lambda line: None),
    }
    return Request(resource=resource_or_function(arn), arguments=payload, **{**fields, **given})


@dataclass
class Invoked:
    """A function in a file of its own, and what it has told."""

    runtime: LambdaRuntime
    lines: list[str] = field(default_factory=list)

    def by_arn(self, event: Any = None, **given: Any) -> Payload:
        request = ask(f"{ARN}:{self.runtime.function.name}", event, self.lines.append, **given)
        outcome = invoke(by_arn, self.runtime, request)
        assert isinstance(outcome, Payload)
        return outcome

    def by_invoke(self, event: Any = None, **arguments: Any) -> Any:
        given = {"FunctionName": self.runtime.function.name, "Payload": event, **arguments}
        return invoke(by_lambda_invoke, self.runtime, ask(INVOKE, given, self.lines.append))
