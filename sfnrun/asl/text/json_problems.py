"""Diagnose JSON syntax errors with a strict, iterative tokenizer, in the words of the likely mistake."""

from __future__ import annotations

import re
from math import isinf
from typing import Literal, NamedTuple

from sfnrun.asl.text.json_text import LONE_SURROGATE, string
from sfnrun.asl.text.positions import Lines, SyntaxProblem
from sfnrun.payload import MAX_DEPTH

__all__ = ["duplicate_key", "syntax_problems"]

# AWS reports at most 100 diagnostics, too.
_MAX_PROBLEMS = 100

# int() accepts no more digits by default, and a double has 17.
_MAX_DIGITS = 4300

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
# A quote after a backslash does not end a string.
_WHOLE_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BAD_IN_STRING = re.compile(
    r'(?P<control>[\x00-\x1f])|(?P<escape>\\u(?![0-9a-fA-F]{4}).{0,4}|\\(?!["\\/bfnrtu]).?)|\\.', re.DOTALL
)
_CONTROLS = {"\t": "tab", "\r": "carriage return", "\x00": "NUL character"}
_OTHER_LANGUAGES = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null"}
_NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity", "+Infinity", "nan", "inf", "-inf"})

_Expected = Literal["value", "value or ]", "key", "key or }", ":", ", or close", "nothing"]
_CLOSE = {"{": "}", "[": "]"}


class _Opened(NamedTuple):
    """An unclosed object or array: its offset and bracket, the keys of its parent so far, and its own key there."""

    at: int
    bracket: str
    keys_before: dict[str, int]
    under: str | None


def syntax_problems(text: str) -> list[SyntaxProblem]:
    """Return what is wrong with a text that `decode` rejected: the first syntax error, or all duplicate keys."""
    reader = _Reader(text)
    try:
        reader.read()
    except SyntaxProblem as problem:
        return [problem]
    return reader.duplicates[:_MAX_PROBLEMS] or [SyntaxProblem("Invalid JSON", 0)]


def duplicate_key(name: str, first: int, again: int, length: int, lines: Lines, *, is_state: bool) -> SyntaxProblem:
    """Return the problem of a key that an object has twice."""
    line, column = lines.position(first)
    return SyntaxProblem(
        f"Duplicate {'state' if is_state else 'key'} '{name}' (first defined at {line}:{column})",
        again,
        length,
        "rename or remove one: most JSON parsers silently keep the last",
        rule="SFN-S12",
        code="DUPLICATE_STATE_NAME" if is_state else "INVALID_JSON_DESCRIPTION",
    )


class _Reader:
    """Reads tokens and knows what is expected next; raises the first syntax error and collects duplicate keys."""

    def __init__(self, text: str) -> None:
        self.duplicates: list[SyntaxProblem] = []
        self._text = text
        self._lines = Lines(text)
        self._expected: _Expected = "value"
        self._opened: list[_Opened] = []
        self._keys: dict[str, int] = {}
        self._key: str | None = None
        self._after = 0  # the end of the previous token

    def read(self) -> None:
        for token in _TOKEN.finditer(self._text):
            word, at, kind = token[0], token.start(), token.lastgroup or ""
            _check_token(kind, word, at)
            if not self._accepts(kind, word, at):
                raise self._unexpected(word, at)
            self._after = token.end()
        if self._expected != "nothing":
            raise self._unexpected_end()

    def _accepts(self, kind: str, word: str, at: int) -> bool:
        """Consume the token if it is expected."""
        expected = self._expected
        if expected in ("value", "value or ]") and word in _CLOSE:
            self._open(word, at)
        elif expected in ("value", "value or ]") and (kind in ("string", "placeholder") or _LITERAL.fullmatch(word)):
            self._end_value()
        elif expected in ("key", "key or }") and kind == "string":
            self._take_key(word, at)
        elif expected == ":" and word == ":":
            self._expected = "value"
        elif expected == ", or close" and word == ",":
            self._expected = "key" if self._opened[-1].bracket == "{" else "value"
        elif self._closes(word):
            _, _, self._keys, self._key = self._opened.pop()
            self._end_value()
        else:
            return False
        return True

    def _open(self, bracket: str, at: int) -> None:
        if len(self._opened) == MAX_DEPTH:
            raise SyntaxProblem(f"Nested deeper than {MAX_DEPTH:,} levels", at, 1, "AWS rejects this, too")
        self._opened.append(_Opened(at, bracket, self._keys, self._key))
        self._keys = {}
        self._expected = "key or }" if bracket == "{" else "value or ]"

    def _closes(self, word: str) -> bool:
        if not self._opened or _CLOSE[self._opened[-1].bracket] != word:
            return False
        return self._expected in (", or close", "key or }", "value or ]")

    def _end_value(self) -> None:
        self._expected = ", or close" if self._opened else "nothing"

    def _take_key(self, word: str, at: int) -> None:
        self._key = name = string(word)
        if name in self._keys:
            is_state = self._opened[-1].under == "States"
            self.duplicates.append(duplicate_key(name, self._keys[name], at, len(word), self._lines, is_state=is_state))
        self._keys[name] = at
        self._expected = ":"

    def _unexpected(self, word: str, at: int) -> SyntaxProblem:
        if self._expected == "nothing":
            return SyntaxProblem("Unexpected text after the end of the definition", at, len(word), "remove it")
        if word in ("}", "]") and self._text[self._after - 1 : self._after] == ",":
            return SyntaxProblem(f"Trailing comma before '{word}'", self._after - 1, 1, "remove the comma")
        if word in ("}", "]") and self._expected == ", or close":
            _, bracket, *_ = self._opened[-1]
            return SyntaxProblem(f"'{word}' does not close the '{bracket}' opened at {self._opened_at()}", at)
        if self._expected == ", or close":
            close = _CLOSE[self._opened[-1].bracket]
            return SyntaxProblem(f"Expected ',' or '{close}' after the value", self._after, 1, "add a comma")
        if self._expected == ":":
            return SyntaxProblem(f"Expected ':' after the key '{self._key}'", self._after, 1, "add ':'")
        return _not_a_key(word, at) if self._expected in ("key", "key or }") else _not_a_value(word, at)

    def _unexpected_end(self) -> SyntaxProblem:
        end = max(0, len(self._text.rstrip()) - 1)
        if not self._opened:
            return SyntaxProblem("The text is empty", end)
        bracket = self._opened[-1].bracket
        close = _CLOSE[bracket]
        missing = "a value" if self._expected in ("value", ":") else f"'{close}'"
        message = f"Unexpected end of file: expected {missing} ('{bracket}' at {self._opened_at()} is not closed)"
        return SyntaxProblem(message, end, 1, f"add '{close}', or check for a truncated file")

    def _opened_at(self) -> str:
        line, column = self._lines.position(self._opened[-1].at)
        return f"{line}:{column}"


