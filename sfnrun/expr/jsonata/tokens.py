"""The words of a JSONata expression, as the reference's tokenizer cuts them, with their places.

It is only asked about expressions that the engine has parsed already, so it looks for words and never for mistakes.
Source: jsonata.js 2.0.6, src/parser.js. Two marks of later versions, `??` and `?:`, are words here so that they can
be refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Token", "tokens"]


class Token(NamedTuple):
    """One word: what kind it is, what it says without its marks (`$`, quotes), and where it stands."""

    kind: str
    value: str
    start: int
    end: int


# An operand ends where these stand; what follows is an operator, so `/` divides there and opens a regex elsewhere.
_ENDS_OPERAND = frozenset((")", "]", "}"))
_WORD_OPERATORS = frozenset(("and", "or", "in"))
_CONSTANTS = frozenset(("true", "false", "null"))
_CONTEXT_OPERANDS = frozenset(("*", "**", "%"))

_SPACE = re.compile(r"(?:[ \t\n\r\v]+|/\*.*?\*/)+", re.DOTALL)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?")
_QUOTED_NAME = re.compile(r"`[^`]*`")
_REGEX = re.compile(r"/(?:[^/\\]|\\.)+/[im]*", re.DOTALL)
_OPERATOR = re.compile(r"\.\.|:=|!=|<=|>=|\*\*|~>|\?:|\?\?|[.\[\]{}(),@#;:?+\-*/%|=<>^&!~]")
_NAME = re.compile(r"[^ \t\n\r\v.\[\]{}(),@#;:?+\-*/%|=<>^&!~]+")

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def tokens(text: str) -> list[Token]:
    """All words of `text` in order; the last is of kind "end"."""
    found: list[Token] = []
    operand = False  # whether an operand stands right before the place we look at
    position = 0
    while True:
        if space := _SPACE.match(text, position):
            position = space.end()
        if position >= len(text):
            found.append(Token("end", "(end)", len(text), len(text)))
            return found
        token = _next(text, position, operand)
        found.append(token)
        operand = _is_operand(token, operand)
        position = token.end


def _next(text: str, position: int, operand: bool) -> Token:
    first = text[position]
    if first == "/" and not operand and (regex := _REGEX.match(text, position)):
        return Token("regex", regex.group(), position, regex.end())
    if match := _OPERATOR.match(text, position):
        return Token("operator", match.group(), position, match.end())
    if match := _STRING.match(text, position):
        return Token("string", _ESCAPE.sub(_unescape, match.group()[1:-1]), position, match.end())
    if match := _NUMBER.match(text, position):
        return Token("number", match.group(), position, match.end())
    if match := _QUOTED_NAME.match(text, position):
        return Token("name", match.group()[1:-1], position, match.end())
    return _word(text, position, operand)


def _word(text: str, position: int, operand: bool) -> Token:
    match = _NAME.match(text, position)
    end = match.end() if match else position + 1
    word = text[position:end]
    if word.startswith("$"):
        return Token("variable", word[1:], position, end)
    if word in _WORD_OPERATORS and operand:
        return Token("operator", word, position, end)
    return Token("constant" if word in _CONSTANTS else "name", word, position, end)


def _is_operand(token: Token, after_operand: bool) -> bool:
    if token.kind != "operator":
        return True
    return token.value in _ENDS_OPERAND or (token.value in _CONTEXT_OPERANDS and not after_operand)


def _unescape(match: re.Match[str]) -> str:
    code, letter = match.groups()
    return chr(int(code, 16)) if code else _ESCAPED.get(letter, letter)
