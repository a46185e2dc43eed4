"""Regular expressions that cannot run away: `re` where it is certainly fast, else a matcher of our own in linear time.

`re` backtracks, so `(a+)+$` takes twice the time with each letter, and nothing stops it. How many steps it may need is
therefore bounded beforehand, from the structure of the pattern and the length of the text. Above `CHEAP` the pattern
runs as a program on a backtracking machine that never tries a position of the program twice at the same character
(RE2's BitState), and that counts its steps. Patterns with backreferences have to try again; there only the count ends
it. Single characters and classes are left to `re`, so both ways agree on what they match.

Sources: https://swtch.com/~rsc/regexp/regexp2.html, and `re2/bitstate.cc`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from sfnrun.expr.meter import Meter

__all__ = ["Match", "Regex", "compile_regex"]

# Steps that `re` may take at most; it does about 50 million a second.
CHEAP = 2_000_000
# Steps of `re` that take as long as one of the machine.
FASTER = 20
# Instructions of a program; `(a{1000}){1000}` has a million.
MAX_PROGRAM = 20_000


class Match(NamedTuple):
    """Where a pattern matched, and its groups from the first on; None for a group that took no part."""

    start: int
    end: int
    groups: tuple[str | None, ...]


class Regex:
    """A compiled pattern."""

    def __init__(self, compiled: re.Pattern[str]) -> None:
        self.pattern = compiled.pattern
        self.compiled = compiled
        self.tree = _Parser(compiled.pattern, compiled.flags).whole()
        self._machine: _Machine | None = None

    def matches(self, text: str, meter: Meter) -> bool:
        """Whether the pattern matches all of the text."""
        steps = _cost(self.tree, len(text)).work
        if steps <= CHEAP:
            meter.spend(1 + int(steps) // FASTER)
            return self.compiled.fullmatch(text) is not None
        return self.machine.run(_Run(text, meter), 0, whole=True) is not None

    def find_all(self, text: str, meter: Meter) -> Iterator[Match]:
        """The matches from left to right, none inside another, up to the first that is empty."""
        steps = (len(text) + 1) * _cost(self.tree, len(text)).work
        if steps <= CHEAP * 10:
            meter.spend(1 + int(steps) // FASTER)
            for each in self.compiled.finditer(text):
                yield Match(*each.span(), each.groups())
                if each.start() == each.end():
                    return
            return
        run = _Run(text, meter)
        at = 0
        while (found := self.machine.search(run, at)) is not None:
            yield found
            if found.start == found.end:
                return
            at = found.end
            run.forget(at)

    @property
    def machine(self) -> _Machine:
        if self._machine is None:
            self._machine = _Machine(self.tree, self.compiled.groups)
        return self._machine


def compile_regex(pattern: str, flags: int = 0) -> Regex:
    """The pattern in the syntax of `re`. Raises re.error, also for what only `re` has: conditions, verbose patterns."""
    return Regex(re.compile(pattern, flags))


# --- structure -------------------------------------------------------------------------------------------------------


class Char(NamedTuple):
    """One character: a literal, a class or a dot, as a pattern of `re`."""

    pattern: str
    flags: int


class At(NamedTuple):
    """A position, such as `^` and `$`, as a pattern of `re`."""

    pattern: str
    flags: int


class Join(NamedTuple):
    """One after the other."""

    parts: tuple[Node, ...]


class Either(NamedTuple):
    """One of them, the first preferred."""

    parts: tuple[Node, ...]


class Repeat(NamedTuple):
    """From `least` to `most` times (None: any number); `kind` is "" (greedy), "?" (lazy) or "+" (possessive)."""

    part: Node
    least: int
    most: int | None
    kind: str


class Group(NamedTuple):
    """A group with a number."""

    part: Node
    number: int


class Apart(NamedTuple):
    """Matched for itself: `(?=`, `(?!`, `(?<=`, `(?<!`, and `(?>`, which alone takes the characters that it matches."""

    part: Node
    kind: str


class Again(NamedTuple):
    """What a group matched, once more."""

    number: int
    ignore_case: bool


Node = Char | At | Join | Either | Repeat | Group | Apart | Again

_PIECE = re.compile(
    r"""(?P<group> \( (?: \?(?: P?<(?P<name>[^\W\d]\w*)> | (?P<kind><?[=!]|>|:) | (?P<comment>\#[^)]*\))
            | P=(?P<same>\w+)\) | (?P<flags>[aiLmsux]*(?:-[imsx]+)?)(?P<scope>[:)]) | (?P<other>) ) )? )
    | (?P<class> \[ \^? \]? (?: \\. | [^\]\\] )* \] )
    | (?P<escape> \\ (?: x[0-9a-fA-F]{2} | u[0-9a-fA-F]{4} | U[0-9a-fA-F]{8} | N\{[^}]*\} | 0[0-7]{0,2} | [1-7][0-7]{2}
            | (?P<number>[1-9][0-9]?) | . ) )
    | (?P<at> [\^$] )
    | (?P<char> . )""",
    re.VERBOSE | re.DOTALL,
)
_QUANTIFIER = re.compile(r"(?:([*+?])|\{(?:(\d+)(,?)(\d*)|,(\d*))\})([?+]?)")
_FLAGS = {"a": re.ASCII, "i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "u": re.UNICODE}


class _Parser:
    """Reads a pattern that `re` has compiled, so it looks for structure and never for mistakes."""

    def __init__(self, pattern: str, flags: int) -> None:
        if flags & re.VERBOSE:
            raise re.error("a verbose pattern is not supported", pattern)
        self.pattern = pattern
        self.at = 0
        self.flags = flags
        self.names: dict[str, int] = {}
        self.groups = 0

    def whole(self) -> Node:
        return self.alternatives()

    def alternatives(self) -> Node:
        branches: list[tuple[Node, ...]] = []
        parts: list[Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.pattern[self.at] == "|":
                self.at += 1
                branches.append(tuple(parts))
                parts = []
            elif (part := self.piece()) is not None:
                parts.append(self.quantified(part))
        if not branches:
            return parts[0] if len(parts) == 1 else Join(tuple(parts))
        return Either(tuple(Join(branch) for branch in (*branches, tuple(parts))))

    def piece(self) -> Node | None:
        found = _PIECE.match(self.pattern, self.at)
        assert found is not None
        self.at = found.end()
        if found["group"]:
            return self.group(found)
        text = found.group()
        if found["number"]:
            return Again(int(found["number"]), bool(self.flags & re.IGNORECASE))
        is_place = found["at"] or (found["escape"] and text[1] in "bBAZz")
        return At(text, self.flags) if is_place else Char(text, self.flags)

    def group(self, found: re.Match[str]) -> Node | None:
        if found["comment"]:
            return None
        if found["same"]:
            name = found["same"]
            number = int(name) if name.isdecimal() else self.names[name]
            return Again(number, bool(self.flags & re.IGNORECASE))
        if found["other"] is not None:
            raise re.error("a condition in a pattern is not supported", self.pattern, found.start())
        before = self.flags
        if found["scope"]:
            self.set_flags(found["flags"])
            if found["scope"] == ")":
                return None
        number = 0
        if found.group() == "(" or found["name"]:
            number = self.groups = self.groups + 1
            if found["name"]:
                self.names[found["name"]] = number
        part = self.alternatives()
        self.at += 1  # the closing parenthesis
        self.flags = before
        if number:
            return Group(part, number)
        return part if found["kind"] in (":", None) else Apart(part, found["kind"])

    def set_flags(self, text: str) -> None:
        on, _, off = text.partition("-")
        if "x" in on:
            raise re.error("a verbose pattern is not supported", self.pattern)
        for letter in on:
            if letter in "au":
                self.flags &= ~(re.ASCII | re.UNICODE)
            self.flags |= _FLAGS[letter]
        for letter in off:
            self.flags &= ~_FLAGS[letter]

    def quantified(self, part: Node) -> Node:
        while found := _QUANTIFIER.match(self.pattern, self.at):
            self.at = found.end()
            sign, least, comma, most, up_to, kind = found.groups()
            if sign:
                bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            elif up_to is not None:
                bounds = (0, int(up_to) if up_to else None)
            else:
                bounds = (int(least), int(most) if most else None if comma else int(least))
            part = Repeat(part, *bounds, kind)
        return part


# --- how long it may take --------------------------------------------------------------------------------------------


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
            # Each time multiplies the ways; the exponent is cut where the result is too large in any case.
            ways = min(cost.ways, 1e9) ** min(times, 40)
            return _Cost(ways * cost.work + 1, 1 if kind == "+" else ways)
        case Group(part, _):
            return _cost(part, length)
        case Apart(part, _):
            return _Cost(_cost(part, length).work, 1)
        case Again():
            return _Cost(length + 1.0, 1)
    return _Cost(1, 1)


# --- the machine -----------------------------------------------------------------------------------------------------

_CHAR, _AT, _SPLIT, _JUMP, _SAVE, _APART, _AGAIN, _END = range(8)


class _Instruction(NamedTuple):
    """`to` is where a jump leads and the first choice of a split, `other` the second and the end of a part apart."""

    code: int
    test: re.Pattern[str] | None = None
    to: int = 0
    other: int = 0
    kind: str = ""


_Tried = bytearray | defaultdict[int, int]
"""1 for what has been tried, by place in the text and instruction; sparse where only a few places are looked at."""


class _Run:
    """One text that a program runs over: what has been tried, and the steps that are left."""

    def __init__(self, text: str, meter: Meter) -> None:
        self.text = text
        self.meter = meter
        self.tried: bytearray | None = None
        self.size = 0

    def begin(self, size: int, *, remember: bool) -> None:
        if remember and self.tried is None:
            self.size = size
            self.meter.spend_bytes(size * (len(self.text) + 1) // 8)
            self.tried = bytearray(size * (len(self.text) + 1))

    def forget(self, end: int) -> None:
        """After a match: what was tried at its end belongs to it, what was tried behind it failed and fails again."""
        if self.tried is not None:
            self.tried[end * self.size : (end + 1) * self.size] = bytes(self.size)


class _Machine:
    def __init__(self, tree: Node, groups: int) -> None:
        self.program: list[_Instruction] = []
        self.groups = groups
        self.remembers = True
        self.write(tree)
        self.add(_Instruction(_END))
        self.first = self.program[0].test if self.program[0].code == _CHAR else None

    # -- writing the program

    def add(self, instruction: _Instruction) -> int:
        if len(self.program) >= MAX_PROGRAM:
            raise re.error("the pattern is too large")
        self.program.append(instruction)
        return len(self.program) - 1

    def write(self, node: Node) -> None:
        match node:
            case Char(pattern, flags):
                self.add(_Instruction(_CHAR, re.compile(pattern, flags)))
            case At(pattern, flags):
                self.add(_Instruction(_AT, re.compile(pattern, flags)))
            case Join(parts):
                for part in parts:
                    self.write(part)
            case Either(parts):
                self.either(parts)
            case Repeat(part, least, most, "+"):
                self.apart(Repeat(part, least, most, ""), ">")
            case Repeat(part, least, most, kind):
                self.repeat(part, least, most, is_lazy=kind == "?")
            case Group(part, number):
                self.add(_Instruction(_SAVE, to=2 * number))
                self.write(part)
                self.add(_Instruction(_SAVE, to=2 * number + 1))
            case Apart(part, kind):
                self.apart(part, kind)
            case Again(number, ignore_case):
                self.remembers = False
                self.add(_Instruction(_AGAIN, to=number, kind="i" if ignore_case else ""))

    def either(self, parts: tuple[Node, ...]) -> None:
        leaving = []
        for part in parts[:-1]:
            split = self.add(_Instruction(_SPLIT))
            self.write(part)
            leaving.append(self.add(_Instruction(_JUMP)))
            self.program[split] = _Instruction(_SPLIT, to=split + 1, other=len(self.program))
        self.write(parts[-1])
        for jump in leaving:
            self.program[jump] = _Instruction(_JUMP, to=len(self.program))

    def repeat(self, part: Node, least: int, most: int | None, *, is_lazy: bool) -> None:
        for _ in range(least):
            self.write(part)
        splits = []
        for _ in range(1 if most is None else most - least):
            splits.append(self.add(_Instruction(_SPLIT)))
            self.write(part)
        if most is None:
            self.add(_Instruction(_JUMP, to=splits[0]))
        for split in splits:
            inside, after = split + 1, len(self.program)
            to, other = (after, inside) if is_lazy else (inside, after)
            self.program[split] = _Instruction(_SPLIT, to=to, other=other)

    def apart(self, part: Node, kind: str) -> None:
        start = self.add(_Instruction(_APART))
        self.write(part)
        end = self.add(_Instruction(_END))
        width = _width(part) if kind.startswith("<") else 0
        self.program[start] = _Instruction(_APART, to=width, other=end + 1, kind=kind)

    # -- running it

    def search(self, run: _Run, at: int) -> Match | None:
        """The first match that begins at `at` or later."""
        while at <= len(run.text):
            if self.first is not None:
                candidate = self.first.search(run.text, at)
                if candidate is None:
                    return None
                at = candidate.start()
            run.meter.spend(1)
            found = self.run(run, at)
            if found is not None:
                return found
            at += 1
        return None

    def run(self, run: _Run, at: int, *, whole: bool = False) -> Match | None:
        """The match that begins at `at`, of all the text if `whole`."""
        run.begin(len(self.program), remember=self.remembers)
        saved: list[int] = [-1] * (2 * self.groups + 2)
        end = self.part(run, 0, at, saved, run.tried, whole)
        if end is None:
            return None
        spans = zip(saved[2::2], saved[3::2], strict=True)
        return Match(at, end, tuple(run.text[start:stop] if stop >= 0 else None for start, stop in spans))

    def part(
        self, run: _Run, pc: int, at: int, saved: list[int], tried: _Tried | None, whole: bool = False
    ) -> int | None:
        """Where the part of the program that begins at `pc` matches to; its groups are left in `saved`."""
        program, text, size, spend = self.program, run.text, len(self.program), run.meter.spend
        # What to try next: (pc, at), or (-slot - 1, value) to put back a group on the way.
        waiting: list[tuple[int, int]] = [(pc, at)]
        while waiting:
            pc, at = waiting.pop()
            if pc < 0:
                saved[-pc - 1] = at
                continue
            steps = 0
            while True:
                steps += 1
                if tried is not None:
                    slot = at * size + pc
                    if tried[slot]:
                        break
                    tried[slot] = 1
                elif steps > 10_000:
                    spend(steps)
                    steps = 0
                code, test, to, other, kind = program[pc]
                pc += 1
                if test is not None:
                    if test.match(text, at) is None:
                        break
                    at += code == _CHAR
                elif code == _SPLIT:
                    waiting.append((other, at))
                    pc = to
                elif code == _JUMP:
                    pc = to
                elif code == _SAVE:
                    waiting.append((-to - 1, saved[to]))
                    saved[to] = at
                elif code == _AGAIN:
                    length = self.again(text, at, saved, to, kind)
                    if length is None:
                        break
                    at += length
                elif code == _APART:
                    after = self.apart_at(run, pc, at, saved, kind, to)
                    if after is None:
                        break
                    at, pc = after, other
                elif not whole or at == len(text):
                    spend(steps)
                    return at
                else:
                    break
            spend(steps)
        return None

    def again(self, text: str, at: int, saved: list[int], number: int, kind: str) -> int | None:
        """The length of what a group matched, if it is here once more."""
        start, end = saved[2 * number : 2 * number + 2]
        before, here = text[start:end], text[at : at + end - start]
        is_same = here == before or (kind == "i" and here.lower() == before.lower())
        return end - start if end >= 0 and is_same else None

    def apart_at(self, run: _Run, pc: int, at: int, saved: list[int], kind: str, width: int) -> int | None:
        """Where to go on after a look-around or an atomic group; None if it does not hold."""
        begin = at - width
        inner = saved.copy()
        tried: _Tried | None = defaultdict(int) if self.remembers else None
        end = self.part(run, pc, begin, inner, tried) if begin >= 0 else None
        if kind.endswith("!"):
            return at if end is None else None
        if end is None or (kind == "<=" and end != at):
            return None
        saved[:] = inner
        return end if kind == ">" else at


def _width(node: Node) -> int:
    """The number of characters of a look-behind, which is the same for all that it matches."""
    match node:
        case Char():
            return 1
        case Join(parts):
            return sum(map(_width, parts))
        case Either(parts):
            return _width(parts[0])
        case Repeat(part, least, _, _):
            return least * _width(part)
        case Group(part, _):
            return _width(part)
    return 0
