"""The model of a definition: records with every expression compiled.

Records are msgspec Structs throughout the package: a frozen dataclass takes fifty times as long to define, and at
seventy of them that is most of the start-up time.

Attributes have AWS's names in snake_case. A field that is a literal, a path or a JSONata expression (TimeoutSeconds,
TimeoutSecondsPath, `{% %}`) is one attribute here, a Field, which the engine evaluates alike in all three forms.
Source: https://states-language.net and the Step Functions developer guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from msgspec import Struct, field

from sfnrun.effects import Resource
from sfnrun.expr.scope import Expression
from sfnrun.payload import Json

__all__ = [
    "STATE_TYPES",
    "Catcher",
    "Choice",
    "ChoiceRule",
    "Fail",
    "Field",
    "Machine",
    "Map",
    "Parallel",
    "Pass",
    "QueryLanguage",
    "Retrier",
    "State",
    "StateMachine",
    "Succeed",
    "Task",
    "Wait",
    "every_state",
]

QueryLanguage = Literal["JSONPath", "JSONata"]
Pointer = tuple[str | int, ...]


class Field(Struct, frozen=True):
    """A field under the name in the definition ("TimeoutSecondsPath"), with either a literal or an expression."""

    name: str
    literal: Json = None
    expression: Expression | None = None


class Retrier(Struct, frozen=True):
    """One entry of Retry; retry k waits `min(interval_seconds * backoff_rate ** (k - 1), max_delay_seconds)`."""

    error_equals: tuple[str, ...]
    interval_seconds: float = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_seconds: float | None = None
    full_jitter: bool = False


class Catcher(Struct, frozen=True):
    """One entry of Catch. `discards_error` is `"ResultPath": null`: the output is the state's input, unchanged."""

    error_equals: tuple[str, ...]
    next: str
    result_path: Expression | None = None
    discards_error: bool = False
    assign: Expression | None = None
    output: Expression | None = None


class ChoiceRule(Struct, frozen=True):
    """One entry of Choices; `matches(document, scope)` is its compiled condition."""

    matches: Callable[[Json, Any], bool]
    next: str
    assign: Expression | None = None
    output: Expression | None = None
    text: str = ""
    reads: frozenset[str] = frozenset()


class State(Struct, frozen=True, kw_only=True):
    """The attributes of all states. `next` None ends the state machine, or the branch, of the state.

    Expressions are in the state's own `query_language`; those of the other language are None. In JSONPath, None as
    `input_path`, `result_path` or `output_path` is the default `$`; `discards` has the fields that are JSON null.

    Class variables are the facts of a state type. `ends`: it is terminal and has neither Next nor End. `abortable`: a
    stopped execution has an event that it was aborted. `has_result`: it has a result, Retry and Catch. `shape`: its
    shape in a graph.
    """

    type: ClassVar[str]
    ends: ClassVar[bool] = False
    abortable: ClassVar[bool] = False
    has_result: ClassVar[bool] = False
    shape: ClassVar[Literal["box", "diamond", "round"]] = "box"

    name: str
    pointer: Pointer
    query_language: QueryLanguage = "JSONPath"
    comment: str = ""
    next: str | None = None
    input_path: Expression | None = None
    parameters: Expression | None = None
    result_selector: Expression | None = None
    result_path: Expression | None = None
    output_path: Expression | None = None
    arguments: Expression | None = None
    output: Expression | None = None
    assign: Expression | None = None
    discards: frozenset[str] = frozenset()
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()


class Pass(State, frozen=True, kw_only=True):
    """Outputs its input or its Result. `is_constant` is True if there is a Result, which may be null."""

    type = "Pass"

    result: Json = None
    is_constant: bool = False


class Task(State, frozen=True, kw_only=True):
    """Calls a Lambda function, an activity or a service."""

    type = "Task"
    abortable = True
    has_result = True

    resource: Resource
    timeout_seconds: Field | None = None
    heartbeat_seconds: Field | None = None
    credentials: Expression | None = None


class Choice(State, frozen=True, kw_only=True):
    """Transitions by its first matching rule, otherwise to `default`."""

    type = "Choice"
    shape = "diamond"

    choices: tuple[ChoiceRule, ...]
    default: str | None = None


class Wait(State, frozen=True, kw_only=True):
    """Waits `seconds`, or until `timestamp`; exactly one of them is set."""

    type = "Wait"
    abortable = True
    shape = "round"

    seconds: Field | None = None
    timestamp: Field | None = None


class Succeed(State, frozen=True, kw_only=True):
    """Ends the state machine, or the branch, with success."""

    type = "Succeed"
    ends = True
    shape = "round"


class Fail(State, frozen=True, kw_only=True):
    """Ends the state machine with an error."""

    type = "Fail"
    ends = True
    shape = "round"

    error: Field | None = None
    cause: Field | None = None


class StateMachine(Struct, frozen=True):
    """A graph of states: of the state machine, a branch or a Map processor."""

    start_at: str
    states: Mapping[str, State]
    pointer: Pointer = ()
    comment: str = ""


class Parallel(State, frozen=True, kw_only=True):
    """Runs its branches concurrently; the result is the array of their outputs."""

    type = "Parallel"
    abortable = True
    has_result = True

    branches: tuple[StateMachine, ...]


class Map(State, frozen=True, kw_only=True):
    """Runs its processor once for each item; the result is the array of the outputs.

    `items` is ItemsPath or Items; `item_selector` is ItemSelector or its older name, Parameters.
    """

    type = "Map"
    abortable = True
    has_result = True

    processor: StateMachine
    items: Field | None = None
    item_selector: Expression | None = None
    max_concurrency: Field | None = None
    distributed: bool = False
    label: str | None = None
    tolerated_failure_count: Field | None = None
    tolerated_failure_percentage: Field | None = None


class Machine(Struct, frozen=True):
    """A whole definition. `text` is its source text, `sha256` the hash of the text, and `file` its path.

    `substitutions` are the values of its `${Name}` placeholders.
    """

    graph: StateMachine
    query_language: QueryLanguage = "JSONPath"
    timeout_seconds: int | None = None
    comment: str = ""
    name: str = "StateMachine"
    text: str = ""
    sha256: str = ""
    file: str = ""
    substitutions: Mapping[str, Json] = field(default_factory=dict)


STATE_TYPES: Mapping[str, type[State]] = {
    state.type: state for state in (Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map)
}


def every_state(graph: StateMachine) -> list[State]:
    """Return all states of a graph and of all graphs inside it."""
    found: list[State] = []
    graphs = [graph]
    while graphs:
        for state in graphs.pop().states.values():
            found.append(state)
            if isinstance(state, Map):
                graphs.append(state.processor)
            elif isinstance(state, Parallel):
                graphs += state.branches
    return found
