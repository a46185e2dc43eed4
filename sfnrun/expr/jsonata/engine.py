"""Evaluate JSONata with the library `jlens`, which no other module imports.

A program gets its values through the engine's input document, which it reads member by member: a binding would be
converted whole at each evaluation, 350 µs for a thousand items against 1 µs. So the text is wrapped: `$states` and the
variables become assignments from the document in front of it. The library is imported when the first one is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from sfnrun.errors import ExpressionError, UnavailableError
from sfnrun.expr.jsonata.functions import FUNCTIONS, MAX_ITEMS, HostFunction, Thrown
from sfnrun.expr.jsonata.scan import Mention, is_output
from sfnrun.expr.meter import MAX_BYTES
from sfnrun.expr.scope import Scope
from sfnrun.payload import Json, dumps, loads

if TYPE_CHECKING:
    import jlens

__all__ = [
    "UNDEFINED",
    "Bounds",
    "EvaluationFailed",
    "Program",
    "Reads",
    "Undefined",
    "evaluate_on",
    "parse",
    "refuse_regexes",
]


class Undefined:
    """JSONata's undefined value; `is_function` for a function, which is not a JSON value either."""

    def __init__(self, *, is_function: bool = False) -> None:
        self.is_function = is_function

    def __repr__(self) -> str:
        return "<function>" if self.is_function else "<undefined>"


UNDEFINED = Undefined()
FUNCTION = Undefined(is_function=True)


class EvaluationFailed(Exception):
    """An error of JSONata with its `code`; `error` is the exception of the library or of a host function."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
        self.code: str = getattr(error, "code", "")

    @property
    def ending(self) -> str:
        """AWS's text after "threw an error during evaluation": ". T1006: …", or ": …" if a limit was exceeded."""
        if self.code == "U1001" and "size limit" in str(self):
            return _MEMORY
        # Some host functions have a name with two underscores before it.
        message = str(self).replace('function "__', 'function "')
        return _BOUND_ENDINGS.get(self.code) or f". {self.code}: {message}"


class Bounds(Struct, frozen=True):
    """Limits of an evaluation. The defaults were measured on AWS, except for the seconds, which are not known.

    `depth` counts nested evaluations (each term of 1+1+1 is one, a call of f in `1+$f($n-1)` is three), `items` those
    of one array, `characters` the bytes of one string, `result` the bytes of the result as JSON. The library notices
    Ctrl-C only when an evaluation ends, so `seconds` is also the longest delay of Ctrl-C.
    """

    seconds: float = 5.0
    depth: int | None = 100
    items: int | None = MAX_ITEMS
    characters: int | None = MAX_BYTES
    result: int | None = MAX_BYTES

    def options(self, wrapping: int) -> dict[str, Any]:
        """The library's options; `wrapping` is the depth that the text around the expression adds."""
        return {
            "timeout": self.seconds,
            "max_depth": None if self.depth is None else self.depth + wrapping,
            "max_array_length": self.items,
            "max_string_length": self.characters,
            "max_result_size": self.result,
        }


# AWS's texts of the limits; the text of the time limit is that of the reference's own runner.
_STACK = ": Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive."
_TIME = ": Expression evaluation timeout: Check for infinite loop"
_MEMORY = ": Expression evaluation memory limit exceeded: Check for excessive memory usage"
_BOUND_ENDINGS = {"D1011": _STACK, "D1012": _TIME, "D2015": _MEMORY, "D2016": _MEMORY}

# Functions of the library that use its clock, and its random numbers.
_CLOCK = frozenset(("now", "millis", "toMillis"))
_CHANCE = frozenset(("shuffle",))


def refuse_regexes(text: str, found: Iterable[Mention]) -> None:
    """Raise ExpressionError for a regular expression that JavaScript does not compile.

    The engine compiles one when it is used, and what it says of it then is S0302, "No terminating /".
    """
    for regex in found:
        flags = regex.name[regex.name.rindex("/") + 1 :]
        try:
            _library().Expression(f'$contains("", {regex.name})').evaluate()
            reason = "remove the duplicate flag" if len(set(flags)) < len(flags) else ""
        except _library().JlensError:
            reason = "use the regular expression syntax of JavaScript"
        if reason:
            raise ExpressionError(
                text,
                f"Invalid regular expression: {regex.name}",
                offset=regex.start,
                length=regex.end - regex.start,
                hint=reason,
                code="INVALID_JSONATA_EXPRESSION",
            )


