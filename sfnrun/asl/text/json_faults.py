"""Why a text is no JSON, in the words of the mistake that people make: one strict, iterative walk over its tokens."""

from __future__ import annotations

import re
from math import isinf
from typing import Literal, NamedTuple

from sfnrun.asl.text.json_text import HALF_A_PAIR, string
from sfnrun.asl.text.place import Fault, Lines
from sfnrun.payload import MAX_DEPTH

__all__ = ["faults", "twice"]

# AWS reports at most this many diagnostics too.
_MOST = 100

# Python takes no longer one, and a double has 17 digits.
_LONGEST_NUMBER = 4300

_TOKEN = re.compile(
    r'(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"?)'
    r"|(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z)|\#[^\n]*)"
    r"|(?P<mark>[{}\[\],:])"
    r"|(?P<placeholder>\$\{[^{}\"\s]*\})"
    r"|(?P<single>'[^'\n]*'?)"
    r"|(?P<word>[^\s\"'{}\[\],:]+)",
    re.DOTALL,
)
_LITERAL = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NUMBER_LIKE = re.compile(r"[-+.]?[0-9]")
# A quote after a backslash ends no string.
_WHOLE_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BAD_IN_STRING = re.compile(
    r'(?P<control>[\x00-\x1f])|(?P<escape>\\u(?![0-9a-fA-F]{4}).{0,4}|\\(?!["\\/bfnrtu]).?)|\\.', re.DOTALL
)
_CONTROLS = {"\t": "a tab", "\r": "a carriage return", "\x00": "a NUL character"}
_OTHER_LANGUAGES = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null"}
_NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity", "+Infinity", "nan", "inf", "-inf"})

_Wanted = Literal["value", "value or ]", "key", "key or }", ":", ", or close", "nothing"]
_CLOSE = {"{": "}", "[": "]"}


class _Opened(NamedTuple):
    """An object or array that is not closed yet: where, which, the keys met before it, and the key it stands under."""

    at: int
    bracket: str
    keys_before: dict[str, int]
    under: str | None


def faults(text: str) -> list[Fault]:
    """What is wrong with a text that `decode` refused: its first syntax error, or else each key that stands twice."""
    reader = _Reader(text)
    try:
        reader.read()
    except Fault as syntax:
        return [syntax]
    return reader.duplicates[:_MOST] or [Fault("this text is not JSON", 0)]


def twice(name: str, first: int, again: int, length: int, lines: Lines, *, is_state: bool) -> Fault:
    """The Fault of a key that stands twice in one object."""
    line, column = lines.position(first)
    return Fault(
        f"{'state' if is_state else 'key'} '{name}' stands here a second time (first at {line}:{column})",
        again,
        length,
        "rename one or remove it; most parsers silently keep the last",
        rule="SFN-S12",
        code="DUPLICATE_STATE_NAME" if is_state else "INVALID_JSON_DESCRIPTION",
    )


class _Reader:
    """Reads tokens, knowing at each what is wanted next; raises the first Fault, collects the keys that stand twice."""

    def __init__(self, text: str) -> None:
        self.duplicates: list[Fault] = []
        self._text = text
        self._lines = Lines(text)
        self._wanted: _Wanted = "value"
        self._opened: list[_Opened] = []
        self._keys: dict[str, int] = {}
        self._key: str | None = None
        self._after = 0  # the end of the token before

    def read(self) -> None:
        for token in _TOKEN.finditer(self._text):
            word, at, kind = token[0], token.start(), token.lastgroup or ""
            _refuse_anywhere(kind, word, at)
            if not self._take(kind, word, at):
                raise self._unexpected(word, at)
            self._after = token.end()
        if self._wanted != "nothing":
            raise self._ends_early()

    def _take(self, kind: str, word: str, at: int) -> bool:
        """Whether the token fits; if so, it is taken."""
        wanted = self._wanted
        if wanted in ("value", "value or ]") and word in _CLOSE:
            self._open(word, at)
        elif wanted in ("value", "value or ]") and (kind in ("string", "placeholder") or _LITERAL.fullmatch(word)):
            self._value_is_over()
        elif wanted in ("key", "key or }") and kind == "string":
            self._take_key(word, at)
        elif wanted == ":" and word == ":":
            self._wanted = "value"
        elif wanted == ", or close" and word == ",":
            self._wanted = "key" if self._opened[-1].bracket == "{" else "value"
        elif self._closes(word):
            _, _, self._keys, self._key = self._opened.pop()
            self._value_is_over()
        else:
            return False
        return True

    def _open(self, bracket: str, at: int) -> None:
        if len(self._opened) == MAX_DEPTH:
            raise Fault(f"nested deeper than {MAX_DEPTH:,} levels", at, 1, "AWS refuses this too")
        self._opened.append(_Opened(at, bracket, self._keys, self._key))
        self._keys = {}
        self._wanted = "key or }" if bracket == "{" else "value or ]"

    def _closes(self, word: str) -> bool:
        if not self._opened or _CLOSE[self._opened[-1].bracket] != word:
            return False
        return self._wanted in (", or close", "key or }", "value or ]")

    def _value_is_over(self) -> None:
        self._wanted = ", or close" if self._opened else "nothing"

    def _take_key(self, word: str, at: int) -> None:
        self._key = name = string(word)
        if name in self._keys:
            is_state = self._opened[-1].under == "States"
            self.duplicates.append(twice(name, self._keys[name], at, len(word), self._lines, is_state=is_state))
        self._keys[name] = at
        self._wanted = ":"

    def _unexpected(self, word: str, at: int) -> Fault:
        if self._wanted == "nothing":
            return Fault("there is text after the end of the definition", at, len(word), "remove it")
        if word in ("}", "]") and self._text[self._after - 1 : self._after] == ",":
            return Fault(f"a comma stands before '{word}'", self._after - 1, 1, "remove the trailing comma")
        if word in ("}", "]") and self._wanted == ", or close":
            _, bracket, *_ = self._opened[-1]
            return Fault(f"'{word}' does not close the '{bracket}' opened at {self._opened_at()}", at)
        if self._wanted == ", or close":
            close = _CLOSE[self._opened[-1].bracket]
            return Fault(f"expected ',' or '{close}' after the value", self._after, 1, "add a comma between the two")
        if self._wanted == ":":
            return Fault(f"expected ':' after the key '{self._key}'", self._after, 1, "add ':'")
        return _no_key(word, at) if self._wanted in ("key", "key or }") else _no_value(word, at)

    def _ends_early(self) -> Fault:
        end = max(0, len(self._text.rstrip()) - 1)
        if not self._opened:
            return Fault("the text is empty", end)
        close = _CLOSE[self._opened[-1].bracket]
        missing = "a value" if self._wanted in ("value", ":") else f"'{close}'"
        message = (
            f"the text ends where {missing} should stand: '{self._opened[-1].bracket}' of {self._opened_at()} is open"
        )
        return Fault(message, end, 1, f"add '{close}'; or part of the file is missing")

    def _opened_at(self) -> str:
        line, column = self._lines.position(self._opened[-1].at)
        return f"{line}:{column}"


