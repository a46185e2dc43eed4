"""Evaluation scope of an expression: context object, variables, random numbers and time.

A compiled expression is called as `evaluate(document, scope)`. The document is what `$` stands for: in JSONPath the
value that the field works on, in JSONata the `$states` object (`{"input": …, "result": …, "errorOutput": …}`). Its
member `context` is `scope.context`; it is added only if the expression reads it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct, field

from sfnrun.payload import Json

__all__ = ["Evaluate", "Expression", "PathError", "PlainScope", "Scope"]


class PathError(Exception):
    """A path finds nothing, or cannot be applied to a value.

    `path` is the expression as written, `message` Jayway's text ("No results for path: $['x']"), `field` its key in a
    payload template ("value.$"), `function` the call of an intrinsic function that it is an argument of. `not_found` is
    false if a step does not fit the type of the value, such as an index on a string: `[*]` skips elements that lack a
    value, but fails on those of a wrong type.
    """

    def __init__(self, message: str, *, path: str = "", field: str | None = None, not_found: bool = True) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.field = field
        self.function: str | None = None
        self.not_found = not_found


class Scope(Protocol):
    """What an expression reads besides its document. Its values are never mutated."""

    @property
    def context(self) -> Json:
        """The context object (`$$`, `$states.context`)."""

    @property
    def variables(self) -> Mapping[str, Json]:
        """Workflow variables by name, without the `$`."""

    @property
    def random(self) -> random.Random:
        """The seeded source of States.UUID, States.MathRandom, $uuid and $random."""

    @property
    def now(self) -> int:
        """The engine's time in milliseconds since the Unix epoch, for $now and $millis."""


Evaluate = Callable[[Json, Scope], Json]


class Expression(Protocol):
    """A compiled expression: its text as written, and the function that evaluates it."""

    @property
    def text(self) -> str: ...

    @property
    def reads(self) -> frozenset[str]:
        """Names of the workflow variables that it reads."""

    @property
    def evaluate(self) -> Evaluate: ...


class PlainScope(Struct):
    """A Scope of given parts, for evaluating an expression outside an execution."""

    context: Json = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    random: random.Random = field(default_factory=lambda: random.Random(0))
    now: int = 0
