"""The structure of a regular expression in the syntax of `re`, down to single characters and classes."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Again", "Apart", "At", "Char", "Either", "Group", "Join", "Node", "Repeat", "parse", "width"]


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


def parse(compiled: re.Pattern[str]) -> Node:
    """The structure of a pattern. Raises re.error for what only `re` has: conditions, verbose patterns."""
    return _Parser(compiled.pattern, compiled.flags).whole()


def width(node: Node) -> int:
    """The number of characters of a look-behind, which is the same for all that it matches."""
    match node:
        case Char():
            return 1
        case Join(parts):
            return sum(map(width, parts))
        case Either(parts):
            return width(parts[0])
        case Repeat(part, least, _, _):
            return least * width(part)
        case Group(part, _):
            return width(part)
    return 0
