"""Regular expressions that cannot run away: `re` where it is certainly fast, else a matcher of our own in linear time.

`re` backtracks, so `(a+)+$` takes twice the time with each letter, and nothing stops it. How many steps it may need is
therefore bounded beforehand, from the structure of the pattern and the length of the text. Above `CHEAP` the pattern
runs as a program on a backtracking machine that never tries a position of the program twice at the same character
(RE2's BitState), and that counts its steps. Patterns with backreferences have to try again; there only the count ends
it. Single characters and classes are left to `re`, so both ways agree on what they match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sfnrun.expr.meter import Meter
from sfnrun.expr.regex.machine import Machine, Match, Run
from sfnrun.expr.regex.tree import Again, Apart, Either, Group, Join, Node, Repeat, parse

__all__ = ["Match", "Regex", "compile_regex"]

# Steps that `re` may take at most; it does about 50 million a second.
CHEAP = 2_000_000
# Steps of `re` that take as long as one of the machine.
FASTER = 20


class Regex:
    """A compiled pattern."""

    def __init__(self, compiled: re.Pattern[str]) -> None:
        self.pattern = compiled.pattern
        self.compiled = compiled
        self.tree = parse(compiled)
        self._machine: Machine | None = None
        self._work: dict[int, float] = {}

    def matches(self, text: str, meter: Meter) -> bool:
        """Whether the pattern matches all of the text."""
        steps = self.work(len(text))
        if steps <= CHEAP:
            meter.spend(1 + int(steps) // FASTER)
            return self.compiled.fullmatch(text) is not None
        return self.machine.run(Run(text, meter), 0, whole=True) is not None

    def find_all(self, text: str, meter: Meter) -> Iterator[Match]:
        """The matches from left to right, none inside another, up to the first that is empty."""
        steps = (len(text) + 1) * self.work(len(text))
        if steps <= CHEAP * 10:
            meter.spend(1 + int(steps) // FASTER)
            for each in self.compiled.finditer(text):
                yield Match(*each.span(), each.groups())
                if each.start() == each.end():
                    return
            return
        run = Run(text, meter)
        at = 0
        while (found := self.machine.search(run, at)) is not None:
            yield found
            if found.start == found.end:
                return
            at = found.end
            run.forget(at)

    def work(self, length: int) -> float:
        """The steps that `re` takes at most from one place of a text, rounded up to lengths that are powers of two."""
        rounded = 1 << length.bit_length()
        if rounded not in self._work:
            self._work[rounded] = _cost(self.tree, rounded).work
        return self._work[rounded]

    @property
    def machine(self) -> Machine:
        if self._machine is None:
            self._machine = Machine(self.tree, self.compiled.groups)
        return self._machine


def compile_regex(pattern: str, flags: int = 0) -> Regex:
    """The pattern in the syntax of `re`. Raises re.error, also for what only `re` has: conditions, verbose patterns."""
    return Regex(re.compile(pattern, flags))


class _Cost(NamedTuple):
    """At one start: the steps at most, and in how many ways it may match, each of which is tried if the rest fails."""

    work: float
    ways: float


def _cost(node: Node, length: int) -> _Cost:
    match node:
        case Join(parts):
            work, ways = 1.0, 1.0
            for part in parts:
                cost = _cost(part, length)
                work += ways * cost.work
                ways *= cost.ways
            return _Cost(work, ways)
        case Either(parts):
            costs = [_cost(part, length) for part in parts]
            return _Cost(sum(cost.work for cost in costs), sum(cost.ways for cost in costs))
        case Repeat(part, least, most, kind):
            cost = _cost(part, length)
            times = length if most is None else min(most, length)
            times = max(times, least)
            if cost.ways <= 1:
                return _Cost(times * cost.work + 1, 1 if kind == "+" else max(1, times - least + 1))
            # Each time multiplies the ways; both are cut where the result is too large in any case.
            ways = min(cost.ways, 1e6) ** min(times, 40)
            return _Cost(ways * cost.work + 1, 1 if kind == "+" else ways)
        case Group(part, _):
            return _cost(part, length)
        case Apart(part, _):
            return _Cost(_cost(part, length).work, 1)
        case Again():
            return _Cost(length + 1.0, 1)
    return _Cost(1, 1)
