"""Compile calls of intrinsic functions, such as `States.Format('Hello, {}', $.name)`, when a definition is loaded.

An argument is a path (`$.x`, `$$.x`, `$name`), a number, a string in single quotes, true, false, null or another call.
In a string, as on AWS, a backslash escapes a quote, a brace or a backslash, and nothing else.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import inf
from typing import NamedTuple

from sfnrun.errors import ExpressionError, StatesError
from sfnrun.expr.intrinsic_functions import FUNCTIONS, TOO_LARGE, Failure, Function, fill, template_parts
from sfnrun.expr.jsonpath import Path, compile_path
from sfnrun.expr.meter import MAX_BYTES, Meter, current_meter
from sfnrun.expr.scope import Evaluate, PathError, Scope
from sfnrun.payload import Json

__all__ = ["Argument", "Call", "Intrinsic", "Literal", "compile_intrinsic", "is_intrinsic"]

# "You can nest up to 10 intrinsic functions within a field."
MAX_NESTING = 10


class Literal(NamedTuple):
    """A constant argument; `source` is a string between its quotes with its escapes, which States.Format needs."""

    value: Json
    offset: int
    length: int
    source: str | None = None


class Call(NamedTuple):
    """A call of a function with its arguments; `text` as written, from `offset` on."""

    name: str
    arguments: tuple[Argument, ...]
    text: str
    offset: int


Argument = Literal | Call | Path


class Intrinsic(NamedTuple):
    """A compiled call; `call` is its structure."""

    text: str
    reads: frozenset[str]
    evaluate: Evaluate
    call: Call


def is_intrinsic(text: str) -> bool:
    """Whether a text is meant as a call of an intrinsic function, be it valid or not."""
    return text.lstrip().startswith("States.")


@lru_cache(maxsize=1024)
def compile_intrinsic(text: str) -> Intrinsic:
    """Compile a call such as `States.MathAdd($.n, 1)`. Raises ExpressionError.

    `evaluate` raises PathError, whose `function` is the call, for a path that finds nothing, and StatesError
    States.IntrinsicFailure for arguments that the function does not take.
    """
    call = _Reader(text).whole()
    evaluate = _compile_call(call)
    if _metered_paths(call) > 1:
        evaluate = _sharing_a_meter(evaluate)
    return Intrinsic(text, _reads(call), evaluate, call)


# --- reading ---------------------------------------------------------------------------------------------------------


_BLANK = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?(?![\w.])")
_STRING = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def error(self, message: str, *, at: int | None = None, length: int = 1, hint: str = "") -> ExpressionError:
        return ExpressionError(self.text, message, offset=self.at if at is None else at, length=length, hint=hint)

    def blanks(self) -> str:
        """Skip whitespace; return the next character, or "" at the end."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def whole(self) -> Call:
        self.blanks()
        argument = self.word()
        if not isinstance(argument, Call):
            raise self.error("expected a call of an intrinsic function", at=0, length=len(self.text))
        if self.blanks():
            raise self.error("unexpected text after the call", length=len(self.text) - self.at)
        return argument

    def argument(self) -> Argument:
        start = self.blanks()
        if start == "$":
            return self.path()
        if start == "'":
            return self.string()
        if start == "-" or start.isdigit():
            return self.number()
        return self.word()

    def path(self) -> Path:
        start = self.at
        self.at = _path_end(self.text, start)
        try:
            return compile_path(self.text[start : self.at])
        except ExpressionError as error:
            raise self.error(error.message, at=start + error.offset, length=error.length, hint=error.hint) from None

    def number(self) -> Literal:
        found = _NUMBER.match(self.text, self.at)
        if not found:
            raise self.error("invalid number")
        start, self.at = self.at, found.end()
        whole = found[1] is None and found[2] is None and len(found[0]) < 400
        value: Json = int(found[0]) if whole else float(found[0])
        if value in (inf, -inf):
            raise self.error("the number is too large", at=start, length=len(found[0]))
        return Literal(value, start, self.at - start)

    def string(self) -> Literal:
        found = _STRING.match(self.text, self.at)
        if not found:
            raise self.error("the string is not closed", length=len(self.text) - self.at)
        for escape in _ESCAPE.finditer(found[1]):
            if escape[1] not in "'{}\\":
                raise self.error(
                    f"invalid escape {escape[0]}",
                    at=self.at + 1 + escape.start(),
                    length=2,
                    hint=r"put a backslash only before ' { } and \ itself",
                )
        start, self.at = self.at, found.end()
        return Literal(_ESCAPE.sub(r"\1", found[1]), start, self.at - start, found[1])

    def word(self) -> Argument:
        found = _NAME.match(self.text, self.at)
        if not found:
            what = f"unexpected {self.text[self.at]!r}" if self.at < len(self.text) else "expected an argument"
            raise self.error(
                what, hint="an argument is a path, a number, a 'string', true, false, null or a function call"
            )
        start, self.at = self.at, found.end()
        if found[0] in _WORDS:
            return Literal(_WORDS[found[0]], start, self.at - start)
        return self.call(found[0], start)

    def call(self, name: str, start: int) -> Call:
        function = FUNCTIONS.get(name)
        if function is None:
            raise self.error(f"unknown function {name}", at=start, length=len(name), hint=_suggestion(name))
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise self.error(f"functions are nested more than {MAX_NESTING} deep", at=start, length=len(name))
        arguments = self.arguments()
        self.depth -= 1
        _check_number(self, function, len(arguments), start)
        return Call(name, arguments, self.text[start : self.at], start)

    def arguments(self) -> tuple[Argument, ...]:
        if self.blanks() != "(":
            raise self.error("expected '('")
        opened = self.at
        self.at += 1
        if self.blanks() == ")":
            self.at += 1
            return ()
        arguments = [self.argument()]
        while self.blanks() == ",":
            self.at += 1
            arguments.append(self.argument())
        if self.blanks() != ")":
            if self.at >= len(self.text):
                raise self.error("the '(' is not closed", at=opened)
            raise self.error("expected ',' or ')'")
        self.at += 1
        return tuple(arguments)


