"""Compile JSONPath to closures at load time, with the semantics of AWS, which are those of Jayway JsonPath 2.0.0.

A definite path (names and single indices) gives the value itself and fails if there is none. Any other path gives a
list, empty if nothing is found. `$` is the document, `$$` the context object, `$name` a workflow variable.
Source: AWS "Using JSONPath paths". Recordings match the library in versions 1.2.0 and 2.0.0, and no later one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sfnrun.errors import ExpressionError
from sfnrun.expr.jsonpath.parse import JAVA_BLANKS, parse_steps
from sfnrun.expr.jsonpath.steps import Elements, Flaw, Names, Step, is_definite
from sfnrun.expr.jsonpath.walk import compile_steps, is_metered
from sfnrun.expr.meter import Exceeded
from sfnrun.expr.scope import Evaluate, PathError, Scope
from sfnrun.payload import Json, dumps

__all__ = ["Path", "ReferencePath", "compile_path", "compile_reference_path"]

Keys = tuple[str | int, ...]

# Not allowed in a Reference Path outside quotes, even where Jayway reads it as part of a name.
_OPERATORS = re.compile(r"[@,:?*]|\(\)")
_QUOTED = re.compile(r"'[^']*'")
_ROOT = re.compile(r"\$\$|\$[^\W\d]\w*|\$|@")


class Path(NamedTuple):
    """A compiled JSONPath.

    `definite` tells whether it gives a value itself (True) or a list of values. `root` is "$", "$$" or "$name", `keys`
    the names and indices from there, or None if the path has other steps. `metered` tells that `evaluate` counts its
    steps; it then raises StatesError where they are too many.
    """

    text: str
    reads: frozenset[str]
    definite: bool
    evaluate: Evaluate
    root: str = "$"
    keys: Keys | None = None
    metered: bool = False


class ReferencePath(Path):
    """A path that names one node, so that a value can be put there (AWS: Reference Path)."""

    __slots__ = ()

    def put(self, document: Json, value: Json) -> Json:
        """The document with `value` at the path; containers along the path are copied, all others are shared.

        Missing objects along the path are created. Raises PathError if the path leads through a value that is not an
        object, or to an index that an array does not have.
        """
        assert self.keys is not None
        return _put(self.text, document, value, self.keys)


@lru_cache(maxsize=4096)  # what is checked is compiled again to be run, and definitions repeat their paths
def compile_path(text: str, *, rooted: bool = True) -> Path:
    """Compile a path such as `$.a.b[0]`, `$$.Execution.Id`, `$name.x` or `$.items[?(@.price > 10)]`.

    With `rooted` (AWS's rule) it must begin with `$`; without, `a.b` and `@.a` are read as `$.a.b`, `$.a` as Jayway
    does. Raises ExpressionError.
    """
    root, steps = _read(text, rooted)
    keys = _keys(steps)
    reads = frozenset([root[1:]]) if root not in ("$", "$$") else frozenset[str]()
    return Path(text, reads, is_definite(steps), _evaluator(text, root, steps, keys), root, keys, is_metered(steps))


@lru_cache(maxsize=1024)
def compile_reference_path(text: str) -> ReferencePath:
    """Compile a path that names one node of the document, such as a ResultPath. Raises ExpressionError."""
    path = compile_path(text)
    if path.keys is None or path.root != "$" or _OPERATORS.search(_QUOTED.sub("", text)):
        hint = "use names and indices only, such as $.a.b[0]" if path.root == "$" else "begin a Reference Path with $"
        raise ExpressionError(text, f"{text} is not a Reference Path", length=len(text), hint=hint)
    return ReferencePath(path.text, path.reads, path.definite, path.evaluate, path.root, path.keys)


def _read(text: str, rooted: bool) -> tuple[str, tuple[Step, ...]]:
    trimmed = text.strip(JAVA_BLANKS)
    offset = text.find(trimmed)
    if not trimmed:
        raise ExpressionError(text, "the path is empty", hint="write $ for the whole document")
    match = _ROOT.match(trimmed)
    if rooted and not trimmed.startswith("$"):
        is_call = trimmed.startswith("States.")
        hint = "call functions under keys that end in .$" if is_call else f"did you mean $.{trimmed}?"
        raise ExpressionError(text, "a path must begin with $", offset=offset, hint=hint)
    root = match.group() if match else ""
    body = trimmed[len(root) :] if root else "." + trimmed
    try:
        steps = parse_steps(body)
    except Flaw as flaw:
        at = max(0, min(offset + len(trimmed) - len(body) + flaw.offset, len(text)))
        length = max(1, min(flaw.length, len(text) - at))
        raise ExpressionError(text, flaw.message, offset=at, length=length, hint=flaw.hint) from None
    return root if root.startswith("$") else "$", steps


def _keys(steps: Sequence[Step]) -> Keys | None:
    keys: list[str | int] = []
    for step in steps:
        if isinstance(step, Names) and len(step.names) == 1:
            keys.append(step.names[0])
        elif isinstance(step, Elements) and step.single is not None and step.single >= 0:
            keys.append(step.single)
        else:
            return None
    return tuple(keys)


# --- evaluating ------------------------------------------------------------------------------------------------------


def _evaluator(text: str, root: str, steps: Sequence[Step], keys: Keys | None) -> Evaluate:
    in_document = _in_document(text, steps, keys)
    if root == "$":
        return in_document
    if root == "$$":
        return lambda document, scope: in_document(scope.context, scope)
    return _in_variable(text, root[1:], in_document)


def _in_variable(text: str, name: str, evaluate: Evaluate) -> Evaluate:
    def evaluate_variable(document: Json, scope: Scope) -> Json:
        try:
            value = scope.variables[name]
        except KeyError:
            raise PathError(f"The variable ${name} has no value", path=text) from None
        return evaluate(value, scope)

    return evaluate_variable


def _in_document(text: str, steps: Sequence[Step], keys: Keys | None) -> Evaluate:
    if keys is None:
        return _walking(text, steps)
    if not keys:
        return _whole
    explain = _walking(text, steps)
    match keys:
        case (str(name),):
            return _one_name(name, explain)
        case (str(outer), str(inner)):
            return _two_names(outer, inner, explain)
    return _along(keys, explain) if isinstance(keys[-1], str) else _to_element(keys, explain)


def _whole(document: Json, scope: Scope) -> Json:
    return document


def _walking(text: str, steps: Sequence[Step]) -> Evaluate:
    read = compile_steps(steps)

    def evaluate(document: Json, scope: Scope) -> Json:
        try:
            return read(document, document)
        except PathError as error:
            error.path = text
            raise
        except Exceeded as exceeded:
            raise exceeded.failure(f"The JSONPath '{text}'") from None

    return evaluate


def _one_name(name: str, explain: Evaluate) -> Evaluate:
    """The fast path: a name on anything but an object raises, and `explain` then finds the error."""

    def evaluate(document: Json, scope: Scope) -> Json:
        try:
            return document[name]
        except (KeyError, TypeError):
            return explain(document, scope)

    return evaluate


def _two_names(outer: str, inner: str, explain: Evaluate) -> Evaluate:
    def evaluate(document: Json, scope: Scope) -> Json:
        try:
            return document[outer][inner]
        except (KeyError, TypeError):
            return explain(document, scope)

    return evaluate


def _along(keys: Keys, explain: Evaluate) -> Evaluate:
    def evaluate(document: Json, scope: Scope) -> Json:
        node = document
        try:
            for key in keys:
                node = node[key]
        except (KeyError, TypeError, IndexError):
            return explain(document, scope)
        return node

    return evaluate


def _to_element(keys: Keys, explain: Evaluate) -> Evaluate:
    """Python indexes strings too. A name after that fails, so only an index at the end needs a check."""
    along = _along(keys, explain)

    def evaluate(document: Json, scope: Scope) -> Json:
        element = along(document, scope)
        return explain(document, scope) if element.__class__ is str else element

    return evaluate


# --- putting ---------------------------------------------------------------------------------------------------------


def _put(text: str, document: Json, value: Json, keys: Keys) -> Json:
    if not keys:
        return value
    top: list[Any] = [None]
    holder: Any = top
    slot: str | int = 0
    node = document
    for position, key in enumerate(keys):
        holder[slot] = copy = _copy(text, node, keys[: position + 1])
        holder, slot = copy, key
        node = _next(copy, key)
    holder[slot] = value
    return top[0]


class _Missing:
    """Marks a member that does not exist yet."""


_MISSING = _Missing()


def _next(container: Any, key: str | int) -> Any:
    return container.get(key, _MISSING) if isinstance(key, str) else container[key]


def _copy(text: str, node: Any, way: Keys) -> Any:
    """A shallow copy of the container of the last key of `way`, or a new object if there is none."""
    key = way[-1]
    if isinstance(key, str) and node is _MISSING:
        return {}
    if isinstance(key, str) and isinstance(node, dict):
        return dict(node)
    if isinstance(key, int) and isinstance(node, list) and key < len(node):
        return list(node)
    met = "null" if node is _MISSING else dumps(node)
    # AWS's texts for a document without members and for a value inside a document (both from user reports).
    what = f'step "{key}"' if len(way) > 1 or isinstance(node, dict | list) else f"ReferencePath {text}"
    raise PathError(f"Unable to apply {what} to input {met}", path=text, not_found=False)
