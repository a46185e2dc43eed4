"""What a JSONPath consists of once it is read: steps and filters, as data.

Each step knows the `fragment` by which Jayway names it in messages, and whether it is `definite`: whether it leads to
at most one value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "Absolute",
    "Criterion",
    "Elements",
    "Filter",
    "Flaw",
    "InnerPath",
    "Names",
    "Operand",
    "PathError",
    "Scan",
    "Step",
    "Wildcard",
    "is_definite",
]


class PathError(Exception):
    """A path that finds nothing, or that cannot be applied to what it meets.

    `path` is the expression as written, `message` Jayway's text ("No results for path: $['x']"), `field` the key of a
    payload template that it stands in ("value.$"). `not_found` is false where a step does not fit the value at all
    (an index on a string): `[*]` skips elements for the former, never for the latter.
    """

    def __init__(self, message: str, *, path: str = "", field: str | None = None, not_found: bool = True) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.field = field
        self.not_found = not_found


class Flaw(Exception):
    """A place in the text of a path that cannot be read; the offset counts from the start of the part being read."""

    def __init__(self, message: str, offset: int, length: int = 1, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.hint = hint

    def moved(self, by: int) -> Flaw:
        """The same flaw, seen from a text that begins `by` characters earlier."""
        return Flaw(self.message, self.offset + by, self.length, self.hint)


@dataclass(frozen=True, slots=True)
class Names:
    """`.a` or `['a','b']`: one member, or an object of those named that there are. Definite either way."""

    names: tuple[str, ...]
    definite: ClassVar[bool] = True

    @property
    def fragment(self) -> str:
        return "[" + ", ".join(f"'{name}'" for name in self.names) + "]"


@dataclass(frozen=True, slots=True)
class Elements:
    """`[0]`, `[0,2]`, `[1:3]`, `[(@.length-1)]`: elements of an array by their index.

    `indices(length)` gives them for an array of that length; one that does not exist is an error. `index` is set for a
    single index alone.
    """

    fragment: str
    definite: bool
    indices: Callable[[int], Iterable[int]]
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`[*]`, `.*`: every element or member."""

    fragment: ClassVar[str] = "[*]"
    definite: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Scan:
    """`..`: everywhere below, in document order."""

    fragment: ClassVar[str] = ".."
    definite: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Absolute:
    """A `$` in the middle of a path, which Jayway reads as a step that stays where it is."""

    fragment: ClassVar[str] = "$"
    definite: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class InnerPath:
    """`@.price` (of the item) or `$.limit` (`of_document`) inside a filter; always definite."""

    steps: tuple[Step, ...]
    of_document: bool


Operand = InnerPath | re.Pattern[str] | str


@dataclass(frozen=True, slots=True)
class Criterion:
    """`left operator right`; the operators "exists" and "missing" have no right side."""

    left: Operand
    operator: str
    right: Operand = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """`[?(a && b || c)]`: `any_of` its groups, of which all criteria must hold; both in the order of evaluation."""

    any_of: tuple[tuple[Criterion, ...], ...]
    fragment: ClassVar[str] = "[?]"
    definite: ClassVar[bool] = False


Step = Names | Elements | Wildcard | Scan | Absolute | Filter


def is_definite(steps: Iterable[Step]) -> bool:
    """Whether a path of these steps leads to at most one value, which is then the result itself and not a list."""
    return all(step.definite for step in steps)
