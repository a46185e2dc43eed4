"""A backtracking machine that tries no instruction twice at the same character, so that it takes linear time.

Sources: https://swtch.com/~rsc/regexp/regexp2.html, and `re2/bitstate.cc`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import NamedTuple

from sfnrun.expr.meter import Exceeded, Meter
from sfnrun.expr.regex.tree import Again, Apart, At, Char, Either, Group, Join, Node, Repeat, width

__all__ = ["Machine", "Match", "Run"]

# Instructions of a program; `(a{1000}){1000}` has a million.
MAX_PROGRAM = 20_000


class Match(NamedTuple):
    """Where a pattern matched, and its groups from the first on; None for a group that took no part."""

    start: int
    end: int
    groups: tuple[str | None, ...]


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


class Run:
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


class Machine:
    """The program of one pattern. Raises Exceeded if it is too large."""

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
            raise Exceeded("States.Runtime", "a pattern in it is too large")
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
        behind = width(part) if kind.startswith("<") else 0
        self.program[start] = _Instruction(_APART, to=behind, other=end + 1, kind=kind)

    # -- running it

    def search(self, run: Run, at: int) -> Match | None:
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

    def run(self, run: Run, at: int, *, whole: bool = False) -> Match | None:
        """The match that begins at `at`, of all the text if `whole`."""
        run.begin(len(self.program), remember=self.remembers)
        saved: list[int] = [-1] * (2 * self.groups + 2)
        end = self.part(run, 0, at, saved, run.tried, whole)
        if end is None:
            return None
        spans = zip(saved[2::2], saved[3::2], strict=True)
        return Match(at, end, tuple(run.text[start:stop] if stop >= 0 else None for start, stop in spans))

    def part(
        self, run: Run, pc: int, at: int, saved: list[int], tried: _Tried | None, whole: bool = False
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
                    after = self.apart_at(run, pc, at, saved, kind, to, waiting)
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

    def apart_at(
        self, run: Run, pc: int, at: int, saved: list[int], kind: str, behind: int, waiting: list[tuple[int, int]]
    ) -> int | None:
        """Where to go on after a look-around or an atomic group; None if it does not hold."""
        begin = at - behind
        inner = saved.copy()
        tried: _Tried | None = defaultdict(int) if self.remembers else None
        end = self.part(run, pc, begin, inner, tried) if begin >= 0 else None
        if kind.endswith("!"):
            return at if end is None else None
        if end is None or (kind == "<=" and end != at):
            return None
        waiting += [(-slot - 1, before) for slot, before in enumerate(saved) if inner[slot] != before]
        saved[:] = inner
        return end if kind == ">" else at
