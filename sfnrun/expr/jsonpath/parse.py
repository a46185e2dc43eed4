"""Parse a path to steps as Jayway JsonPath 2.0.0 does, with the oddities of its scanner, which existing paths rely on.

A dotted name extends to the next `.`, `[` or space, so `$.x-y` and `$.length()` are names. Between brackets the first
distinctive character decides (`?` a filter, `'` names, a digit or `-`, `:`, `@` indices) and the text before it is
skipped. Brackets are matched without regard to quotes, and nothing is unescaped. All this was checked against the
library; AWS runs this version, and later ones differ (see the README, Expressions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from sfnrun.expr.jsonpath.steps import Absolute, Elements, Flaw, Names, Scan, Step, Wildcard

__all__ = ["JAVA_BLANKS", "parse_steps"]

# The characters that String.trim() of Java removes.
JAVA_BLANKS = "".join(map(chr, range(33)))

# Each step takes a stack frame when a path with several results is evaluated.
MAX_STEPS = 200

_NAME_END = re.compile(r"[.\[ ]|$(?!\n)")
_BARE_FILTER = re.compile(r"\[\s*\?\s*[,\s*?]*\s*\]")
_NUMBER = re.compile(r"-?\d+")


def parse_steps(body: str) -> tuple[Step, ...]:
    """Parse a path without its root, `.a[0]` for `$.a[0]`. Raises Flaw."""
    if body and body[0] not in ".[":
        raise Flaw("expected `.` or `[` after the root of the path", 0)
    if body.endswith(".."):
        raise Flaw("a path cannot end with `..`", len(body) - 2, 2, "add a name or a wildcard: $..name or $..*")
    steps: list[Step] = []
    position = 0
    while position < len(body):
        position, step = _READERS.get(body[position], _read_name)(body, position)
        if step is not None:
            steps.append(step)
    if len(steps) > MAX_STEPS:
        raise Flaw(f"the path has more than {MAX_STEPS} steps", 0, len(body))
    return tuple(steps)


Read = tuple[int, Step | None]


def _read_blank(body: str, at: int) -> Read:
    raise Flaw("unexpected space in a path", at, 1, "write names with spaces as ['a name']")


def _read_root(body: str, at: int) -> Read:
    return at + 1, Absolute()


def _read_star(body: str, at: int) -> Read:
    return at + 1, Wildcard()


def _read_dot(body: str, at: int) -> Read:
    after = at + 1
    if after == len(body):
        raise Flaw("a path cannot end with a `.`", at)
    if body[after] == ".":
        return after + 1, Scan()
    if body[after] in "[ ":
        return after, None
    return _read_name(body, after)


def _read_name(body: str, at: int) -> Read:
    end = _name_end(body, at)
    name = body[at:end]
    if name == "*":
        return end, Wildcard()
    if "'" in name or "]" in name:
        return end, Names(_quoted(f"'{name}']", at - 1))
    return end, Names((name,))


def _name_end(body: str, at: int) -> int:
    found = _NAME_END.search(body, at)
    return found.start() if found else len(body)


def _read_bracket(body: str, at: int) -> Read:
    end = _bracket_end(body, at)
    try:
        return end, _analyze(body[at:end])
    except Flaw as flaw:
        raise flaw.moved(at) from None


def _bracket_end(body: str, at: int) -> int:
    """The offset after the `]` that closes the bracket, quotes ignored; the end of the text if there is none."""
    depth = 0
    for position in range(at, len(body)):
        depth += (body[position] == "[") - (body[position] == "]")
        if depth == 0:
            return position + 1
    return len(body)


_READERS: dict[str, Callable[[str, int], Read]] = {
    " ": _read_blank,
    "$": _read_root,
    "*": _read_star,
    ".": _read_dot,
    "[": _read_bracket,
}


def _analyze(bracket: str) -> Step:
    if bracket == "[*]":
        return Wildcard()
    if _BARE_FILTER.fullmatch(bracket):
        raise Flaw("the filter has no condition", 0, len(bracket), "write it as [?(@.price > 10)]")
    for position, character in enumerate(bracket):
        if character == "?":
            from sfnrun.expr.jsonpath.filters import parse_filter  # few paths have filters

            return parse_filter(bracket, position, parse_steps)
        if character == "'":
            return Names(_quoted(bracket[position:], position))
        if character.isdecimal() or character in ":-@":
            return _elements(bracket, position)
    if not bracket.endswith("]"):
        raise Flaw("a bracket is not closed", 0, len(bracket))
    hint = "put names in single quotes: ['name']" if '"' in bracket or bracket[1:-1].isidentifier() else ""
    raise Flaw(f"{bracket} is not a name, an index, a slice or a filter", 0, len(bracket), hint)


def _quoted(text: str, offset: int) -> tuple[str, ...]:
    """The quoted names of `'a','b']`, up to the first `]`."""
    inside, closed, _ = text.partition("]")
    if not closed:
        raise Flaw("a bracket is not closed", offset, len(text), "names in a path cannot contain brackets")
    # Every second part is a name; the last part is ignored if its closing quote is missing.
    parts = inside.split("'")
    return tuple(parts[1 : len(parts) - 1 : 2])


def _integer(text: str, offset: int) -> int:
    number = int(text) if _NUMBER.fullmatch(text) and len(text) < 20 else None
    if number is None or not -(2**31) <= number < 2**31:
        raise Flaw(f"{text!r} is not an index" if text else "expected an index", offset, max(1, len(text)))
    return number


def _elements(bracket: str, at: int) -> Elements:
    if bracket[at] == "@":
        return _from_the_end(bracket, at)
    cursor = _Indices(bracket, at)
    cursor.read()
    return cursor.elements()


def _from_the_end(bracket: str, at: int) -> Elements:
    """Parse `[(@.length-1)]`; spaces, and parentheses before the minus, are ignored."""
    minus, close = bracket.find("-", at + 2), bracket.find(")", at + 2)
    close = bracket.find(")", minus)
    if minus < 0 or close < 0:
        raise Flaw("invalid index from the end", at, max(1, len(bracket) - at - 1), "write it as [(@.length-1)]")
    function = bracket[at + 2 : minus].translate(_BLANKS_AND_PARENTHESES)
    if function not in ("size", "length"):
        raise Flaw(f"unknown function @.{function}", at, minus - at, "write an index from the end as [(@.length-1)]")
    offset = _integer(bracket[minus:close].replace(" ", ""), minus)
    return Elements(f"[@.size(){offset}]", True, lambda length: (length + offset,))


_BLANKS_AND_PARENTHESES = {ord(character): None for character in " ()"}


class _Indices:
    """Parses `0`, `0,2`, `1:3`, `-2:` and `:4`, and variants of them that Jayway accepts."""

    def __init__(self, bracket: str, at: int) -> None:
        self.bracket = bracket
        self.at = at
        self.buffer = ""
        self.numbers: list[int] = []
        self.kinds: set[str] = set()

    @property
    def current(self) -> str:
        if self.at >= len(self.bracket):
            raise Flaw("a bracket is not closed", 0, len(self.bracket))
        return self.bracket[self.at]

    def read(self) -> None:
        while self.current.isdecimal() or self.current in ", :-":
            if self.current == ":":
                self._colon()
                if self.current == "]":
                    break
            elif self.current == ",":
                self._number()
                self.kinds.add("sequence")
            elif self.current != " ":
                self.buffer += self.current
            # After a slice this skips any character: the third part of [0:5:2] is read and ignored.
            self.at += 1
        if self.buffer:
            self._number()

    def _colon(self) -> None:
        starts = bool(self.buffer)
        if starts:
            self._number()
        self.at += 1
        while self.current.isdecimal() or self.current in " -":
            self.buffer += self.current.strip()
            self.at += 1
        if starts and not self.buffer:
            self.kinds.add("from")
            return
        self.kinds.add("between" if starts else "to")
        self._number()

    def _number(self) -> None:
        self.numbers.append(_integer(self.buffer, max(0, self.at - len(self.buffer))))
        self.buffer = ""

    def elements(self) -> Elements:
        first, *more = self.numbers
        if not more and not self.kinds & {"from", "to"}:
            return Elements(f"[{first}]", True, lambda length: (first,), first)
        if "sequence" in self.kinds:
            listed = tuple(self.numbers)
            repeats = len(set(listed)) < len(listed)
            return Elements(f"[{','.join(map(str, listed))}]", False, lambda length: listed, repeats=repeats)
        if "from" in self.kinds:
            return Elements(f"[{first}:]", False, _from(first))
        if "to" in self.kinds:
            return Elements(f"[:{first}]", False, _to(first))
        return Elements(f"[{first}:{more[0]}]", False, _between(first, more[0]))


def _from(start: int) -> Callable[[int], Iterable[int]]:
    return lambda length: range(max(0, start + length if start < 0 else start), length)


def _to(stop: int) -> Callable[[int], Iterable[int]]:
    return lambda length: range(min(length, stop + length if stop < 0 else stop))


def _between(start: int, stop: int) -> Callable[[int], Iterable[int]]:
    """The only slice whose negative bounds do not count from the end."""
    return lambda length: range(start, min(length, stop)) if length else ()