def _check_token(kind: str, word: str, at: int) -> None:
    """Raise a SyntaxProblem for a token that JSON does not have, wherever it is."""
    if kind == "comment":
        hint = 'use a "Comment" field, or write the file in YAML'
        raise SyntaxProblem("JSON does not support comments", at, len(word.partition("\n")[0]), hint)
    if kind == "single":
        hint = 'write "{}"'.format(word.strip("'"))
        raise SyntaxProblem("JSON strings and keys must be in double quotes", at, len(word), hint)
    if kind == "string":
        _check_string(word, at)
    if _LITERAL.fullmatch(word) and (len(word) > _MAX_DIGITS or (word[-1].isdigit() and isinf(float(word)))):
        shown = word if len(word) <= 20 else f"{word[:20]}…"
        raise SyntaxProblem(f"Number {shown} is out of range", at, len(word), "put it in quotes")


def _check_string(word: str, at: int) -> None:
    for found in _BAD_IN_STRING.finditer(word):
        if found["control"] and found[0] != "\n":
            name = _CONTROLS.get(found[0], f"control character U+{ord(found[0]):04X}")
            hint = f"write {_escape_of(found[0])}"
            raise SyntaxProblem(f"Unescaped {name} in a string", at + found.start(), 1, hint)
        if found["escape"]:
            message = f"'{found[0]}' is not a valid JSON escape"
            raise SyntaxProblem(message, at + found.start(), len(found[0]), "write \\\\ for a backslash")
    for found in LONE_SURROGATE.finditer(word):
        if found["lone"]:
            hint = "write both halves, or the character itself"
            raise SyntaxProblem("Unpaired surrogate", at + found.start(), len(found[0]), hint)
    if not _WHOLE_STRING.fullmatch(word):
        hint = 'close it with ", and write line breaks as \\n'
        raise SyntaxProblem("Unterminated string", at, len(word.rstrip()), hint)


def _escape_of(character: str) -> str:
    return {"\t": "\\t", "\r": "\\r"}.get(character, f"\\u{ord(character):04x}")


def _not_a_key(word: str, at: int) -> SyntaxProblem:
    if word == ",":
        return SyntaxProblem("Extra comma", at, 1, "remove it")
    if len(word) == 1 and word in "{}[]:":
        return SyntaxProblem(f"Expected a key in double quotes, found '{word}'", at)
    return SyntaxProblem(f"Key {word} must be in double quotes", at, len(word), f'write "{word}"')


def _not_a_value(word: str, at: int) -> SyntaxProblem:
    if word in _NOT_FINITE:
        return SyntaxProblem(f"{word} is not JSON", at, len(word), "use a finite number, a string or null")
    if word in _OTHER_LANGUAGES:
        return SyntaxProblem(f"{word} is not JSON", at, len(word), f"write {_OTHER_LANGUAGES[word]}")
    if len(word) == 1 and word in ",}]:":
        hint = "add a value, or remove the comma" if word == "," else "add a value"
        return SyntaxProblem(f"Missing value before '{word}'", at, 1, hint)
    if _NUMBER_LIKE.match(word):
        hint = "write numbers like 10, -0.5 or 1e3, without a leading 0 or +"
        return SyntaxProblem(f"Invalid number {word}", at, len(word), hint)
    return SyntaxProblem(f"String {word} must be in double quotes", at, len(word), f'write "{word}"')
