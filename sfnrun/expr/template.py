"""Compile payload templates, JSON in which some values are expressions, to closures that rebuild only those parts.

In the JSONPath language, the value of a key that ends in `.$` is a path or a call of an intrinsic function. In JSONata,
every string of the form `{% … %}` is an expression. Parts without expressions are shared by all results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from sfnrun.errors import ExpressionError
from sfnrun.expr.intrinsic_functions import hash_map_order
from sfnrun.expr.intrinsics import compile_intrinsic, is_intrinsic
from sfnrun.expr.jsonpath import Path, compile_path
from sfnrun.expr.meter import Exceeded, Meter, current_meter
from sfnrun.expr.scope import Evaluate, Expression, PathError, Scope
from sfnrun.payload import MAX_DEPTH, Json, dumps

__all__ = ["Leaf", "OnError", "Pointer", "Template", "jsonata_inside", "jsonata_template", "jsonpath_template"]

Pointer = tuple[str | int, ...]
OnError = Callable[[Pointer, ExpressionError], None]
"""Receives an error and the pointer (keys and indices) of its expression in the template."""

Leaf = Callable[[str, str], Expression]
"""Compiles a `{% … %}` for a field path such as "Output/items[0]/id"; raises ExpressionError."""


class Template(NamedTuple):
    """A compiled payload template. A `constant` one has no expressions: `evaluate` always returns the same value."""

    text: str
    reads: frozenset[str]
    evaluate: Evaluate
    constant: bool


def jsonpath_template(node: Json, on_error: OnError) -> Template:
    """The template of Parameters, ResultSelector, ItemSelector, Assign or Credentials in the JSONPath language.

    `evaluate` raises PathError with `field` set to the key as written ("value.$").
    """
    return _template(node, _JsonPath(on_error))


def jsonata_template(node: Json, field: str, on_error: OnError, compile_leaf: Leaf) -> Template:
    """The template of Arguments, Output, Assign, Items and the like in JSONata; `field` is the field's name."""
    return _template(node, _Jsonata(field, on_error, compile_leaf))


def jsonata_inside(text: str) -> str | None:
    """The trimmed text between `{%` and `%}`; None if the text is a literal."""
    if len(text) >= 4 and text.startswith("{%") and text.endswith("%}"):
        return text[2:-2].strip()
    return None


# --- the two languages -----------------------------------------------------------------------------------------------


class _JsonPath:
    """Keys that end in `.$` have expressions as values, and lose these two characters in the result."""

    def __init__(self, on_error: OnError) -> None:
        self.on_error = on_error
        self.reads: set[str] = set()
        self.counted = False

    def expression(self, at: Pointer, value: Json) -> Evaluate | None:
        key = at[-1] if at else None
        if not isinstance(key, str) or not key.endswith(".$"):
            return None
        try:
            compiled = _path_or_intrinsic(value)
        except ExpressionError as error:
            self.on_error(at, error)
            return _never
        self.reads |= compiled.reads
        return _in_field(key, compiled, self.counted)

    def key(self, key: str) -> str:
        return key.removesuffix(".$")

    def order(self, keys: Iterable[str]) -> list[str]:
        """Constants come first, then evaluated keys in the order of a HashMap (tests/expr/templates.yaml, recorded)."""
        evaluated = {key.removesuffix(".$"): key for key in keys if key.endswith(".$")}
        return [key for key in keys if not key.endswith(".$")] + [evaluated[key] for key in hash_map_order(evaluated)]


def _path_or_intrinsic(text: Json) -> Expression:
    if not isinstance(text, str):
        hint = "write a path or a call of an intrinsic function"
        raise ExpressionError(dumps(text), "the value of a key that ends in .$ must be a string", hint=hint)
    if is_intrinsic(text):
        return compile_intrinsic(text)
    if not text.startswith("$"):
        hint = "begin a path with $ and a function with States.; for a constant, remove .$ from the key"
        raise ExpressionError(text, "not a path or a function call", length=len(text), hint=hint)
    return compile_path(text)


def _in_field(key: str, compiled: Expression, counted: bool) -> Evaluate:
    evaluate = _kept(compiled.evaluate) if counted else compiled.evaluate
    of_document = isinstance(compiled, Path) and compiled.root == "$"

    def evaluate_field(document: Json, scope: Scope) -> Json:
        try:
            if document is None and of_document:  # AWS reads nothing from null, not even `$`
                raise PathError("The document is null", path=compiled.text)
            return evaluate(document, scope)
        except PathError as error:
            error.field = key
            raise

    return evaluate_field


def _kept(evaluate: Evaluate) -> Evaluate:
    """The same, where the value is counted as a part of the template's result."""

    def evaluate_kept(document: Json, scope: Scope) -> Json:
        value = evaluate(document, scope)
        meter = current_meter.get()
        if meter is not None:
            meter.keep(value)
        return value

    return evaluate_kept


