"""Implement $split by a regex and $replace: in jlens they take quadratic time, and only their result is measured.

A call is rewritten before the engine sees it: `$split(text, /, /)` is then `$__split(text, {"regex": ", ", …})`. A
regex is one that means the same to JavaScript and to `re`; calls with any other stay in the engine. The
functions follow jsonata.js 2.0.6, src/functions.js, and tests/fuzz compares them with the engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

from sfnrun.expr.jsonata.functions import HostFunction, Thrown
from sfnrun.expr.jsonata.scan import Mentions
from sfnrun.expr.meter import MAX_BYTES, Exceeded, Meter
from sfnrun.expr.regex import Regex, compile_regex
from sfnrun.expr.scope import Scope
from sfnrun.payload import Json, dumps

__all__ = ["TEXT_FUNCTIONS", "Rewritten", "rewritten"]


class Rewritten(NamedTuple):
    """An expression that calls host functions of this module, and their names."""

    text: str
    names: frozenset[str]


def rewritten(text: str, found: Mentions, hidden: Collection[str]) -> Rewritten:
    """Replace calls by calls of host functions, except for the names in `hidden`, which workflow variables hide."""
    edits: dict[tuple[int, int], str] = {}
    names: set[str] = set()
    patterns = {call.start: regex for call, regex in found.patterns}
    for call in found.calls:
        regex = patterns.get(call.start)
        pattern = None if regex is None else _written(regex.name)
        if call.name in hidden or call.name not in TEXT_FUNCTIONS or (pattern is None and call.name == "split"):
            continue
        names.add(call.name)
        edits[call.start, call.end] = f"${TEXT_FUNCTIONS[call.name].name}"
        if regex is not None and pattern is not None:
            edits[regex.start, regex.end] = pattern
    for start, end in sorted(edits, reverse=True):
        text = text[:start] + edits[start, end] + text[end:]
    return Rewritten(text, frozenset(names))


def _written(regex: str) -> str | None:
    source, _, flags = regex[1:].rpartition("/")
    return None if compiled(source, flags) is None else dumps({"regex": source, "flags": flags})


# --- JavaScript's regular expressions -------------------------------------------------------------------------------

_SPACES = r"\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACES}
_CONTROLS = {"n": r"\n", "r": r"\r", "t": r"\t", "v": r"\v", "f": r"\f"}
_JAVASCRIPT = re.compile(
    r"""(?P<class>\[\^?(?!\])(?:\\.|[^\]\\])*\]) | \\(?P<escape>u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[^ux])
    | (?P<open>\((?:\?(?:[:=!]|<(?![=!])[A-Za-z_]\w*>))?) | (?P<count>\{\d+(?:,\d*)?\}) | (?P<plain>[^\[\]\\(){}])
    | (?P<close>\))""",
    re.VERBOSE | re.DOTALL,
)
_MEMBER = re.compile(r"\\(?P<escape>u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[^ux])|(?P<plain>[^\\])", re.DOTALL)
_REPEATED = ("*", "+", "?", "{")


@lru_cache(maxsize=256)
def compiled(source: str, flags: str) -> Regex | None:
    """Compile a regex of JavaScript; None if `re` might match it differently."""
    pattern = _translated(source) if flags in ("", "i") and (not flags or source.isascii()) else None
    if pattern is None:
        return None
    try:
        return compile_regex(pattern, re.ASCII | (re.IGNORECASE if flags else 0))
    except (re.error, OverflowError, RecursionError):
        return None


def _translated(source: str) -> str | None:
    """The pattern in the syntax of `re`; None for look-behind, backreferences and other differences."""
    parts: list[str] = []
    opened: list[bool] = []  # groups; whether each has a group with a number inside
    position = 0
    while position < len(source):
        found = _JAVASCRIPT.match(source, position)
        if found is None:
            return None
        position = found.end()
        if found["open"]:
            opened = [True] * len(opened) if not found["open"].startswith("(?") or "<" in found["open"] else opened
            opened.append(False)
            parts.append("(" if "<" in found["open"] else found["open"])
        elif found["close"]:
            # JavaScript resets the groups inside a repeated group in each repetition.
            if not opened or (opened.pop() and source.startswith(_REPEATED, position)):
                return None
            parts.append(")")
        else:
            part = _class(found["class"]) if found["class"] else _piece(found)
            if part is None:
                return None
            parts.append(part)
    return "".join(parts)


def _piece(found: re.Match[str]) -> str | None:
    if found["escape"]:
        letter = found["escape"]
        if letter.lower() in _CLASSES:
            return f"[{'^' if letter.isupper() else ''}{_CLASSES[letter.lower()]}]"
        return rf"\{letter}" if letter in ("b", "B") else _character(letter)
    if found["count"]:
        return found["count"]
    match found["plain"]:
        case ".":
            return r"[^\n\r\u2028\u2029]"
        case "$":
            return r"\Z"
        case "^" | "|" | "*" | "+" | "?" as sign:
            return sign
        case plain:
            return re.escape(plain)


def _class(text: str) -> str | None:
    negated = text.startswith("[^")
    members = [(found["escape"], found["plain"]) for found in _MEMBER.finditer(text[2 if negated else 1 : -1])]
    written: list[str] = []
    for index, (escape, plain) in enumerate(members):
        neighbors = members[index - 1 : index] + members[index + 1 : index + 2]
        if plain == "-" and len(neighbors) == 2:
            if any(other == "-" or (letter or "").lower() in _CLASSES for letter, other in neighbors):
                return None  # a range to or from a class, or no range at all
            written.append("-")
        else:
            member = _CLASSES.get(escape) or _member(escape) if escape else re.escape(plain)
            if member is None:
                return None
            written.append(member)
    return f"[{'^' if negated else ''}{''.join(written)}]"


def _member(escape: str) -> str | None:
    return r"\x08" if escape == "b" else _character(escape)


def _character(escape: str) -> str | None:
    """An escaped character; None for letters and digits with another meaning."""
    if len(escape) > 1:
        return rf"\{escape}"
    return _CONTROLS.get(escape) if escape.isalnum() or escape == "_" else re.escape(escape)


# --- the functions ---------------------------------------------------------------------------------------------------

# Steps of one call, about as many as fit into the 5 seconds of an evaluation.
MAX_STEPS = 5_000_000


class _Found(NamedTuple):
    """One match of a pattern."""

    start: int
    end: int
    text: str
    groups: tuple[str | None, ...]


def _matches(pattern: Json, text: str, function: str) -> Iterator[_Found]:
    """The matches of a regex, or of a matcher: a function that behaves like the engine's regexes."""
    if isinstance(pattern, dict):
        regex = compiled(pattern.get("regex", ""), pattern.get("flags", "")) if set(pattern) == _MARKS else None
        if regex is None:
            raise Thrown("T0410", f'Argument 2 of function "{function}" does not match function signature')
        yield from _of_regex(regex, text)
        return
    found = pattern(text)
    while isinstance(found, dict):
        groups = tuple(found.get("groups") or ())
        yield _Found(int(found["start"]), int(found["end"]), str(found["match"]), groups)
        found = found["next"]()


