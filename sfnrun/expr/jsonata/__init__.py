"""Compile JSONata as Step Functions does: reject what AWS rejects, and fail with the texts of AWS.

AWS documents JSONata 2.0.6 without `$eval`, with six functions of its own, and with no context item: an expression sees
`$states` and the workflow variables. A plain reference (`$states.input.a.b`, `$n`) is answered without the engine.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import NoReturn

import msgspec

from sfnrun.errors import ExpressionError, StatesError
from sfnrun.expr.jsonata.engine import (
    Bounds,
    EvaluationFailed,
    Program,
    Reads,
    Undefined,
    parse,
    reads_of,
    refuse_regexes,
)
from sfnrun.expr.jsonata.plain import UNSURE, plain_reference
from sfnrun.expr.jsonata.scan import BUILTINS, Mention, Mentions, find_mentions
from sfnrun.expr.jsonata.text_functions import TEXT_FUNCTIONS, rewritten
from sfnrun.expr.scope import Evaluate, Scope
from sfnrun.payload import Json, dumps, type_name

__all__ = ["AWS_BOUNDS", "BUILTINS", "Bounds", "Jsonata", "compile_jsonata", "type_name", "unwrap"]

AWS_BOUNDS = Bounds()
_MEMBERS = ("input", "result", "errorOutput", "context")
_INVALID = "INVALID_JSONATA_EXPRESSION"
_UNSUPPORTED = "UNSUPPORTED_JSONATA_EXPRESSION"


class Jsonata(msgspec.Struct, frozen=True):
    """A compiled expression. `text` is the trimmed text between `{%` and `%}`, as AWS prints it.

    `evaluate(document, scope)` takes the `$states` object without its `context`, which is fetched from the scope if the
    expression reads it, and gives a JSON value or raises StatesError States.QueryEvaluationError.
    `reads` are the workflow variables that it reads; `reads_states` the members of `$states` (all four if it reads
    `$states` as a whole) and `reads_context` those of `$states.context`; `calls` the functions that it calls by name,
    those of JSONata and AWS (BUILTINS) among them. `places` has the offset and length of the first mention of each in
    the text as it was given to the compiler, for a caret: `{"$n": (3, 2), "$states.input": (8, 13)}`.
    """

    text: str
    field: str
    evaluate: Evaluate
    reads: frozenset[str] = frozenset()
    reads_states: frozenset[str] = frozenset()
    reads_context: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    places: Mapping[str, tuple[int, int]] = msgspec.field(default_factory=dict)

    def expect(self, value: Json, kind: str) -> Json:
        """Return the value if it has this JSON type: array, object, string, number, boolean, null, or integer.

        Raises StatesError States.QueryEvaluationError otherwise.
        """
        if type_name(value) == kind or (kind == "integer" and _is_whole(value)):
            return value
        raise _failure(
            self.text,
            self.field,
            f" returned an unexpected result type. Expected '{kind}', but was '{type_name(value)}' "
            f"for value: {dumps(value)}",
        )


def unwrap(text: str) -> str | None:
    """The text between `{%` and `%}`, whitespace included; None for a literal string.

    Raises ExpressionError if one of the marks is missing, or for whitespace outside the marks.
    """
    if text.startswith("{%") and text.endswith("%}") and len(text) >= 4:
        return text[2:-2]
    bare = text.strip()
    opens, closes = bare.startswith("{%"), bare.endswith("%}")
    if not opens and not closes:
        return None
    if opens and closes and len(bare) >= 4:
        raise ExpressionError(
            text,
            "Whitespace is not allowed outside {% and %}",
            offset=0 if text[0].isspace() else len(text.rstrip()),
            hint=f"write '{bare}'",
            code=_INVALID,
        )
    if opens:
        raise ExpressionError(
            text, "JSONata expression is not closed", offset=len(text), hint="add %} at the end", code=_INVALID
        )
    raise ExpressionError(text, "JSONata expression is not opened", offset=0, hint="add {% at the start", code=_INVALID)


@lru_cache(maxsize=4096)  # the rules compile an expression, and the machine compiles it again
def compile_jsonata(
    text: str,
    field: str,
    *,
    allowed: frozenset[str] = frozenset({"input", "context"}),
    bounds: Bounds = AWS_BOUNDS,
) -> Jsonata:
    """Compile the expression `text`, with or without `{% %}`, of a field such as "Output/result", as AWS names it.

    `allowed` are the members of `$states` that this field may read. Raises ExpressionError with AWS's code and the
    place in `text`.
    """
    inner = unwrap(text)
    lead = 0 if inner is None else 2
    inner = text if inner is None else inner
    lead += len(inner) - len(inner.lstrip())
    inner = inner.strip()
    plain = plain_reference(inner)
    try:
        # A plain reference does not need the library, which takes 11 ms to import.
        parsed = None if plain else parse(inner)
        found = find_mentions(inner)
        refuse_regexes(inner, found.regexes)
        _refuse(inner, found, allowed)
    except ExpressionError as error:
        error.expression, error.offset = text, error.offset + lead
        raise
    mentions = frozenset(mention.name for mention in found.variables)
    reads = Reads() if parsed is None else reads_of(parsed, mentions)
    states = _members(found.states, reads.states)
    evaluation = _Evaluation(inner, field, found, bounds, reads_item=reads.item, reads_context="context" in states)
    return Jsonata(
        text=inner,
        field=field,
        evaluate=evaluation.run if plain is None else evaluation.answered(plain),
        reads=frozenset(evaluation.variables),
        reads_states=states,
        reads_context=reads.context | {mention.name for mention in found.context},
        calls=frozenset(mention.name for mention in found.calls),
        places=_places(found, lead),
    )


# -- what AWS rejects


def _refuse(text: str, found: Mentions, allowed: frozenset[str]) -> None:
    """Raise the first error in the order of the text."""
    refusals = sorted(_refusals(text, found, allowed), key=lambda refusal: refusal.offset)
    if refusals:
        raise refusals[0]


def _refusals(text: str, found: Mentions, allowed: frozenset[str]) -> Iterator[ExpressionError]:
    for mention in found.later:
        # JSONata 2.0.6 reports the second character.
        yield ExpressionError(
            text,
            f'The symbol "{mention.name[1]}" cannot be used as a unary operator',
            offset=mention.start + 1,
            hint=f"Step Functions uses JSONata 2.0.6, which does not have {mention.name}; write $exists(a) ? a : b",
            code=_INVALID,
        )
    for mention in found.outside:
        yield _unsupported(
            text, mention, f"Reference to '{mention.name}' at the top level is not supported.", _advice(text, mention)
        )
    for mention in found.roots:
        hint = "use $states.input for the input, $states.context for the context object"
        yield _unsupported(text, mention, "Reference to '$$' is not supported.", hint)
    for mention in found.assigned_states:
        yield _unsupported(text, mention, "Assignment to '$states' is not supported.", "choose another name")
    for mention in found.states:
        if mention.name in _MEMBERS and mention.name not in allowed:
            message = f"$states.{mention.name} is not available here"
            yield _unsupported(text, mention, message, _WHERE.get(mention.name, ""))


_WHERE = {
    "result": "use it in Output and Assign of Task, Parallel and Map states",
    "errorOutput": "use it in Output and Assign of a Catcher",
}


def _unsupported(text: str, mention: Mention, message: str, hint: str) -> ExpressionError:
    return ExpressionError(
        text, message, offset=mention.start, length=mention.end - mention.start, hint=hint, code=_UNSUPPORTED
    )


def _advice(text: str, mention: Mention) -> str:
    if text[mention.end :].lstrip().startswith("(") and mention.name in BUILTINS:
        return f"did you mean ${mention.name}?"
    if mention.name in ("$", "*", "**", "%"):
        return "use $states.input for the state's input"
    return f"write $states.input.{mention.name}, or ${mention.name} for a variable"


# -- references


def _members(mentions: list[Mention], read: frozenset[str] | None) -> frozenset[str]:
    """The members of `$states` that are mentioned or read; all four if `$states` is read as a whole (None)."""
    names = {mention.name for mention in mentions if mention.name}
    return frozenset(names.union(_MEMBERS if read is None else read))


def _places(found: Mentions, lead: int) -> dict[str, tuple[int, int]]:
    places: dict[str, tuple[int, int]] = {}
    for prefix, mentions in (("$", found.variables), ("$states.", found.states), ("$states.context.", found.context)):
        for mention in mentions:
            places.setdefault(prefix + mention.name, (mention.start + lead, mention.end - mention.start))
    return places


# -- evaluation


class _Evaluation:
    """Evaluates one expression: builds its document, and words its errors like AWS."""

    def __init__(
        self, text: str, field: str, found: Mentions, bounds: Bounds, *, reads_item: bool, reads_context: bool
    ) -> None:
        self.text = text
        self.field = field
        self.found = found
        self.bounds = bounds
        self.plain = found.plain and not reads_item
        self.mentions = frozenset(mention.name for mention in found.variables)
        called = {mention.start for mention in found.calls}
        read = {mention.name for mention in found.variables if mention.start not in called}
        self.variables = sorted(read - BUILTINS - {"states"})
        # A workflow variable, such as `count`, hides the function of its name.
        self.may_hide = frozenset(self.mentions & BUILTINS)
        self.bound = sorted(self.mentions - BUILTINS - {"states"})
        self.reads_states = "states" in self.mentions
        self.reads_context = reads_context
        self.programs: dict[frozenset[str], Program] = {}

    def answered(self, answer: Callable[[Json, Scope], object]) -> Evaluate:
        """Evaluate with `answer`, and with the engine where `answer` is UNSURE."""

        def evaluate(document: Json, scope: Scope) -> Json:
            value = answer(document, scope)
            if value is UNSURE:
                return self.run(document, scope)
            if type(value) is Undefined:
                self.nothing(value)
            return value

        return evaluate

    def run(self, document: Json, scope: Scope) -> Json:
        """Evaluate with the engine."""
        hidden = self.may_hide and self.may_hide.intersection(scope.variables)
        program = self.programs.get(hidden) or self.made(hidden)
        try:
            value = program.run(self.given(document, scope, hidden), scope)
        except EvaluationFailed as error:
            raise _failure(self.text, self.field, f" threw an error during evaluation{error.ending}") from None
        if type(value) is Undefined:
            self.nothing(value)
        return value

    def made(self, hidden: frozenset[str]) -> Program:
        """The program in which the workflow variables `hidden` hide functions of their names."""
        names = [*self.bound, *sorted(hidden)]
        if self.reads_states:
            assignments = {"states": "s" if names else "$"} | {name: f"v.`{name}`" for name in names}
        else:
            assignments = {name: f"`{name}`" for name in names}
        text, ours = rewritten(self.text, self.found, hidden)
        functions = [TEXT_FUNCTIONS[name] for name in sorted(ours)]
        program = Program(text, assignments, self.mentions, plain=self.plain, bounds=self.bounds, ours=functions)
        self.programs[hidden] = program
        return program

    def given(self, document: Json, scope: Scope, hidden: frozenset[str]) -> Json:
        """The document from which the program assigns its variables."""
        if not self.reads_states:
            return _as_dict(scope.variables) if self.bound or hidden else None
        if self.reads_context:
            document = {"input": None, "context": scope.context, **document}  # in AWS's order (recorded)
        return {"s": document, "v": _as_dict(scope.variables)} if self.bound or hidden else document

    def nothing(self, value: Undefined) -> NoReturn:
        ending = " returned an unsupported result type." if value.is_function else " returned nothing (undefined)."
        raise _failure(self.text, self.field, ending)


def _as_dict(variables: Mapping[str, Json]) -> dict[str, Json]:
    return variables if type(variables) is dict else dict(variables)


def _failure(text: str, field: str, ending: str) -> StatesError:
    return StatesError(
        "States.QueryEvaluationError",
        f"The JSONata expression '{text}' specified for the field '{field}'{ending}",
        location=field,
    )


def _is_whole(value: Json) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())
