"""Describe YAML syntax errors in words of our own: those of libyaml differ from version to version."""

from __future__ import annotations

import re
from typing import Any

from sfnrun.asl.text.positions import SyntaxProblem
from sfnrun.payload import MAX_DEPTH

__all__ = ["nested_too_deeply", "syntax_problem", "too_deep"]

_INDENTATION = "check the indentation of this line and of the previous one"
_QUOTES = "put the string in quotes"
_CLOSE_QUOTE = "close the quote"
_ESCAPES = "use an escape of JSON, \\xHH or \\UHHHHHHHH; write \\\\ for a backslash"
_TAG = "remove the tag, or put the value in quotes"
_TAB = ("Tabs are not allowed for indentation", "indent with spaces")

# The problem that libyaml reports -> message and hint.
_MESSAGES = {
    "mapping values are not allowed in this context": (
        "Unexpected ':'",
        "put a string with ': ' in quotes, or check the indentation",
    ),
    "mapping keys are not allowed in this context": ("Unexpected '?'", _QUOTES),
    "block sequence entries are not allowed in this context": (
        "A list must begin on a line of its own",
        "move it to the next line",
    ),
    "did not find expected key": ("Line does not belong to the mapping above it", _INDENTATION),
    "did not find expected '-' indicator": ("Line does not belong to the list above it", _INDENTATION),
    "could not find expected ':'": ("Expected ':' after a key", "write 'key: value'"),
    "found unexpected end of stream": ("Unterminated quoted string", _CLOSE_QUOTE),
    "found unexpected document indicator": ("Quoted string is not closed before the next document", _CLOSE_QUOTE),
    "found character that cannot start any token": ("Unexpected character at the start of a value", _QUOTES),
    "found unexpected ':'": ("Unexpected ':'", _QUOTES),
    "did not find expected node content": ("Missing value", "add a value, or close the open bracket"),
    "did not find expected ',' or ']'": ("Expected ',' or ']'", "close the list with ], or add a comma"),
    "did not find expected ',' or '}'": ("Expected ',' or '}'", "close the mapping with }, or add a comma"),
    "did not find expected <document start>": ("Unexpected text after the end of the definition", "remove it"),
    "found unknown escape character": ("Invalid YAML escape", _ESCAPES),
    "did not find expected hexdecimal number": ("Missing hexadecimal digits in an escape", _ESCAPES),
    "found invalid Unicode character escape code": ("Escape of an invalid character", _ESCAPES),
    "did not find expected alphabetic or numeric character": (
        "Invalid name of an anchor or alias",
        "put a string that begins with & or * in quotes",
    ),
    "found undefined tag handle": ("Unknown tag", _TAG),
    "did not find expected tag URI": ("Invalid tag", _TAG),
    "did not find expected '!'": ("Invalid tag", _TAG),
    "did not find the expected '>'": ("Invalid tag", _TAG),
    "did not find expected whitespace or line break": ("Missing space", "add a space"),
    "did not find expected comment or line break": (
        "Unexpected text after the header of a block",
        "move the text to the next line, or put it in quotes",
    ),
    "found an indentation indicator equal to 0": ("Invalid indentation 0 of a block", "remove the 0"),
    "found a tab character where an indentation space is expected": _TAB,
    "found a tab character that violates indentation": _TAB,
}
_UNKNOWN = ("Invalid YAML", _INDENTATION)

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAB_INDENT = re.compile(r"[ ]*\t")
_BRACKET = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|[\[\]{}]", re.DOTALL)


def syntax_problem(text: str, error: Any) -> SyntaxProblem:
    """Return the problem of a yaml.YAMLError."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        found = _UNPRINTABLE.search(text)
        character = f"U+{ord(found[0]):04X}" if found else "?"
        hint = 'write it as an escape in double quotes, like "\\x07"'
        return SyntaxProblem(f"Control character {character}", found.start() if found else 0, 1, hint)
    if error.problem == "found unexpected end of stream" and error.context_mark:
        mark = error.context_mark
    offset = min(mark.index, len(text))
    line_start = text.rfind("\n", 0, offset) + 1
    tab = _TAB_INDENT.match(text, line_start)
    if tab and tab.end() > offset - 1:
        return SyntaxProblem(_TAB[0], tab.end() - 1, 1, _TAB[1])
    if text[line_start : line_start + 1] == "%":
        return SyntaxProblem("YAML directives are not supported", line_start, 1, "remove the line that begins with %")
    message, hint = _MESSAGES.get(error.problem, _UNKNOWN)
    return SyntaxProblem(message, offset, 1, hint)


def nested_too_deeply(text: str, error: Any, read: int, depth: int) -> SyntaxProblem | None:
    """Return the problem of a text that the parser rejects for its nesting; None for any other error.

    libyaml has had a limit of its own since 0.2.6 (PyYAML 6.0.4). It scans brackets ahead of its events, so they are
    counted here from `read`, the end of the last event, where `depth` levels were open. For blocks its limit is one
    level below ours.
    """
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return None
    opened = depth
    for token in _BRACKET.finditer(text, read, mark.index + 1):
        opened += 1 if token[0] in "{[" else -1 if token[0] in "}]" else 0
        if opened > MAX_DEPTH:
            return too_deep(token.start())
    return too_deep(min(mark.index, len(text))) if depth >= MAX_DEPTH - 1 else None


def too_deep(offset: int) -> SyntaxProblem:
    """Return the problem of a text whose nesting AWS rejects."""
    return SyntaxProblem(f"Nested deeper than {MAX_DEPTH:,} levels", offset, 1, "AWS rejects this, too", "SFN-S14")
