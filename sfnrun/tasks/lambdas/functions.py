"""Handlers of Tasks that invoke functions, whose code is in the functions directory or named in sfnrun.yaml."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sfnrun.config import Config, FunctionSettings
from sfnrun.config.names import function_name, same_function
from sfnrun.effects import Handler
from sfnrun.tasks.mocks import task_rule, with_duration

if TYPE_CHECKING:
    from sfnrun.tasks.lambdas.find import Code, FunctionFolder
    from sfnrun.tasks.lambdas.runtime import LambdaRuntime
    from sfnrun.tasks.resolve import TaskNames

__all__ = ["FunctionHandlers"]

# Lambda's longest timeout. A handler that stands in for another service has only the timeout that sfnrun.yaml sets.
LONGEST_TIMEOUT = 900.0


class FunctionHandlers:
    """Finds a function's code by the function's name; Tasks that share a function share its environments."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._runtimes: dict[tuple[str, Code, float], LambdaRuntime] = {}

    def find(self, task: TaskNames) -> Handler | None:
        """The handler of a Task that invokes a function; None if it invokes none, or the function has no code."""
        if task.function is None:
            return None
        settings = self._settings(task.function)
        code = self._code(settings.handler) if settings.handler else self._folder.find(task.function)
        if code is None:
            return None
        rule = task_rule(self._config, task)
        handler = self._handler(task.function, code, settings, rule.timeout if rule else None, task)
        return with_duration(handler, rule.duration_ms if rule else None)

    def configured(self, handler: str, task: TaskNames, timeout: float | None) -> Handler:
        """The handler that sfnrun.yaml names ("charge.py:handler") for a Task, whatever the Task's resource is."""
        name = task.function or task.state
        return self._handler(name, self._code(handler), self._settings(name), timeout, task, is_final=True)

    def _handler(
        self,
        name: str,
        code: Code,
        settings: FunctionSettings,
        timeout: float | None,
        task: TaskNames,
        *,
        is_final: bool = False,
    ) -> Handler:
        from sfnrun.tasks.cached.fingerprint import of_code
        from sfnrun.tasks.lambdas import invoke

        is_function = task.resource.service == "lambda"
        default = settings.timeout if is_function else LONGEST_TIMEOUT
        runtime = self._runtime(name, code, settings, timeout or default)
        call = invoke.call_as_service
        if is_function:
            call = (
                partial(invoke.lambda_invoke, is_final=is_final)
                if task.resource.kind == "service"
                else invoke.invoke_by_arn
            )
        return Handler(
            partial(call, runtime),
            runtime.time_limit if is_function else timeout,
            lambda request: runtime.timed_out(request.id, request.log),
            lambda request: runtime.overtime(request.id),
            fingerprint=partial(of_code, code),
        )

    def _runtime(self, name: str, code: Code, settings: FunctionSettings, timeout: float) -> LambdaRuntime:
        from sfnrun.tasks.lambdas.in_process import InProcessRuntime
        from sfnrun.tasks.lambdas.runtime import Function

        bare = function_name(name)
        bare = code.module.rpartition(".")[2] if "${" in bare else bare
        known = self._runtimes.get((bare, code, timeout))
        if known is None:
            variables = {**self._config.environment, **settings.environment}
            known = InProcessRuntime(Function(bare, code, timeout, settings.memory, variables))
            self._runtimes[bare, code, timeout] = known
        return known

    def _settings(self, function: str) -> FunctionSettings:
        given = self._config.function_settings
        bare = function_name(function)
        return self._config.function(bare if bare in given else same_function(bare, given) or bare)

    def _code(self, handler: str) -> Code:
        start = self._config.path.absolute().parent if self._config.path else Path.cwd()
        return self._folder.configured(handler, start)

    @cached_property
    def _folder(self) -> FunctionFolder:
        from sfnrun.tasks.lambdas.find import FunctionFolder

        return FunctionFolder(self._config.functions.absolute())