def _path_end(text: str, start: int) -> int:
    """The end of the path that begins at `start`: a comma, whitespace or a parenthesis that is not part of it."""
    square = rounds = 0
    quoted = False
    for position in range(start, len(text)):
        character = text[position]
        if character == "'" and square:
            quoted = not quoted
        elif not quoted:
            if not square and (character in ",\t\n\r " or (character == ")" and not rounds)):
                return position
            square += (character == "[") - (character == "]")
            rounds += (character == "(") - (character == ")")
    return len(text)


def _check_number(reader: _Reader, function: Function, given: int, start: int) -> None:
    least, most = function.least, function.most
    if given >= least and (most is None or given <= most):
        return
    takes = f"at least {least}" if most is None else f"{least} or {most}" if least != most else str(least or "no")
    noun = "argument" if least <= 1 and least == (most or least) else "arguments"
    message = f"{function.name} expects {takes} {noun}, got {given}"
    raise reader.error(message, at=start, length=reader.at - start)


def _suggestion(name: str) -> str:
    from difflib import get_close_matches  # only a mistake needs it

    names = {known.lower(): known for known in FUNCTIONS}
    close = get_close_matches(name.lower(), names, 1, 0.7) or get_close_matches("states." + name.lower(), names, 1, 0.8)
    return f"did you mean {names[close[0]]}?" if close else f"the functions are {', '.join(FUNCTIONS)}"


def _reads(argument: Argument) -> frozenset[str]:
    if isinstance(argument, Call):
        return frozenset[str]().union(*map(_reads, argument.arguments))
    return argument.reads if isinstance(argument, Path) else frozenset()


def _metered_paths(argument: Argument) -> int:
    """How many paths count their steps."""
    if isinstance(argument, Call):
        return sum(map(_metered_paths, argument.arguments))
    return isinstance(argument, Path) and argument.metered


# --- evaluating ------------------------------------------------------------------------------------------------------


def _compile(argument: Argument) -> Evaluate:
    if isinstance(argument, Call):
        return _compile_call(argument)
    if isinstance(argument, Path):
        return argument.evaluate
    value = argument.value
    return lambda document, scope: value


def _sharing_a_meter(evaluate: Evaluate) -> Evaluate:
    """The same with one meter for all paths of the call, if the template has none."""

    def evaluate_sharing(document: Json, scope: Scope) -> Json:
        before = current_meter.set(current_meter.get() or Meter(document))
        try:
            return evaluate(document, scope)
        finally:
            current_meter.reset(before)

    return evaluate_sharing


def _compile_call(call: Call) -> Evaluate:
    run, arguments = _runner(call)
    values = [_compile(argument) for argument in arguments]
    text = call.text

    def evaluate(document: Json, scope: Scope) -> Json:
        try:
            result = run(scope, *[value(document, scope) for value in values])
            if result.__class__ is str and len(result) > MAX_BYTES:
                raise Failure(TOO_LARGE)
            return result
        except PathError as error:
            error.function = error.function or text
            raise
        except (Failure, RecursionError) as failure:
            what = failure if isinstance(failure, Failure) else "a value is nested too deeply"
            cause = f"The function '{text}' had the following error: {what}"
            raise StatesError("States.IntrinsicFailure", cause) from None

    return evaluate


def _runner(call: Call) -> tuple[Callable[..., Json], tuple[Argument, ...]]:
    """The function and its arguments; the literal template of a States.Format is split once."""
    first = call.arguments[0] if call.arguments else None
    if call.name == "States.Format" and isinstance(first, Literal) and first.source is not None:
        parts = template_parts(first.source)
        return (lambda scope, *values: fill(parts, values)), call.arguments[1:]
    return FUNCTIONS[call.name].run, call.arguments
