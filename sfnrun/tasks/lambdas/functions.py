"""Handlers of Tasks that invoke functions, whose code is in the functions directory or named in sfnrun.yaml."""

from __future__ import annotations

import sys
from functools import cached_property, partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sfnrun.config import FunctionSettings, Project
from sfnrun.config.names import function_name
from sfnrun.effects import Fingerprint, Handler
from sfnrun.payload import dumps
from sfnrun.tasks.mocks import with_duration

if TYPE_CHECKING:
    from pathlib import Path

    from sfnrun.tasks.lambdas.environments import Environments
    from sfnrun.tasks.lambdas.find import Code, FunctionFolder
    from sfnrun.tasks.lambdas.runtime import Function, LambdaRuntime
    from sfnrun.tasks.resolve import TaskNames

__all__ = ["FunctionHandlers"]

# Lambda's longest timeout. A handler that stands in for another service has only the timeout that sfnrun.yaml sets.
LONGEST_TIMEOUT = 900.0
DEFAULT_TIMEOUT = 3.0
DEFAULT_MEMORY = 128
DEFAULT_MODE = "process"


class FunctionHandlers:
    """Finds a function's code by the function's name; Tasks that share a function share its environments.

    `in_process` runs all of them in this process, whatever the settings say.
    """

    def __init__(self, project: Project, *, in_process: bool = False) -> None:
        self._project = project
        self._in_process = in_process or sys.platform == "win32"
        self._runtimes: dict[tuple[str, Code, float], LambdaRuntime] = {}
        self._environments: Environments | None = None

    def close(self) -> None:
        """End the execution environments."""
        if self._environments is not None:
            self._environments.close()

    def find(self, task: TaskNames) -> Handler | None:
        """The handler of a Task that invokes a function; None if it invokes none, or the function has no code."""
        if task.function is None:
            return None
        settings = self._project.function(task.function)
        code = self._code(settings.handler) if settings.handler else self._folder.find(task.function)
        if code is None:
            return None
        rule = self._project.task_rule(task.state, task.function, task.resource.arn)
        handler = self._handler(task.function, code, settings, rule.timeout, task)
        return with_duration(handler, rule.duration_ms)

    def configured(self, handler: str, task: TaskNames, timeout: float | None) -> Handler:
        """The handler that sfnrun.yaml names ("charge.py:handler") for a Task, whatever the Task's resource is."""
        name = task.function or task.state
        return self._handler(name, self._code(handler), self._project.function(name), timeout, task, is_final=True)

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
        from sfnrun.tasks.lambdas import invoke

        is_function = task.resource.service == "lambda"
        default = settings.timeout or DEFAULT_TIMEOUT if is_function else LONGEST_TIMEOUT
        runtime = self._runtime(name, code, settings, timeout or default)
        way: invoke.Way = invoke.in_place_of_service
        if is_function and task.resource.kind == "service":
            way = partial(invoke.by_lambda_invoke, is_final=is_final)
        elif is_function:
            way = invoke.by_arn
        handler = Handler(
            partial(invoke.invoke, way, runtime),
            # What only stands in for another service has no timeout in this process: a driver has to enforce it there.
            timeout if not is_function and self._is_in_process(settings) else runtime.time_limit,
            lambda request: runtime.timed_out(request.id, request.log),
            lambda request: runtime.overtime(request.id),
            fingerprint=partial(_fingerprint, code),
        )
        if runtime.submit is None:
            return handler
        return replace(handler, submit=partial(invoke.submit, way, runtime, runtime.submit))

    def _runtime(self, name: str, code: Code, settings: FunctionSettings, timeout: float) -> LambdaRuntime:
        from sfnrun.tasks.lambdas.runtime import Function

        bare = function_name(name)
        bare = code.module.rpartition(".")[2] if "${" in bare else bare
        known = self._runtimes.get((bare, code, timeout))
        if known is None:
            variables = {
                key: value if isinstance(value, str) else dumps(value) for key, value in settings.environment.items()
            }
            if settings.log_format == "json":
                variables.setdefault("AWS_LAMBDA_LOG_FORMAT", "JSON")
            memory = settings.memory or DEFAULT_MEMORY
            known = self._new_runtime(Function(bare, code, timeout, memory, variables), settings)
            self._runtimes[bare, code, timeout] = known
        return known

    def _new_runtime(self, function: Function, settings: FunctionSettings) -> LambdaRuntime:
        if self._is_in_process(settings):
            from sfnrun.tasks.lambdas.in_process import InProcessRuntime

            return InProcessRuntime(function)
        from sfnrun.tasks.lambdas.environments import Environments
        from sfnrun.tasks.lambdas.process_runtime import ProcessRuntime
        from sfnrun.tasks.lambdas.zygotes import find_python, zygote_for

        if self._environments is None:
            self._environments = Environments()
        root = self._project.root.absolute()
        python = find_python(settings.python or self._project.settings.python, root)
        function = replace(function, python=python, preload=settings.preload or ())
        zygote_for(python or sys.executable, function.preload)  # starts while everything else is made ready
        return ProcessRuntime(function, self._environments, (str(root), str(self._project.functions_dir.absolute())))

    def _is_in_process(self, settings: FunctionSettings) -> bool:
        return self._in_process or (settings.mode or DEFAULT_MODE) == "in-process"

    def _code(self, handler: str) -> Code:
        return self._folder.configured(handler, self._project.root.absolute())

    @cached_property
    def _folder(self) -> FunctionFolder:
        from sfnrun.tasks.lambdas.find import FunctionFolder

        return FunctionFolder(self._project.functions_dir.absolute())


def _fingerprint(code: Code, home: Path) -> Fingerprint:
    from sfnrun.tasks.cached.fingerprint import of_code

    return of_code(code, home)
