"""Handlers that need no code of the user's: a fixed result, an error, none at all; and the mocks of sfnrun.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from sfnrun.config import Answer, Project, TaskRule
from sfnrun.effects import PENDING, Fingerprint, Handler, Output, Reply, Request
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload

if TYPE_CHECKING:
    from pathlib import Path

    from sfnrun.tasks.lambdas.functions import FunctionHandlers
    from sfnrun.tasks.resolve import TaskNames

__all__ = ["PENDING_HANDLER", "ConfiguredMocks", "static_error", "static_result", "with_duration"]

PENDING_HANDLER = Handler(lambda request: PENDING)
"""Leaves the result to whoever sends the task token back, or to a timeout."""


def static_result(result: Json) -> Handler:
    """A handler that returns a JSON value."""

    def fingerprint(home: Path) -> Fingerprint:
        from sfnrun.tasks.cached.fingerprint import of_result

        return of_result(result)

    return Handler(lambda request: Payload(result), fingerprint=fingerprint)


def static_error(error: str, cause: str | None = None) -> Handler:
    """A handler that fails with an error."""
    return Handler(lambda request: Reply(failure=TaskFailed(error, cause)))


def with_duration(handler: Handler, duration_ms: int | None) -> Handler:
    """The same handler, whose calls take `duration_ms` of simulated time."""
    if not duration_ms:
        return handler

    def delayed(output: Output | Exception) -> Output | Exception:
        if isinstance(output, TaskFailed):
            return Reply(failure=output, duration_ms=duration_ms)
        if isinstance(output, Exception):
            return output
        return replace(output if isinstance(output, Reply) else Reply(output), duration_ms=duration_ms)

    def call(request: Request) -> Output:
        try:
            output: Output | Exception = handler.call(request)
        except TaskFailed as error:
            output = error
        return delayed(output)

    submit = handler.submit
    if submit is None:
        return replace(handler, call=call)
    return replace(handler, call=call, submit=lambda request, done: submit(request, lambda got: done(delayed(got))))


class ConfiguredMocks:
    """The mocks of sfnrun.yaml: `result`, `error`, `pending` and `handler` under `tasks:`."""

    def __init__(self, project: Project, functions: FunctionHandlers) -> None:
        self._project = project
        self._functions = functions

    def find(self, task: TaskNames) -> Handler | None:
        rule = self._project.task_rule(task.state, task.function, task.resource.arn)
        answer = rule.answer(task.attempt)
        return None if answer is None else self._handler(answer, rule, task)

    def _handler(self, answer: Answer, rule: TaskRule, task: TaskNames) -> Handler:
        if answer.handler is not None:
            handler = self._functions.configured(answer.handler, task, rule.timeout)
        elif answer.error is not None:
            handler = static_error(answer.error.error, answer.error.cause_text)
        else:
            handler = PENDING_HANDLER if answer.result is UNSET else static_result(answer.result)
        return with_duration(handler, rule.duration_ms if answer.duration_ms is None else answer.duration_ms)
