"""Every expression of a state: where it stands, what it is for, and what its compiler makes of it.

There is one parser for each language, in `sfnrun.expr`; rules only ask what came out. An expression that still holds a
`${placeholder}` is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from sfnrun.asl.lint.outline import Pointer, State, has_placeholder, is_placeholder, objects
from sfnrun.asl.lint.rule import Finding
from sfnrun.asl.lint.shape import operators
from sfnrun.asl.text.substitution import Substitutions
from sfnrun.errors import ExpressionError
from sfnrun.expr.intrinsics import Intrinsic, compile_intrinsic, is_intrinsic
from sfnrun.expr.jsonpath import Path, compile_path
from sfnrun.payload import Json

__all__ = ["Found", "find", "looks_like_path"]


class Found(Struct, eq=False):
    """One expression, or one plain string where an expression could stand (`role` "literal", "constant").

    `role` is what a JSONPath expression is for: "whole" (InputPath, OutputPath), "result", "caught" (ResultPath of a
    state, of a catcher), "items", "number" (a number of a Map), "timeout", "wait", "variable", "operand" (Choice),
    "fail", "template". In JSONata it is "expression". "object" is an object of a template with a key that ends in
    `.$`; `compiled` is the object itself. `key` is the key it stands under, `container` the object that AWS names for
    it, `depth` how deep in a template it stands.
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

    @property
    def is_compiled(self) -> bool:
        return self.compiled is not None and self.role != "object"

    @property
    def kind(self) -> str:
        """What rules are chosen by: the role, "call" for an intrinsic function, with "!" if there is an error."""
        if self.error:
            return f"{self.role}!"
        return "call" if isinstance(self.compiled, Intrinsic) else self.role

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
        """The name of the intrinsic function that is called, or ""."""
        return self.compiled.call.name if isinstance(self.compiled, Intrinsic) else ""

    def fault(self, message: str | None = None, *, location: Pointer | None = None) -> Finding:
        """The Finding for the error of the compiler, under the character that it stumbled over."""
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


def looks_like_path(text: str) -> bool:
    """Whether a string is probably meant as a JSONPath or as a call of an intrinsic function."""
    return text.startswith(("$.", "$[", "$$.")) or (text.startswith("States.") and text.rstrip().endswith(")"))


def find(state: State) -> Iterator[Found]:
    """The expressions of one state, without those of the states inside it."""
    if not state.type:
        return iter(())
    return _jsonata(state) if state.is_jsonata else _jsonpath(state)


# --- JSONPath --------------------------------------------------------------------------------------------------------

_PATHS = {
    "InputPath": "whole",
    "OutputPath": "whole",
    "ResultPath": "result",
    "ItemsPath": "items",
    "MaxConcurrencyPath": "number",
    "ToleratedFailureCountPath": "number",
    "ToleratedFailurePercentagePath": "number",
    "TimeoutSecondsPath": "timeout",
    "HeartbeatSecondsPath": "timeout",
    "SecondsPath": "wait",
    "TimestampPath": "wait",
    "ErrorPath": "fail",
    "CausePath": "fail",
}
_INNER_PATHS: tuple[tuple[str, ...], ...] = (
    ("ItemReader", "ReaderConfig", "MaxItemsPath"),
    ("ItemBatcher", "MaxItemsPerBatchPath"),
    ("ItemBatcher", "MaxInputBytesPerBatchPath"),
)
_TEMPLATES = frozenset({"Parameters", "ItemSelector", "ResultSelector", "Assign", "Credentials"})
_INNER_TEMPLATES: tuple[tuple[str, ...], ...] = (
    ("ItemReader", "Parameters"),
    ("ResultWriter", "Parameters"),
    ("ItemBatcher", "BatchInput"),
)
_CONSTANTS = frozenset({"Result", "Error", "Cause"})


def _inside(value: Mapping[str, Any], steps: tuple[str, ...]) -> Json:
    found: Json = value
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _jsonpath(state: State) -> Iterator[Found]:
    for name, value in state.value.items():
        if name in _PATHS:
            yield from _path(state, _PATHS[name], (name,), value)
        elif name in _TEMPLATES:
            yield from _template(state, (name,), value)
        elif name in _CONSTANTS:
            for at, depth, text in _strings(value, state.at(name)):
                yield Found(state, "path", "constant", at, text, name, depth)
    if state.type == "Map":
        for steps in _INNER_PATHS:
            yield from _path(state, "number", steps, _inside(state.value, steps))
        for steps in _INNER_TEMPLATES:
            yield from _template(state, steps, _inside(state.value, steps))
    for pointer, catcher in state.catchers:
        at = pointer[len(state.pointer) :]
        yield from _path(state, "caught", (*at, "ResultPath"), catcher.get("ResultPath"))
        yield from _template(state, (*at, "Assign"), catcher.get("Assign"))
    for pointer, rule in state.choices:
        at = pointer[len(state.pointer) :]
        yield from _choice(state, at, rule)
        yield from _template(state, (*at, "Assign"), rule.get("Assign"))


def _choice(state: State, steps: Pointer, rule: dict[str, Any]) -> Iterator[Found]:
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
        intrinsic = role == "fail" and is_intrinsic(value)
        found.compiled = compile_intrinsic(value) if intrinsic else compile_path(value)
        if role in _REFERENCES:
            _require_reference(found)
    except ExpressionError as error:
        found.error = error
    yield found


