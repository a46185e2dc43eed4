"""Evaluates the parts of a Choice rule: comparisons of a JSONPath rule, references of a JSONata condition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sfnrun.asl.model import State
from sfnrun.errors import ExpressionError, StatesError
from sfnrun.explain.observe import Describe, Finding
from sfnrun.expr.choice import compile_rule
from sfnrun.expr.scope import Scope
from sfnrun.payload import Json, dumps

__all__ = ["describer", "rule_text"]

# A variable with the members after it, unless it is called: `$states.input.order.total`, `$n`, `$items[0].price`.
_REFERENCE = re.compile(r"\$[A-Za-z_]\w*+(?:\s*\.\s*(?:[A-Za-z_]\w*+|`[^`]*`)|\[\s*-?\d+\s*\])*+(?!\s*\()")
_SHOWN = 200


def describer(state: State, own: Mapping[str, Any]) -> Describe:
    """Return a function that describes the rules of a state; `own` is the state's JSON."""
    rules = own.get("Choices") or ()
    if state.query_language == "JSONata":
        return lambda index, document, scope: _references(rules[index]["Condition"], document, scope)
    return lambda index, document, scope: _comparisons(rules[index], document, scope)


def rule_text(state: State, rule: Mapping[str, Any]) -> str:
    """Return a rule of the definition on one line."""
    if state.query_language == "JSONata":
        return str(rule["Condition"]) if isinstance(rule["Condition"], str) else dumps(rule["Condition"])
    return compile_rule(rule, _ignore).text


def _ignore(pointer: object, error: ExpressionError) -> None:
    """The rule was compiled before without errors."""


def _comparisons(rule: Mapping[str, Any], document: Json, scope: Scope) -> list[Finding]:
    return [
        (text, outcome, _cut(held)) for text, outcome, held in compile_rule(rule, _ignore).describe(document, scope)
    ]


def _references(condition: Json, document: Json, scope: Scope) -> list[Finding]:
    if not isinstance(condition, str):
        return []
    texts = dict.fromkeys(found[0] for found in _REFERENCE.finditer(condition))
    return [(text, None, held) for text in texts if (held := _held(text, document, scope)) is not None]


def _held(text: str, document: Json, scope: Scope) -> str | None:
    """Return the value of a reference; None if it is bound inside the expression."""
    from sfnrun.expr.jsonata import compile_jsonata

    try:
        return _cut(dumps(compile_jsonata(text, "Condition").evaluate(document, scope)))
    except ExpressionError:
        return None
    except StatesError:
        return "nothing"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
