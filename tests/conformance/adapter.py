"""The project as the conformance programs see it: each function a thin call of the project's own modules."""

from __future__ import annotations

from typing import Any

from sfnrun.expr.jsonata.engine import UNDEFINED, Bounds, EvaluationFailed, evaluate_on
from sfnrun.expr.jsonpath import compile_path
from sfnrun.expr.scope import PlainScope

__all__ = ["UNDEFINED", "evaluate_jsonata", "evaluate_jsonpath"]


def evaluate_jsonata(
    expr: str, data: Any, bindings: dict[str, Any], timelimit: int | None = None, depth: int | None = None
) -> Any:
    """An expression of the reference suite; UNDEFINED for no input, and for no result."""
    seconds = Bounds().seconds if timelimit is None else timelimit / 1000
    bounds = Bounds(seconds=seconds, depth=depth, items=None, characters=None)
    try:
        return evaluate_on(expr, data, bindings, bounds)
    except EvaluationFailed as failed:
        raise failed.error from None


def evaluate_jsonpath(path: str, document: Any) -> Any:
    """What a path finds in a document; raises ExpressionError where AWS refuses it, PathError where it fails."""
    return compile_path(path, rooted=False).evaluate(document, PlainScope())
