"""Find the expressions of a definition for the rules, and compile them with the compilers of `sfnrun.expr`.

`sfnrun.asl.field_table` says which fields have expressions. An expression with a `${placeholder}` is skipped, since its
text is not final.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct

from sfnrun.asl.field_table import FieldRow, expressions_of
from sfnrun.asl.lint.outline import Outline, Pointer, State, has_placeholder, is_placeholder, objects
from sfnrun.asl.lint.rule import Finding
from sfnrun.asl.lint.shape import operators
from sfnrun.asl.text.source import location_text
from sfnrun.asl.text.substitution import Substitutions
from sfnrun.errors import ExpressionError
from sfnrun.payload import Json

__all__ = ["Expressions", "Found", "find", "looks_like_path"]


class Found(Struct, eq=False):
    """One expression, or one plain string where an expression is possible (`role` "literal", "constant").

    `role` is the purpose of a JSONPath expression: "whole" (InputPath, OutputPath), "result", "caught" (ResultPath of a
    state, of a catcher), "items", "number" (a number of a Map), "timeout", "wait", "variable", "operand" (Choice),
    "fail", "template". In JSONata it is "expression". "object" is an object of a template with a key that ends in
    `.$`; `compiled` is then the object. `is_call` is True for a call of an intrinsic function. `key` is its key,
    `container` the object that AWS reports for it, `depth` its depth in a template.
    """

    state: State
    language: str
    role: str
    pointer: Pointer
    text: str
    field: str
    depth: int = 0
    compiled: Any = None
    error: ExpressionError | None = None
    is_call: bool = False

    @property
    def is_compiled(self) -> bool:
        return self.compiled is not None and self.role != "object"

    @property
    def kind(self) -> str:
        """What rules are selected by: the role, or "call" for an intrinsic function; with "!" for an error."""
        if self.error:
            return f"{self.role}!"
        return "call" if self.is_call else self.role

    @property
    def key(self) -> str:
        return next((step for step in reversed(self.pointer) if isinstance(step, str)), "")

    @property
    def container(self) -> Pointer:
        return self.pointer[:-1]

    @property
    def is_intrinsic(self) -> bool:
        return self.language == "path" and is_intrinsic(self.text)

    @property
    def function(self) -> str:
        """The name of the called intrinsic function, or ""."""
        return self.compiled.call.name if self.is_call else ""

    def fault(self, message: str | None = None, *, location: Pointer | None = None) -> Finding:
        """Return the Finding for the error of the compiler, at the character that it reports."""
        assert self.error is not None
        error = self.error
        words = error.message if message is None else message
        reason = (
            error.hint if message is None else "; ".join(part for part in (_reason(error, words), error.hint) if part)
        )
        return Finding(
            self.pointer, words, reason, offset=error.offset, length=error.length, location=location, code=error.code
        )


def _reason(error: ExpressionError, words: str) -> str:
    return "" if error.message in words else error.message


def is_intrinsic(text: str) -> bool:
    """Whether a string is meant to be a call of an intrinsic function; it may be an invalid one."""
    return text.lstrip().startswith("States.")


def _compiled(text: str, *, is_call: bool = False) -> Any:
    """Compile a JSONPath or a call; the compilers are imported when a definition needs them: start-up time."""
    if is_call:
        from sfnrun.expr.intrinsics import compile_intrinsic

        return compile_intrinsic(text)
    from sfnrun.expr.jsonpath import compile_path

    return compile_path(text)


def looks_like_path(text: str) -> bool:
    """Whether a string is probably meant to be a JSONPath or a call of an intrinsic function."""
    return text.startswith(("$.", "$[", "$$.")) or (text.startswith("States.") and text.rstrip().endswith(")"))


class Expressions(Struct, eq=False, dict=True):
    """All expressions of a definition, for rules that need all of them."""

    outline: Outline

    @cached_property
    def all(self) -> list[Found]:
        return [found for state in self.outline.states for found in find(state)]


def find(state: State) -> Iterator[Found]:
    """Yield the expressions of one state, without those of the states inside it."""
    if not state.type:
        return
    parts = (("", state.pointer, state.value), *_of("Catch", state.catchers), *_of("Choices", state.choices))
    find_in = _jsonata if state.is_jsonata else _jsonpath
    for part, pointer, holder in parts:
        at = pointer[len(state.pointer) :]
        for row in expressions_of(state.type, state.language, part):
            if row.steps[0] in holder:
                yield from find_in(state, row, (*at, *row.steps), holder)
        if part == "Choices" and not state.is_jsonata:
            yield from _comparison(state, at, holder)


def _of(part: str, items: Iterator[tuple[Pointer, dict[str, Any]]]) -> Iterator[tuple[str, Pointer, dict[str, Any]]]:
    return ((part, pointer, item) for pointer, item in items)


def _inside(value: Mapping[str, Any], steps: tuple[str, ...]) -> Json:
    found: Json = value
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return found


# --- JSONPath --------------------------------------------------------------------------------------------------------


def _jsonpath(state: State, row: FieldRow, steps: Pointer, holder: dict[str, Any]) -> Iterator[Found]:
    value = _inside(holder, row.steps)
    if value is None:
        return
    if row.role == "constant" or row.kind == "constant":
        for at, depth, text in _strings(value, state.at(*steps)):
            yield Found(state, "path", "constant", at, text, row.name, depth)
    elif row.kind == "template":
        yield from _template(state, steps, value)
    elif row.role:
        yield from _path(state, row.role, steps, value)


def _comparison(state: State, steps: Pointer, rule: dict[str, Any]) -> Iterator[Found]:
    waiting = [(steps, rule)]
    while waiting:
        at, current = waiting.pop()
        yield from _path(state, "variable", (*at, "Variable"), current.get("Variable"))
        for name in current:
            if name not in operators():
                continue
            if name.endswith("Path"):
                yield from _path(state, "operand", (*at, name), current[name])
            elif name.startswith("String") and isinstance(current[name], str):
                yield Found(state, "path", "constant", state.at(*at, name), current[name], name)
        for name in ("And", "Or"):
            waiting += objects(current.get(name), (*at, name))
        if isinstance(current.get("Not"), dict):
            waiting.append(((*at, "Not"), current["Not"]))


def _path(state: State, role: str, steps: Pointer, value: Json) -> Iterator[Found]:
    if not isinstance(value, str) or has_placeholder(value):
        return
    name = next((step for step in reversed(steps) if isinstance(step, str)), "")
    found = Found(state, "path", role, state.at(*steps), value, name)
    try:
        found.is_call = role == "fail" and is_intrinsic(value)
        found.compiled = _compiled(value, is_call=found.is_call)
        if role in _REFERENCES:
            _require_reference(found)
    except ExpressionError as error:
        found.error = error
    yield found


_REFERENCES = frozenset({"result", "caught", "items", "number", "timeout", "wait", "variable", "operand"})
# A result cannot be put into the context object or a variable, and AWS rejects `$$` for the numbers of a Map
# (conformance/validation, SFN-M29).
_NOT_CONTEXT = frozenset({"result", "caught", "number"})
_NOT_VARIABLE = frozenset({"result", "caught"})


def _require_reference(found: Found) -> None:
    path = found.compiled
    if path.keys is None:
        hint = "use a path to one value, without *, .., filters, slices or functions"
        raise ExpressionError(found.text, "Value is not a Reference Path", length=len(found.text), hint=hint)
    hint = ""
    if path.root == "$$" and found.role in _NOT_CONTEXT:
        hint = "use a path outside the context object"
    elif path.root not in ("$", "$$") and found.role in _NOT_VARIABLE:
        hint = "use Assign to set a variable"
    if hint:
        raise ExpressionError(found.text, "Value is not a Reference Path", length=len(path.root), hint=hint)


def _template(state: State, steps: Pointer, value: Json) -> Iterator[Found]:
    """Yield the strings of a payload template; those under a key that ends in `.$` are compiled."""
    field = next((step for step in reversed(steps) if isinstance(step, str)), "")
    waiting: list[tuple[Pointer, int, Json]] = [(state.at(*steps), 0, value)]
    while waiting:
        at, depth, node = waiting.pop()
        key = at[-1]
        if depth and isinstance(key, str) and key.endswith(".$"):
            if not has_placeholder(node):
                found = Found(state, "path", "template", at, node if isinstance(node, str) else "", field, depth)
                found.compiled, found.error = _compiled_leaf(node)
                found.is_call = found.error is None and is_intrinsic(found.text)
                yield found
        elif isinstance(node, str):
            if not is_placeholder(node):
                yield Found(state, "path", "literal", at, node, field, depth)
        elif isinstance(node, dict):
            if any(key.endswith(".$") for key in node):
                yield Found(state, "path", "object", at, "", field, depth, node)
            waiting += [((*at, key), depth + 1, inner) for key, inner in reversed(node.items())]
        elif isinstance(node, list):
            waiting += [((*at, index), depth + 1, inner) for index, inner in reversed(list(enumerate(node)))]


def _compiled_leaf(text: Json) -> tuple[Any, ExpressionError | None]:
    try:
        if not isinstance(text, str):
            raise ExpressionError("", "it is not a string", hint="write a path such as $.x, or remove .$ from the key")
        if text[:1].isspace():
            raise ExpressionError(text, "it begins with a space", hint="remove it")
        if is_intrinsic(text):
            return _compiled(text, is_call=True), None
        if not text.startswith("$"):
            hint = "begin a path with $ or a function with States.; for a constant remove .$ from the key"
            raise ExpressionError(text, "it is neither a path nor a function", length=len(text), hint=hint)
        return _compiled(text), None
    except ExpressionError as error:
        return None, error


# --- JSONata ---------------------------------------------------------------------------------------------------------

# Finds the placeholders in a text; `${name: qty}` is a group-by of `$` in JSONata and not one of them.
_NO_VALUES = Substitutions(None)


def _jsonata(state: State, row: FieldRow, steps: Pointer, holder: dict[str, Any]) -> Iterator[Found]:
    value = _inside(holder, row.steps)
    if value is None:
        return
    from sfnrun.expr.jsonata import compile_jsonata, unwrap  # only JSONata states need it

    for at, depth, text in _strings(value, state.at(*steps)):
        if next(_NO_VALUES.pieces(text), None) is not None:
            continue
        found = Found(state, "jsonata", "expression", at, text, row.name, depth)
        try:
            # AWS accepts " {% x %} " as a plain string and rejects a string with only one of the marks at its very
            # end (conformance/validation, SFN-Q09).
            plain = not text.startswith("{%") and not text.endswith("%}")
            if plain or unwrap(text) is None:
                found.role = "literal"
            else:
                # The same label as in asl.parse, so that both use one compiled expression.
                found.compiled = compile_jsonata(text, location_text(at[len(state.pointer) :])[1:], allowed=row.reads)
        except ExpressionError as error:
            found.error = error
        if found.role == "expression" or not row.is_text:
            yield found


def _strings(value: Json, pointer: Pointer) -> Iterator[tuple[Pointer, int, str]]:
    waiting: list[tuple[Pointer, int, Json]] = [(pointer, 0, value)]
    while waiting:
        at, depth, node = waiting.pop()
        if isinstance(node, str):
            yield at, depth, node
        elif isinstance(node, dict):
            waiting += [((*at, key), depth + 1, inner) for key, inner in reversed(node.items())]
        elif isinstance(node, list):
            waiting += [((*at, index), depth + 1, inner) for index, inner in reversed(list(enumerate(node)))]
