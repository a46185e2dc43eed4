"""A Machine: what a definition says, with every expression compiled. Nothing here does anything.

Records are msgspec Structs all through the package: a frozen dataclass takes fifty times as long to define, which at
seventy of them is most of what it takes to start.

Fields keep AWS's names in snake_case. A field that may be a literal, a path or a JSONata expression (TimeoutSeconds,
TimeoutSecondsPath, `{% %}`) is one attribute here, a Field: the interpreter evaluates it and does not care which.
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
    """A field under the name the definition writes ("TimeoutSecondsPath"), with either a literal or an expression."""

    name: str
    literal: Json = None
    expression: Expression | None = None


class Retrier(Struct, frozen=True):
    """One entry of Retry; its k-th use waits `min(interval_seconds * backoff_rate ** (k - 1), max_delay_seconds)`."""

    error_equals: tuple[str, ...]
    interval_seconds: float = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_seconds: float | None = None
    full_jitter: bool = False


class Catcher(Struct, frozen=True):
    """One entry of Catch. `discards_error` is `"ResultPath": null`: the state's input goes on as it was."""

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
    """What all states have. `next` None ends the machine, or the branch, that the state stands in.

    The expressions are of the state's own `query_language`; those of the other language are None. JSONPath: a None
    `input_path`, `result_path` or `output_path` is the default `$`; the JSON null of `"InputPath": null` is `discards`.
    """

    type: ClassVar[str]

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
    """Passes its input on, or its Result. `has_result` tells a null Result from none."""

    type = "Pass"

    result: Json = None
    has_result: bool = False


class Task(State, frozen=True, kw_only=True):
    """Asks the world: a Lambda function, an activity, a service."""

    type = "Task"

    resource: Resource
    timeout_seconds: Field | None = None
    heartbeat_seconds: Field | None = None
    credentials: Expression | None = None


class Choice(State, frozen=True, kw_only=True):
    """Goes where the first matching rule says, else to `default`."""

    type = "Choice"

    choices: tuple[ChoiceRule, ...]
    default: str | None = None


class Wait(State, frozen=True, kw_only=True):
    """Waits `seconds` or until `timestamp`; exactly one of them is given."""

    type = "Wait"

    seconds: Field | None = None
    timestamp: Field | None = None


class Succeed(State, frozen=True, kw_only=True):
    """Ends the machine, or the branch, with success."""

    type = "Succeed"


class Fail(State, frozen=True, kw_only=True):
    """Ends the machine with an error."""

    type = "Fail"

    error: Field | None = None
    cause: Field | None = None


class StateMachine(Struct, frozen=True):
    """A graph of states: the machine's own, a branch's, or a Map processor's."""

    start_at: str
    states: Mapping[str, State]
    pointer: Pointer = ()
    comment: str = ""


class Parallel(State, frozen=True, kw_only=True):
    """Runs its branches side by side; the result is the array of their outputs."""

    type = "Parallel"

    branches: tuple[StateMachine, ...]


class Map(State, frozen=True, kw_only=True):
    """Runs its processor once for each item; the result is the array of the outputs.

    `items` is ItemsPath or Items, `item_selector` also the older Parameters.
    """

    type = "Map"

    processor: StateMachine
    items: Field | None = None
    item_selector: Expression | None = None
    max_concurrency: Field | None = None
    distributed: bool = False
    label: str | None = None
    tolerated_failure_count: Field | None = None
    tolerated_failure_percentage: Field | None = None


class Machine(Struct, frozen=True):
    """A whole definition. `text` is its source text, `sha256` the hash of it, and `file` where it came from.

    `substitutions` are the values that its `${Name}` placeholders were given.
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