class _Jsonata:
    """Strings of the form `{% … %}` are expressions; keys stay as they are."""

    def __init__(self, field: str, on_error: OnError, compile_leaf: Leaf) -> None:
        self.field = field
        self.on_error = on_error
        self.compile_leaf = compile_leaf
        self.reads: set[str] = set()
        self.counted = False

    def expression(self, at: Pointer, value: Json) -> Evaluate | None:
        if not isinstance(value, str) or jsonata_inside(value) is None:
            return None
        try:
            compiled = self.compile_leaf(value, self.field + _steps(at))
        except ExpressionError as error:
            self.on_error(at, error)
            return _never
        self.reads |= compiled.reads
        return compiled.evaluate

    def key(self, key: str) -> str:
        return key

    def order(self, keys: Iterable[str]) -> list[str]:
        return list(keys)


def _steps(at: Pointer) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f"/{step}" for step in at)


def _never(document: Json, scope: Scope) -> Json:
    raise AssertionError("an expression that did not compile was evaluated")


# --- walking ---------------------------------------------------------------------------------------------------------


Language = _JsonPath | _Jsonata


# This many expressions, each within its own limits, take less than 200 MB together.
FEW_EXPRESSIONS = 20


def _template(node: Json, language: Language) -> Template:
    text = dumps(node)
    language.counted = _is_counted(text)
    whole = _compile(node, language)
    evaluate: Evaluate = (lambda document, scope: node) if whole is None else whole
    if language.counted:
        evaluate = _counting(evaluate)
    # Each level takes a frame or two of the stack; a template with few containers cannot be deep.
    if whole is not None and text.count("{") + text.count("[") > 100:
        evaluate = _with_room(evaluate)
    return Template(text, frozenset(language.reads), evaluate, whole is None)


def _is_counted(text: str) -> bool:
    """Whether the JSONPath expressions of a template share a meter: if they are many, or if a few may cost much."""
    expressions = text.count('.$":')
    return expressions > FEW_EXPRESSIONS or (expressions > 1 and (".." in text or "[?" in text))


def _counting(evaluate: Evaluate) -> Evaluate:
    """The same with a meter for all expressions of the template together."""

    def evaluate_counted(document: Json, scope: Scope) -> Json:
        before = current_meter.set(Meter(document))
        try:
            return evaluate(document, scope)
        except Exceeded as exceeded:
            raise exceeded.failure("The payload template") from None
        finally:
            current_meter.reset(before)

    return evaluate_counted


def _with_room(evaluate: Evaluate) -> Evaluate:
    """The same, with stack frames for the deepest nesting that a definition can have."""

    def evaluate_deeply(document: Json, scope: Scope) -> Json:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(limit + 3 * MAX_DEPTH)
        try:
            return evaluate(document, scope)
        finally:
            sys.setrecursionlimit(limit)

    return evaluate_deeply


class _Open(NamedTuple):
    """A container whose children are being compiled; `parts` are the children that contain expressions."""

    node: Json
    at: Pointer
    pending: Iterator[tuple[str | int, Json]]
    parts: dict[str | int, Evaluate]


def _compile(node: Json, language: Language) -> Evaluate | None:
    """The node as a closure, or None if it is constant. It uses no Python frames for nested containers."""
    found, opened = _enter(node, (), language)
    if opened is None:
        return found
    stack = [opened]
    while True:
        container = stack[-1]
        for key, child in container.pending:
            found, opened = _enter(child, (*container.at, key), language)
            if opened is not None:
                stack.append(opened)
                break
            if found is not None:
                container.parts[key] = found
        else:
            stack.pop()
            built = _build(container, language)
            if not stack:
                return built
            if built is not None:
                stack[-1].parts[container.at[-1]] = built


def _enter(node: Json, at: Pointer, language: Language) -> tuple[Evaluate | None, _Open | None]:
    found = language.expression(at, node)
    if found is None and isinstance(node, dict):
        return None, _Open(node, at, iter(node.items()), {})
    if found is None and isinstance(node, list):
        return None, _Open(node, at, iter(enumerate(node)), {})
    return found, None


def _build(container: _Open, language: Language) -> Evaluate | None:
    if not container.parts:
        return None
    if isinstance(container.node, list):
        return _array(container.node, container.parts)
    order = language.order(container.node)
    return _object({language.key(key): container.node[key] for key in order}, container, language)


def _object(constants: dict[str, Json], container: _Open, language: Language) -> Evaluate:
    """Build an object: `constants` sets the order of keys, and expressions run in the order of the definition."""
    parts = [(language.key(str(key)), evaluate) for key, evaluate in container.parts.items()]
    if [key for key, _ in parts] == list(constants):
        return lambda document, scope: {key: evaluate(document, scope) for key, evaluate in parts}

    def evaluate_object(document: Json, scope: Scope) -> Json:
        made = constants.copy()
        for key, evaluate in parts:
            made[key] = evaluate(document, scope)
        return made

    return evaluate_object


def _array(constants: list[Json], parts: dict[str | int, Evaluate]) -> Evaluate:
    places = [(int(index), evaluate) for index, evaluate in parts.items()]

    def evaluate_array(document: Json, scope: Scope) -> Json:
        made = constants.copy()
        for index, evaluate in places:
            made[index] = evaluate(document, scope)
        return made

    return evaluate_array