def _library() -> Any:
    try:
        import jlens  # 11 ms that only JSONata machines pay
    except ImportError as error:
        raise UnavailableError(
            f"JSONata needs the Python package jlens, which cannot be imported here: {error}",
            "pip install 'jlens>=0.25,<0.26'; it has wheels for Linux, macOS and 64-bit Windows, and builds "
            "elsewhere where a Rust compiler is installed",
        ) from error
    return jlens


class Reads(Struct, frozen=True):
    """What an expression reads as the engine sees it, which its text may not show: `$lookup($states, "input")`.

    `item` tells of the context item, also where a function uses it for a missing argument. `states` and `context` are
    the members of `$states` and of `$states.context`; None stands for `$states` as a whole.
    """

    item: bool = False
    states: frozenset[str] | None = frozenset()
    context: frozenset[str] = frozenset()


def parse(text: str) -> jlens.Expression:
    """The parsed `text`. Raises ExpressionError, with the reference's message, if it is not JSONata."""
    library = _library()
    try:
        return library.Expression(text)  # type: ignore[no-any-return]
    except UnicodeEncodeError as error:
        raise ExpressionError(
            text, "A lone surrogate is not a character", offset=error.start, code="INVALID_JSONATA_EXPRESSION"
        ) from None
    except library.JlensError as error:
        start, end = _place(error, text)
        # jlens writes the number 2 as 2.0 where it names a token.
        message = re.sub(r"(?<=\d)\.0(?= |$)", "", str(error)) if error.code in ("S0201", "S0213") else str(error)
        raise ExpressionError(
            text, message, offset=start, length=max(1, end - start), code="INVALID_JSONATA_EXPRESSION"
        ) from None


def reads_of(parsed: jlens.Expression, mentions: frozenset[str]) -> Reads:
    """What the engine reports that the parsed expression reads; `mentions` are the names in its text."""
    found: Mapping[str, Any] = parsed.reads(dict.fromkeys(mentions & _OURS, _ours))
    states = found["bindings"].get("states", {})
    # Every object constructor reports {}: it only tests whether there is a context item.
    item = bool(found.get("input"))
    if states is True:
        return Reads(item, None)
    context = states.get("context", {})
    return Reads(item, frozenset(states), frozenset(() if context is True else context))


# Functions that the engine does not have. It must know them: an unknown function may read the context item.
_OURS = frozenset((*FUNCTIONS, "eval"))


def _ours() -> None: ...


def _place(error: jlens.JlensError, text: str) -> tuple[int, int]:
    """The offsets of an error; the end of the text if something is missing there."""
    start = error.start if error.start is not None else error.position or 0
    end = error.end if error.end is not None else start + 1
    return min(start, len(text)), max(start, end)


# The scope of the running evaluation, for host functions. Evaluations do not nest, and each thread has its own value.
_scope: ContextVar[Scope] = ContextVar("sfnrun.jsonata.scope")


_NO_OPTIONS: dict[str, Any] = {}

# The text before an expression in a group-by over nothing.
_GROUP = '[]{"r":'


