"""Which names an expression binds itself, and which it expects from outside.

`:=` binds in the block around it, parameters in their function, `@$v` and `#$i` from where they stand on. The body of
a function sees what is bound when it is called, so a name that is missing there is looked for when the block ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct, field

__all__ = ["Mention", "Scopes"]


class Mention(NamedTuple):
    """A word of the expression and where it stands."""

    name: str
    start: int
    end: int


class _Scope(Struct):
    """`missing` are names mentioned in bodies of functions inside, which may still be bound here."""

    is_function: bool = False
    names: set[str] = field(default_factory=set)
    missing: list[Mention] = field(default_factory=list)


class Scopes:
    """The scopes around the word that is read, innermost last."""

    def __init__(self) -> None:
        self._open = [_Scope()]
        self._free: list[Mention] = []

    @property
    def in_function(self) -> bool:
        return any(scope.is_function for scope in self._open)

    def enter(self, *, is_function: bool = False, names: Iterable[str] = ()) -> None:
        self._open.append(_Scope(is_function, set(names)))

    def leave(self) -> None:
        scope = self._open.pop()
        self._open[-1].missing += [mention for mention in scope.missing if mention.name not in scope.names]

    def bind(self, name: str) -> None:
        self._open[-1].names.add(name)

    def mention(self, mention: Mention) -> None:
        """Take note of a variable that is read."""
        for index in range(len(self._open) - 1, -1, -1):
            if mention.name in self._open[index].names:
                return
            if self._open[index].is_function:
                self._open[index - 1].missing.append(mention)
                return
        self._free.append(mention)

    def forget(self, start: int) -> None:
        """The variable mentioned last, at `start`, turned out to be assigned, not read."""
        for mentions in (self._free, *(scope.missing for scope in self._open)):
            if mentions and mentions[-1].start == start:
                mentions.pop()

    def free(self) -> list[Mention]:
        """After the last word: what nothing binds, in order of place."""
        outermost = self._open[0]
        self._free += [mention for mention in outermost.missing if mention.name not in outermost.names]
        return sorted(self._free, key=lambda mention: mention.start)
