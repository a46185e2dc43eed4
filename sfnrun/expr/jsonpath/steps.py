"""The structure of a parsed JSONPath: steps and filters.

Each step has the `fragment` that Jayway prints in messages, and is `definite` if it leads to at most one value. Steps
are NamedTuples, which are defined seven times as fast as frozen dataclasses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sfnrun.payload import Json, dumps

if TYPE_CHECKING:
    from sfnrun.expr.regex import Regex

__all__ = [
    "Absolute",
    "Criterion",
    "Elements",
    "Filter",
    "Flaw",
    "InnerPath",
    "Names",
    "Operand",
    "Scan",
    "Step",
    "Wildcard",
    "is_definite",
    "java_text",
]


class Flaw(Exception):
    """A syntax error in a path; the offset counts from the start of the part that is being parsed."""

    def __init__(self, message: str, offset: int, length: int = 1, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.hint = hint

    def moved(self, by: int) -> Flaw:
        """The same error in a text that begins `by` characters earlier."""
        return Flaw(self.message, self.offset + by, self.length, self.hint)


class Names(NamedTuple):
    """`.a` or `['a','b']`: one member, or an object of the named members that exist. Both are definite."""

    names: tuple[str, ...]

    @property
    def definite(self) -> bool:
        return True

    @property
    def fragment(self) -> str:
        return "[" + ", ".join(f"'{name}'" for name in self.names) + "]"


class Elements(NamedTuple):
    """`[0]`, `[0,2]`, `[1:3]`, `[(@.length-1)]`: elements of an array by their index.

    `indices(length)` gives them for an array of that length; one that does not exist is an error. `single` is the index
    if there is only one, counted from the start; `repeats` is true if an index is listed twice.
    """

    fragment: str
    definite: bool
    indices: Callable[[int], Iterable[int]]
    single: int | None = None
    repeats: bool = False


class Wildcard:
    """`[*]`, `.*`: every element or member."""

    fragment = "[*]"
    definite = False


class Scan:
    """`..`: all descendants, in document order."""

    fragment = ".."
    definite = False


class Absolute:
    """A `$` in the middle of a path, which Jayway reads as a step to the same value."""

    fragment = "$"
    definite = True


class InnerPath(NamedTuple):
    """`@.price` (of the item) or `$.limit` (`of_document`) inside a filter; always definite."""

    steps: tuple[Step, ...]
    of_document: bool


Operand: TypeAlias = "InnerPath | Regex | str"


class Criterion(NamedTuple):
    """`left operator right`; the operators "exists" and "missing" have no right side."""

    left: Operand
    operator: str
    right: Operand = ""


class Filter(NamedTuple):
    """`[?(a && b || c)]`: all criteria of at least one group hold; both are in the order of evaluation."""

    any_of: tuple[tuple[Criterion, ...], ...]

    @property
    def definite(self) -> bool:
        return False

    @property
    def fragment(self) -> str:
        return "[?]"


Step = Names | Elements | Wildcard | Scan | Absolute | Filter


def is_definite(steps: Iterable[Step]) -> bool:
    """Whether a path of these steps leads to at most one value, which is then its result instead of a list."""
    return all(step.definite for step in steps)


def java_text(value: Json) -> str:
    """A value as Jayway prints it in its messages: strings bare, everything else as JSON."""
    return value if isinstance(value, str) else dumps(value)