class Program:
    """An expression compiled for documents of one shape.

    `text` may call the functions in `ours` under their names. `assignments` tell where in the document its variables
    are: `{"states": "$", "n": "v.n"}`. `mentions` are all names that the text mentions, so that only what it needs is
    made ready. `plain` tells that its value is not a sequence in a sequence, and that it does not read the context
    item.
    """

    def __init__(
        self,
        text: str,
        assignments: Mapping[str, str],
        mentions: frozenset[str],
        *,
        plain: bool,
        bounds: Bounds,
        ours: Sequence[HostFunction] = (),
    ) -> None:
        self.text = text
        self.assignments = assignments
        self.mentions = mentions
        self.bounds = bounds
        self.ours = ours
        self.finite: dict[tuple[int, int], Program] = {}
        self.prelude = _prelude(assignments, mentions)
        self.hosts = [FUNCTIONS[name] for name in sorted(mentions & FUNCTIONS.keys() - assignments.keys())]
        self.hosts += ours
        self.clock = bool(mentions & _CLOCK)
        self.chance = bool(mentions & _CHANCE)
        self.is_pure = not (self.hosts or self.clock or self.chance)
        self.failures: tuple[type[Exception], ...] = (_library().JlensError, Thrown)
        self.quick = self.ready(text, 0) if plain else None

    def evaluate(self, document: Json, options: dict[str, Any]) -> Json | Undefined:
        """The value, by `[]{"r": text}`: a group-by over nothing, which evaluates `text` once and without context item.

        It distinguishes null from undefined. And it keeps a sequence in a sequence: `text` alone behind the prelude is
        the last value of a block, and a block unwraps a sequence of one once more. Where the expression is `plain`, the
        difference does not matter, and `quick` saves half a microsecond.
        """
        if self.quick is not None:
            value = self.quick(document, **options)
            if value is not None:
                return value
        group = self.group(document, **options)
        return group["r"] if group else self.undefined(document, **options)

    @cached_property
    def group(self) -> Callable[..., Json]:
        """A function of the document that gives `{"r": value}`, or `{}` if the value is not JSON."""
        return self.ready(f"{_GROUP}{self.text}}}", 1)

    def undefined(self, document: Json, **options: Any) -> Undefined:
        """Whether the value was undefined or a function. This evaluates the expression once more."""
        kind = self.ready(f'[]{{"r":$type({self.text})}}', 3)(document, **options)
        return FUNCTION if kind == {"r": "function"} else UNDEFINED

    def ready(self, text: str, wrapping: int) -> Callable[..., Json]:
        """A function of the document that evaluates `text` behind the prelude."""
        if self.prelude:
            text, wrapping = f"({self.prelude}{text})", wrapping + 1
        expression = _library().Expression(text)
        for host in self.hosts:
            expression.register_function(host.name, _with_scope(host.call), host.signature)
        return partial(expression.evaluate, **self.bounds.options(wrapping))

    def run(self, document: Json, scope: Scope) -> Json | Undefined:
        """The value, or an Undefined. Raises EvaluationFailed."""
        try:
            if not self.is_pure:
                return self.run_in(scope, document)
            return self.evaluate(document, _NO_OPTIONS)
        except self.failures as error:
            finite = self.without_infinity(error)
            if finite is not None:
                return finite.run(document, scope)
            raise EvaluationFailed(error) from None

    def without_infinity(self, error: Exception) -> Program | None:
        """The program with null in place of the part that is not finite, if nothing computes with its value.

        The engine fails with D1001. The reference and AWS evaluate it to Infinity (floci#2737), which is null in the
        JSON of JavaScript; the output of AWS is not recorded.
        """
        if not isinstance(error, _library().JlensError) or error.code != "D1001" or error.start is None:
            return None
        before = len(f"({self.prelude}" if self.prelude else "") + (len(_GROUP) if self.quick is None else 0)
        start, end = error.start - before, (error.end or 0) - before
        if not 0 <= start < end <= len(self.text) or not is_output(self.text, start, end):
            return None
        if (start, end) not in self.finite:
            text = f"{self.text[:start]}null{self.text[end:]}"
            self.finite[start, end] = Program(
                text, self.assignments, self.mentions, plain=False, bounds=self.bounds, ours=self.ours
            )
        return self.finite[start, end]

    def run_in(self, scope: Scope, document: Json) -> Json | Undefined:
        """The same for an expression that calls host functions, or functions with a clock or random numbers."""
        options: dict[str, Any] = {}
        if self.clock:
            options["now"] = scope.now
        if self.chance:
            options["seed"] = scope.random.getrandbits(63)
        token = _scope.set(scope)
        try:
            return self.evaluate(document, options)
        finally:
            _scope.reset(token)


def _prelude(assignments: Mapping[str, str], mentions: frozenset[str]) -> str:
    made = [f"${name}:={place};" for name, place in assignments.items()]
    made += [FUNCTIONS[name].prelude for name in sorted(mentions & FUNCTIONS.keys() - assignments.keys())]
    if "eval" in mentions and "eval" not in assignments:
        made.append("$eval:=[][0];")  # AWS has no $eval: it is undefined, and calling it T1006
    return "".join(made)


def _with_scope(call: Callable[..., Json]) -> Callable[..., Json]:
    return lambda *arguments: call(_scope.get(), *arguments)


def evaluate_on(text: str, document: Json, variables: Mapping[str, Json], bounds: Bounds) -> Json | Undefined:
    """Evaluate an expression of standard JSONata on a context item, `document` (UNDEFINED: none).

    Raises EvaluationFailed, also for what does not parse. Nothing in a state machine is evaluated so; it is for trying
    JSONata out, and for holding the engine against the suite of the reference.
    """
    library = _library()
    given = None if isinstance(document, Undefined) else dumps(document)
    try:
        value = library.Expression(text).evaluate_json(given, dict(variables) or None, **bounds.options(0))
    except library.JlensError as error:
        raise EvaluationFailed(error) from None
    return UNDEFINED if value is None else loads(value)
