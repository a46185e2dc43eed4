"""Who answers a Task is settled by looking: at what the caller gives, at sfnrun.yaml, at the files of functions.

Nothing is imported and nothing runs here. A Task is named by its state, by its function if it invokes one, and by its
resource; whoever comes first in that order of places and knows one of the names answers it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sfnrun.asl.model import Machine, Map, Parallel, StateMachine, Task
from sfnrun.config import Config, FunctionSettings, TaskRule
from sfnrun.config import Reply as Said
from sfnrun.config.names import function_name, same_function
from sfnrun.effects import Failed, Request, Resource, TaskHandler
from sfnrun.payload import Json, loads
from sfnrun.tasks.answers import ByAttempt, Delayed, Failing, Fixed, Outcome, Silent
from sfnrun.tasks.unanswered import Unanswered

if TYPE_CHECKING:
    from sfnrun.tasks.lambdas.find import FunctionFolder
    from sfnrun.tasks.lambdas.lambda_runtime import Code, LambdaFunction

__all__ = ["Answers", "Resolver", "named_function", "tasks_of"]


class Answers(Protocol):
    """A place where handlers come from: callables of the API, a test case of a mock file, a Resolver."""

    def find(self, state: str, function: str | None, resource: Resource) -> TaskHandler | None:
        """Who answers the Task of this state, or None. `function` is a name or ARN, None if none is known yet."""


class Resolver:
    """Finds handlers: asks `first` in their order, then sfnrun.yaml's `tasks:`, then the functions folder."""

    def __init__(self, config: Config, *first: Answers) -> None:
        self.config = config
        self._first = first
        self._functions: dict[tuple[str, Code, float], LambdaFunction] = {}
        self._known: dict[tuple[str, str | None, str], TaskHandler] = {}

    def handler_for(self, state: Task) -> TaskHandler | None:
        """Who answers a Task, as far as can be known before it runs; None if nobody does.

        Raises UnansweredTaskError where several files are equally good.
        """
        function = named_function(state)
        found = self.find(state.name, function, state.resource)
        if found is None and function is None and state.resource.service == "lambda":
            return _Later(self)  # which function, only the execution's data tell
        return found

    def for_request(self, request: Request) -> TaskHandler:
        """Who answers a request. If nobody does, a handler that fails as AWS does where a function does not exist."""
        function = request.function_name
        names = (request.state, function, request.resource.arn)
        handler = self._known.get(names)
        if handler is None:
            handler = self._known[names] = self.find(request.state, function, request.resource) or _Nobody()
        return handler.at(request.attempt) if isinstance(handler, ByAttempt) else handler

    def find(self, state: str, function: str | None, resource: Resource) -> TaskHandler | None:
        """Who answers the Task of this state with this function and resource; None if nobody does."""
        for answers in self._first:
            if (handler := answers.find(state, function, resource)) is not None:
                return handler
        rule = self._rule(state, function, resource) or TaskRule(state)
        if rule.replies:
            return ByAttempt([self._reply(said, rule, function or state, resource) for said in rule.replies])
        return None if function is None else self._function_handler(function, resource, rule)

    def unanswered(self, machine: Machine) -> list[Unanswered]:
        """Every Task of the machine that nothing answers, in the order of the definition."""
        names = tuple(rule.key for rule in self.config.tasks)
        return [
            Unanswered(state.name, state.pointer, state.resource, named_function(state), self.config.functions, names)
            for state in tasks_of(machine.graph)
            if self.handler_for(state) is None
        ]

    def _rule(self, state: str, function: str | None, resource: Resource) -> TaskRule | None:
        name = None
        if function is not None:
            # A rule may spell the function otherwise: ChargeCard, charge-card, charge_card.
            name = same_function(function, (rule.key for rule in self.config.tasks)) or function_name(function)
        return self.config.task_rule(state, name, resource.arn)

    @cached_property
    def _folder(self) -> FunctionFolder:
        from sfnrun.tasks.lambdas.find import FunctionFolder

        return FunctionFolder(self.config.functions.absolute())

    @property
    def _start(self) -> Path:
        return (self.config.path.absolute().parent) if self.config.path else Path.cwd()

    def _function_handler(self, function: str, resource: Resource, rule: TaskRule) -> TaskHandler | None:
        """The handler of a function that stands in a file, or where sfnrun.yaml says."""
        settings = self._settings(function)
        if settings.handler:
            code: Code | None = self._folder.configured(settings.handler, self._start)
        else:
            code = self._folder.find(function)
        if code is None:
            return None
        handler = self._invoking(function, code, settings, rule.timeout, resource)
        return _delayed(handler, rule.duration_ms)

    def _reply(self, said: Said, rule: TaskRule, name: str, resource: Resource) -> TaskHandler:
        """The handler of a reply in sfnrun.yaml."""
        if said.kind == "handler":
            code = self._folder.configured(said.handler, self._start)
            handler = self._invoking(name, code, self._settings(name), rule.timeout, resource, is_final=True)
        elif said.kind == "error":
            handler = Failing(said.error, said.cause)
        else:
            handler = Fixed(said.result) if said.kind == "result" else Silent()
        return _delayed(handler, rule.duration_ms if said.duration_ms is None else said.duration_ms)

    def _invoking(
        self,
        name: str,
        code: Code,
        settings: FunctionSettings,
        timeout: float | None,
        resource: Resource,
        *,
        is_final: bool = False,
    ) -> TaskHandler:
        from sfnrun.tasks.lambdas import function_tasks

        if resource.service != "lambda":
            return function_tasks.ByService(self._function(name, code, settings, timeout or 900), timeout)
        function = self._function(name, code, settings, timeout or settings.timeout)
        if resource.kind == "service":
            return function_tasks.ByInvoke(function, is_final=is_final)
        return function_tasks.ByArn(function)

    def _function(self, name: str, code: Code, settings: FunctionSettings, timeout: float) -> LambdaFunction:
        from sfnrun.tasks.lambdas.lambda_runtime import LambdaFunction

        bare = function_name(name)
        bare = code.module.rpartition(".")[2] if "${" in bare else bare
        known = self._functions.get((bare, code, timeout))
        if known is None:
            variables = {**self.config.environment, **settings.environment}
            known = LambdaFunction(bare, code, timeout=timeout, memory=settings.memory, variables=variables)
            self._functions[bare, code, timeout] = known
        return known

    def _settings(self, function: str) -> FunctionSettings:
        given = self.config.function_settings
        bare = function_name(function)
        return self.config.function(bare if bare in given else same_function(bare, given) or bare)


class _Later:
    """Answers `lambda:invoke` of a function that only the execution's data name."""

    time_limit: float | None = None

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def resolved(self, request: Request) -> TaskHandler:
        return self._resolver.for_request(request)

    def __call__(self, request: Request) -> Outcome:
        return self.resolved(request)(request)

    def timed_out(self, request: Request) -> Failed:
        return self.resolved(request).timed_out(request)


class _Nobody:
    """Answers for a function that does not exist."""

    time_limit: float | None = None

    def __call__(self, request: Request) -> Outcome:
        from sfnrun.tasks.lambdas.function_tasks import not_found

        raise not_found(request)

    def timed_out(self, request: Request) -> Failed:
        return Failed("States.Timeout")


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


def _delayed(handler: TaskHandler, duration_ms: int | None) -> TaskHandler:
    return Delayed(handler, duration_ms) if duration_ms else handler


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