_MARKS = {"regex", "flags"}


def _of_regex(regex: Regex, text: str) -> Iterator[_Found]:
    """The matches in the order of the reference: only the first may be empty, and only if it is also the last."""
    end = -1
    for found in regex.find_all(text, Meter(text, MAX_STEPS)):
        if found.start == found.end and end >= 0:
            raise _empty_match()
        end = found.end
        yield _Found(found.start, found.end, text[found.start : found.end], found.groups)
        if end >= len(text):
            return
        if found.start == end:
            raise _empty_match()


def _empty_match() -> Thrown:
    return Thrown("D1004", "Regular expression matches zero length string")


def _bounded(call: Callable[..., Json]) -> Callable[..., Json]:
    """Turn exceeded limits into the engine's errors."""

    def bounded(*arguments: Any) -> Json:
        try:
            return call(*arguments)
        except Exceeded:
            raise Thrown("D1012", "Evaluation timeout") from None

    return bounded


def _split(scope: Scope, text: Json, pattern: Json = None, limit: Json = None) -> Json:
    if text is None:
        return None
    if limit is not None and limit < 0:
        raise Thrown("D3020", "Third argument of split function must evaluate to a positive number")
    if limit is not None and limit <= 0:
        return []
    pieces: list[str] = []
    start = 0
    matches = _matches(pattern, text, "split")
    # As in the reference, the match after the limit is searched too and may fail.
    while (found := next(matches, None)) is not None and (limit is None or len(pieces) < limit):
        pieces.append(text[start : found.start])
        start = found.end
    if limit is None or len(pieces) < limit:
        pieces.append(text[start:])
    return pieces