def _refuse_anywhere(kind: str, word: str, at: int) -> None:
    """What is no JSON wherever it stands."""
    if kind == "comment":
        hint = 'use a "Comment" field, or write the file in YAML'
        raise Fault("JSON has no comments", at, len(word.partition("\n")[0]), hint)
    if kind == "single":
        raise Fault("JSON strings and keys take double quotes", at, len(word), 'write "{}"'.format(word.strip("'")))
    if kind == "string":
        _refuse_in_string(word, at)
    if _LITERAL.fullmatch(word) and (len(word) > _LONGEST_NUMBER or (word[-1].isdigit() and isinf(float(word)))):
        shown = word if len(word) <= 20 else f"{word[:20]}…"
        raise Fault(f"{shown} is too large a number", at, len(word), "put it in quotes")


def _refuse_in_string(word: str, at: int) -> None:
    for found in _BAD_IN_STRING.finditer(word):
        if found["control"] and found[0] != "\n":
            name = _CONTROLS.get(found[0], f"control character U+{ord(found[0]):04X}")
            hint = f"write {_escape_of(found[0])}"
            raise Fault(f"{name} stands inside a string", at + found.start(), 1, hint)
        if found["escape"]:
            hint = "write \\\\ for a backslash"
            raise Fault(f"'{found[0]}' is no escape in JSON", at + found.start(), len(found[0]), hint)
    for found in HALF_A_PAIR.finditer(word):
        if found["half"]:
            hint = "write both halves, or the character itself"
            raise Fault("half of a surrogate pair is no character", at + found.start(), len(found[0]), hint)
    if not _WHOLE_STRING.fullmatch(word):
        raise Fault(
            "this string does not end on its line",
            at,
            len(word.rstrip()),
            'close it with ", and write line breaks as \\n',
        )


def _escape_of(character: str) -> str:
    return {"\t": "\\t", "\r": "\\r"}.get(character, f"\\u{ord(character):04x}")


def _no_key(word: str, at: int) -> Fault:
    if word == ",":
        return Fault("there is a comma too many", at, 1, "remove it")
    if len(word) == 1 and word in "{}[]:":
        return Fault(f"expected a key in double quotes, found '{word}'", at)
    return Fault(f"the key {word} has no double quotes", at, len(word), f'write "{word}"')


def _no_value(word: str, at: int) -> Fault:
    if word in _NOT_FINITE:
        return Fault(f"{word} is not JSON", at, len(word), "JSON numbers are finite; give a number, a string or null")
    if word in _OTHER_LANGUAGES:
        return Fault(f"{word} is not JSON", at, len(word), f"write {_OTHER_LANGUAGES[word]}")
    if len(word) == 1 and word in ",}]:":
        hint = "remove the comma or give a value" if word == "," else "give a value"
        return Fault(f"a value is missing before '{word}'", at, 1, hint)
    if _NUMBER_LIKE.match(word):
        hint = "numbers look like 10, -0.5 or 1e3: no leading 0 or +, digits on both sides of the point"
        return Fault(f"{word} is not a JSON number", at, len(word), hint)
    return Fault(f"the text {word} has no double quotes", at, len(word), f'write "{word}"')
