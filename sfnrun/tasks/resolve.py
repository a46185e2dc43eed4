"""Finds the handler of each Task: callables, a mock file, sfnrun.yaml, functions, in this order.

Finding only looks at names and files: nothing is imported and nothing runs. A Task is named by its state, by its
function if it invokes one, and by its resource; the first source that knows one of the names handles it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from sfnrun.asl.model import Machine, Map, Parallel, StateMachine, Task
from sfnrun.config import Project
from sfnrun.effects import CachedReplies, Handler, Output, Request, Resource
from sfnrun.payload import Json, loads
from sfnrun.tasks.lambdas.functions import FunctionHandlers
from sfnrun.tasks.mocks import ConfiguredMocks
from sfnrun.tasks.unanswered import Unanswered

__all__ = ["HandlerSource", "Resolver", "TaskNames", "named_function", "tasks_of"]


class TaskNames(NamedTuple):
    """The names of a Task: its state, the name or ARN of its function (None: unknown or none), its resource.

    `attempt` counts retries from 0; a mock can give each attempt another result.
    """

    state: str
    function: str | None
    resource: Resource
    attempt: int = 0


class HandlerSource(Protocol):
    """Where handlers come from: the caller's callables, a mock file, sfnrun.yaml, functions."""

    def find(self, task: TaskNames) -> Handler | None:
        """The handler of a Task; None leaves it to the next source."""


class Resolver:
    """An Answerer that asks its sources in order: those it gets, then sfnrun.yaml, then the functions directory.

    `in_process` runs functions in this process, whatever the settings say.
    """

    cached_replies: CachedReplies | None = None

    def __init__(self, project: Project, *first: HandlerSource, in_process: bool = False) -> None:
        self.project = project
        self._functions = FunctionHandlers(project, in_process=in_process)
        self._sources = (*first, ConfiguredMocks(project, self._functions), self._functions)
        self._known: dict[tuple[str, str | None, str, int], Handler] = {}

    def for_request(self, request: Request) -> Handler:
        """The handler of a request. Without one, a handler that fails as AWS does for a missing function."""
        function = request.function_name
        names = (request.state, function, request.resource.arn, request.attempt)
        handler = self._known.get(names)
        if handler is None:
            task = TaskNames(request.state, function, request.resource, request.attempt)
            handler = self._known[names] = self.find(task) or _MISSING_FUNCTION
        return handler

    def find(self, task: TaskNames) -> Handler | None:
        """The handler of a Task; None if no source knows it.

        Raises UnansweredTaskError if several files match equally well.
        """
        found = (source.find(task) for source in self._sources)
        return next((handler for handler in found if handler is not None), None)

    def close(self) -> None:
        """End the execution environments of functions."""
        self._functions.close()

    def unanswered(self, machine: Machine) -> list[Unanswered]:
        """Every Task of the machine without a handler, in the order of the definition."""
        names, functions = tuple(self.project.rules), self.project.functions_dir
        return [
            Unanswered(state.name, state.pointer, state.resource, named_function(state), functions, names)
            for state in tasks_of(machine.graph)
            if not self._has_handler(state)
        ]

    def _has_handler(self, state: Task) -> bool:
        function = named_function(state)
        # Only the data of the execution say which function a `lambda:invoke` without a literal name invokes.
        is_late_bound = function is None and state.resource.service == "lambda"
        return is_late_bound or self.find(TaskNames(state.name, function, state.resource)) is not None


def _missing_function(request: Request) -> Output:
    from sfnrun.tasks.lambdas.invoke import not_found

    raise not_found(request)


_MISSING_FUNCTION = Handler(_missing_function)


def named_function(state: Task) -> str | None:
    """The function that a Task invokes, as its definition names it (a name, an ARN, a placeholder), if it does."""
    resource = state.resource
    if resource.kind == "lambda":
        return resource.name or resource.arn
    template = state.arguments if state.query_language == "JSONata" else state.parameters
    if resource.service != "lambda" or template is None:
        return None
    try:
        arguments: Json = loads(template.text)
    except ValueError:  # JSONata that makes all of the arguments
        return None
    name = arguments.get("FunctionName") if isinstance(arguments, dict) else None
    return name if isinstance(name, str) and not name.startswith("{%") else None


def tasks_of(graph: StateMachine) -> Iterator[Task]:
    """The Tasks of a graph and of all that is nested in it. Keeps its own stack: nesting may be deep."""
    stack = [iter(graph.states.values())]
    while stack:
        state = next(stack[-1], None)
        if state is None:
            stack.pop()
        elif isinstance(state, Task):
            yield state
        elif isinstance(state, Parallel):
            stack += [iter(branch.states.values()) for branch in reversed(state.branches)]
        elif isinstance(state, Map):
            stack.append(iter(state.processor.states.values()))