def _replace(scope: Scope, text: Json, pattern: Json = None, new: Json = None, limit: Json = None) -> Json:
    if text is None:
        return None
    if pattern == "":
        raise Thrown("D3010", "Second argument of replace function cannot be an empty string")
    if limit is not None and limit < 0:
        raise Thrown("D3011", "Fourth argument of replace function must evaluate to a positive number")
    if isinstance(pattern, str):
        return _replace_text(text, pattern, new if isinstance(new, str) else "", limit)
    if limit is not None and limit <= 0:
        return text
    made = _Made()
    start = count = 0
    matches = _matches(pattern, text, "replace")
    while (found := next(matches, None)) is not None and (limit is None or count < limit):
        made.add(text[start : found.start])
        made.add(_substituted(new, found) if isinstance(new, str) else _called(new, found))
        start = found.start + len(found.text)
        count += 1
    made.add(text[start:])
    return "".join(made.parts)


def _replace_text(text: str, pattern: str, new: str, limit: Json) -> str:
    times = text.count(pattern)
    times = times if limit is None else min(times, ceil(limit))
    if len(text) + times * (len(new) - len(pattern)) > MAX_BYTES:
        raise _too_long()
    return text.replace(pattern, new, times)


class _Made:
    """The parts of a string whose length is limited."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0

    def add(self, part: str) -> None:
        self.length += len(part)
        if self.length > MAX_BYTES:
            raise _too_long()
        self.parts.append(part)


def _too_long() -> Thrown:
    return Thrown("U1001", f"A string would exceed the size limit of {MAX_BYTES} bytes")


def _called(replacer: Any, found: _Found) -> str:
    match = {"match": found.text, "start": found.start, "end": found.end, "groups": list(found.groups)}
    made = replacer(match)
    if not isinstance(made, str):
        raise Thrown("D3012", "Attempted to replace a matched string with a non-string value")
    return made


def _substituted(template: str, found: _Found) -> str:
    """The replacement, with `$0` for the match, `$1` for a group and `$$` for a dollar."""
    if "$" not in template:
        return template
    made: list[str] = []
    position = 0
    while (dollar := template.find("$", position)) >= 0:
        made.append(template[position:dollar])
        position = dollar + 1
        after = template[position : position + 1]
        if after in ("$", "0") and after:
            made.append("$" if after == "$" else found.text)
            position += 1
        else:
            digits = _group_digits(template, position, len(found.groups))
            if digits:
                number = int(digits)
                group = found.groups[number - 1] if 0 < number <= len(found.groups) else None
                made.append(group or "")
                position += len(str(number))
            else:
                made.append("$")
    made.append(template[position:])
    return "".join(made)


def _group_digits(template: str, position: int, groups: int) -> str:
    """The digits of a group at `position`: as many as the number of groups has, or one fewer for an unknown group."""
    most = len(str(groups)) if groups else 1
    number = re.compile(r"[0-9]*").match(template, position, position + most)
    digits = number.group() if number else ""
    return digits[:-1] if len(digits) == most > 1 and int(digits) > groups else digits


TEXT_FUNCTIONS = {
    "replace": HostFunction("__replace", "<s-(sfo)(sf)n?:x>", _bounded(_replace)),
    "split": HostFunction("__split", "<s-on?:x>", _bounded(_split)),
}
