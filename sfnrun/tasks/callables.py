"""Handlers from `sfnrun.run(tasks=...)`: one callable for all Tasks, or callables and fixed results by name.

A callable with one positional parameter is given the Request, and what it returns is the Task's result. One with two is
a Lambda handler(event, context). Whatever they raise becomes the error that Lambda would make of it; TaskFailed says
itself what the error is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sfnrun.config.names import tasks_named
from sfnrun.effects import Fingerprint, Handler, Output, Pending, Reply, Request, Resource
from sfnrun.errors import TaskFailed, UsageError
from sfnrun.payload import Json, Payload, dumps, loads
from sfnrun.tasks.mocks import static_result

if TYPE_CHECKING:
    from pathlib import Path

    from sfnrun.tasks.resolve import TaskNames

__all__ = ["Tasks", "TasksByName", "from_callables"]

Tasks = Callable[..., Any] | Mapping[str, Any] | None


def from_callables(tasks: Tasks) -> TasksByName:
    """The handlers of `tasks`: None, a callable for every Task, or a mapping of names to callables and results.

    A name is that of a state, of a function (in any spelling) or of a resource ("sns:publish" or all of its ARN), or a
    pattern of one of them with `*` ("dynamodb:*"). An answer is a callable or a JSON value. Raises UsageError.
    """
    if tasks is None:
        return TasksByName({})
    if callable(tasks):
        return TasksByName({"*": tasks})
    if isinstance(tasks, Mapping):
        return TasksByName(tasks)
    hint = "pass a callable that takes a request, or a mapping of names to callables and results"
    raise UsageError(f"tasks must be a callable or a mapping, not {type(tasks).__name__}", hint)


class TasksByName:
    """Handlers by the names of Tasks, as under `tasks:` in sfnrun.yaml."""

    def __init__(self, tasks: Mapping[str, Any]) -> None:
        for name in tasks:
            if not isinstance(name, str):
                raise UsageError(f"tasks has the key {name!r}", "use the names of states, functions and resources")
        self._handlers = {name: _handler(name, answer) for name, answer in tasks.items()}
        # One callable for all Tasks is found without a look at their names.
        self._everything = self._handlers["*"] if list(tasks) == ["*"] else None

    def find(self, task: TaskNames) -> Handler | None:
        """The handler of a Task; None if no name matches."""
        if self._everything is not None:
            return self._everything
        names = tasks_named(self._handlers, task.state, task.function, task.resource.arn)
        return self._handlers[names[0]] if names else None


def _handler(name: str, answer: Any) -> Handler:
    if not callable(answer):
        try:
            return static_result(Payload.from_python(answer).value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"tasks[{name!r}] must be a callable or a JSON value: {error}") from None
    if inspect.iscoroutinefunction(answer):
        raise UsageError(f"tasks[{name!r}] is an async function", "wrap it: lambda request: asyncio.run(task(request))")

    def fingerprint(home: Path) -> Fingerprint:
        from sfnrun.tasks.cached.fingerprint import of_callable

        return of_callable(answer, home)

    return Handler(partial(_call_as_lambda if _takes_two(answer) else _call, answer), fingerprint=fingerprint)


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether to call it as handler(event, context): it cannot be called with one argument, and can with two."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins do not tell
        return False
    return not _binds(signature, 1) and _binds(signature, 2)


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _call(function: Callable[[Request], Any], request: Request) -> Output:
    """Call a callable with the request."""
    try:
        return function(request)
    except TaskFailed:
        raise
    except Exception as error:
        raise _failure(error, request) from None


def _call_as_lambda(function: Callable[[Any, Any], Any], request: Request) -> Output:
    """Call a callable with an event and a context, as the runtime of a function does."""
    from sfnrun.tasks.lambdas.invoke import context_for, invoke_response, output_of

    try:
        result = function(_event(request), context_for(request))
    except TaskFailed:
        raise
    except Exception as error:
        raise _failure(error, request) from None
    if isinstance(result, Pending | Reply):
        return result
    output = output_of(_response(result, request, function), request)
    # The result that comes back with a task token is not wrapped in Lambda's response.
    if not isinstance(output, Payload) or not _is_invoke(request.resource) or request.token is not None:
        return output
    return Payload(invoke_response(output, request))


def _event(request: Request) -> Json:
    """A copy of the event, which the callable may change."""
    if _is_invoke(request.resource):
        arguments = request.payload if isinstance(request.payload, dict) else {}
        return loads(dumps(arguments.get("Payload", {})))
    return loads(request.text)


def _is_invoke(resource: Resource) -> bool:
    return resource.kind == "service" and resource.service == "lambda"


def _response(result: Any, request: Request, handler: Any) -> bytes:
    """The result as Lambda's runtime writes it, spaces included."""
    from sfnrun.tasks.lambdas.environment.errors import FunctionError
    from sfnrun.tasks.lambdas.environment.response import response_body
    from sfnrun.tasks.lambdas.invoke import task_failure

    try:
        return response_body(result, request.id, handler)
    except FunctionError as error:
        if error.hint:
            request.log(error.hint)
        raise task_failure(error, request) from None


def _failure(error: Exception, request: Request) -> TaskFailed:
    from sfnrun.tasks.lambdas.environment.errors import raised
    from sfnrun.tasks.lambdas.invoke import task_failure

    return task_failure(raised(error, request.id, str(error)), request)