_REFERENCES = frozenset({"result", "caught", "items", "number", "timeout", "wait", "variable", "operand"})
# What these may not begin with: a result cannot be put into the context object or a variable, and the numbers of a
# Map cannot come from the context object (measured on AWS).
_NOT_CONTEXT = frozenset({"result", "caught", "number"})
_NOT_VARIABLE = frozenset({"result", "caught"})


def _require_reference(found: Found) -> None:
    path: Path = found.compiled
    if path.keys is None:
        hint = "a reference path names one value: no *, .., filters, slices or functions"
        raise ExpressionError(found.text, "Value is not a Reference Path", length=len(found.text), hint=hint)
    hint = ""
    if path.root == "$$" and found.role in _NOT_CONTEXT:
        hint = "it cannot be in the context object"
    elif path.root not in ("$", "$$") and found.role in _NOT_VARIABLE:
        hint = "it cannot be a variable; Assign sets one"
    if hint:
        raise ExpressionError(found.text, "Value is not a Reference Path", length=len(path.root), hint=hint)


def _template(state: State, steps: Pointer, value: Json) -> Iterator[Found]:
    """The strings of a payload template; those under a key that ends in `.$` compiled."""
    field = next((step for step in reversed(steps) if isinstance(step, str)), "")
    waiting: list[tuple[Pointer, int, Json]] = [(state.at(*steps), 0, value)]
    while waiting:
        at, depth, node = waiting.pop()
        key = at[-1]
        if depth and isinstance(key, str) and key.endswith(".$"):
            if not has_placeholder(node):
                found = Found(state, "path", "template", at, node if isinstance(node, str) else "", field, depth)
                found.compiled, found.error = _compiled_leaf(node)
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
            raise ExpressionError("", "it is not a string", hint="write a path such as $.x, or leave .$ out of the key")
        if text[:1].isspace():
            raise ExpressionError(text, "it begins with a blank", hint="remove it")
        if is_intrinsic(text):
            return compile_intrinsic(text), None
        if not text.startswith("$"):
            hint = "a path begins with $, a function with States.; for a constant leave .$ out of the key"
            raise ExpressionError(text, "it is neither a path nor a function", length=len(text), hint=hint)
        return compile_path(text), None
    except ExpressionError as error:
        return None, error


# --- JSONata ---------------------------------------------------------------------------------------------------------

_EXPRESSIONS = (
    ("Arguments",),
    ("Output",),
    ("Assign",),
    ("Items",),
    ("ItemSelector",),
    ("Credentials",),
    ("TimeoutSeconds",),
    ("HeartbeatSeconds",),
    ("Seconds",),
    ("Timestamp",),
    ("Error",),
    ("Cause",),
    ("MaxConcurrency",),
    ("ToleratedFailureCount",),
    ("ToleratedFailurePercentage",),
    ("ItemReader", "Arguments"),
    ("ItemReader", "ReaderConfig", "MaxItems"),
    ("ItemBatcher", "MaxItemsPerBatch"),
    ("ItemBatcher", "MaxInputBytesPerBatch"),
    ("ItemBatcher", "BatchInput"),
    ("ResultWriter", "Arguments"),
)
# Finds the placeholders in a text; `${name: qty}` is a group-by of `$` in JSONata and not one of them.
_NO_VALUES = Substitutions(None)
# Strings of these fields that hold no expression are names and texts, or a problem already (Items).
_PLAIN = frozenset({"Error", "Cause", "Items", "Timestamp"})
_INPUT = frozenset({"input", "context"})
_RESULT = _INPUT | {"result"}
# There is no result where an error was caught, but AWS's own tools take expressions that read it: SFN-Q08 warns.
_CAUGHT = _RESULT | {"errorOutput"}


def _jsonata(state: State) -> Iterator[Found]:
    has_result = state.type in ("Task", "Parallel", "Map")
    for steps in _EXPRESSIONS:
        allowed = _RESULT if has_result and steps[0] in ("Output", "Assign") else _INPUT
        yield from _expressions(state, steps, _inside(state.value, steps), allowed)
    for pointer, catcher in state.catchers:
        for name in ("Output", "Assign"):
            yield from _expressions(state, (*pointer[len(state.pointer) :], name), catcher.get(name), _CAUGHT)
    for pointer, rule in state.choices:
        for name in ("Condition", "Output", "Assign"):
            yield from _expressions(state, (*pointer[len(state.pointer) :], name), rule.get(name), _INPUT)


def _expressions(state: State, steps: Pointer, value: Json, allowed: frozenset[str]) -> Iterator[Found]:
    if value is None:
        return
    from sfnrun.expr.jsonata import compile_jsonata, unwrap  # JSONata machines alone need it

    field = next((step for step in reversed(steps) if isinstance(step, str)), "")
    for at, depth, text in _strings(value, state.at(*steps)):
        if next(_NO_VALUES.pieces(text), None) is not None:
            continue
        found = Found(state, "jsonata", "expression", at, text, field, depth)
        try:
            # AWS takes " {% x %} " as it is (recorded), and refuses what has only one of the marks at its very end.
            plain = not text.startswith("{%") and not text.endswith("%}")
            if plain or unwrap(text) is None:
                found.role = "literal"
            else:
                found.compiled = compile_jsonata(text, "/".join(map(str, at[len(state.pointer) :])), allowed=allowed)
        except ExpressionError as error:
            found.error = error
        if found.role == "expression" or field not in _PLAIN:
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
