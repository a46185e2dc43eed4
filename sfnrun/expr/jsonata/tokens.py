"""Tokens of a JSONata expression with their offsets, cut as the reference's tokenizer cuts them.

The scan runs on expressions that the engine has parsed, so it never reports mistakes. `??` and `?:`, operators of
later versions, are tokens so that they can be refused. Source: jsonata.js 2.0.6, src/parser.js.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Token", "tokens"]


class Token(NamedTuple):
    """One token: its kind, its text without `$` or quotes, and its offsets; `infix` if an operand comes before it.

    Kinds: variable, name, string, number, regex, constant, operator, end. The operator that closes a transform is "|)".
    """

    kind: str
    value: str
    start: int
    end: int
    infix: bool


# An operand ends where these stand: what follows is infix, so a `/` divides there and opens a regex elsewhere.
_ENDS_OPERAND = frozenset((")", "]", "}", "|)"))
_WORD_OPERATORS = frozenset(("and", "or", "in"))
_CONSTANTS = frozenset(("true", "false", "null"))
_CONTEXT_OPERANDS = frozenset(("*", "**", "%"))

_SPACE = re.compile(r"(?:[ \t\n\r\v]+|/\*.*?\*/)+", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<operator> \.\. | := | != | <= | >= | \*\* | ~> | \?: | \?\? | [.\[\]{}(),@#;:?+\-*/%|=<>^&!~])
    | (?P<string> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
    | (?P<number> (?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?)
    | `(?P<quoted>[^`]*)`
    | (?P<word> [^\ \t\n\r\v.\[\]{}(),@#;:?+\-*/%|=<>^&!~]+)""",
    re.DOTALL | re.VERBOSE,
)
_FLAGS = re.compile(r"[im]*")

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def tokens(text: str) -> list[Token]:
    """All tokens of `text` in order; the last is of kind "end"."""
    found: list[Token] = []
    brackets: list[str] = []
    operand = False  # whether the token before ends an operand
    position = 0
    while True:
        if space := _SPACE.match(text, position):
            position = space.end()
        if position >= len(text):
            found.append(Token("end", "", len(text), len(text), operand))
            return found
        token = _token(text, position, operand)
        operand = True
        if token.kind == "operator":
            token = _bracketed(token, brackets)
            operand = token.value in _ENDS_OPERAND or (token.value in _CONTEXT_OPERANDS and not token.infix)
        found.append(token)
        position = token.end


def _token(text: str, at: int, operand: bool) -> Token:
    if text[at] == "/" and not operand and (end := _regex_end(text, at)):
        return Token("regex", text[at:end], at, end, operand)
    match = _TOKEN.match(text, at)
    if match is None:
        return Token("name", text[at], at, at + 1, operand)
    kind, value, end = match.lastgroup or "", match[match.lastindex or 0], match.end()
    if kind == "word":
        if value.startswith("$"):
            return Token("variable", value[1:], at, end, operand)
        kind = "operator" if operand and value in _WORD_OPERATORS else "constant" if value in _CONSTANTS else "name"
    elif kind == "string":
        value = _ESCAPE.sub(_unescape, value[1:-1])
    return Token("name" if kind == "quoted" else kind, value, at, end, operand)


def _regex_end(text: str, at: int) -> int:
    """After the flags of the regex that begins at `at`, or 0; a `/` between brackets does not end it."""
    depth = 0
    position = at + 1
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "/" and depth == 0:
            flags = _FLAGS.match(text, position + 1)
            return flags.end() if flags else 0
        else:
            depth += (character in "([{") - (character in ")]}")
        position += 1
    return 0


def _bracketed(token: Token, brackets: list[str]) -> Token:
    """Keep track of open brackets, by which the third `|` of a transform is known for its last."""
    value = token.value
    if value in ("(", "[", "{") or (value == "|" and not token.infix):
        brackets.append(value)
    elif value in (")", "]", "}") and brackets:
        brackets.pop()
    elif value == "|" and brackets:
        if brackets.pop() == "||":
            return token._replace(value="|)")
        brackets.append("||")
    return token


def _unescape(match: re.Match[str]) -> str:
    code, letter = match.groups()
    return chr(int(code, 16)) if code else _ESCAPED.get(letter, letter)
