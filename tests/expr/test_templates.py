"""Payload templates by their table, in both languages: what is evaluated, what is shared, and how deep it may be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfnrun.errors import ExpressionError
from sfnrun.expr.jsonpath import PathError
from sfnrun.expr.scope import Evaluate, PlainScope
from sfnrun.expr.template import jsonata_inside, jsonata_template, jsonpath_template

HERE = Path(__file__).resolve().parent
SCOPE = PlainScope()


def cases() -> list[Any]:
    groups = yaml.safe_load((HERE / "templates.yaml").read_text(encoding="utf-8"))
    return [
        pytest.param(group, case, id=f"{group['group']}: {json.dumps(case['template'])}")
        for group in groups
        for case in group["cases"]
    ]


def refuse(at: Any, error: ExpressionError) -> None:
    raise AssertionError(f"{at}: {error}")


@pytest.mark.parametrize(("group", "case"), cases())
def test_template(group: dict[str, Any], case: dict[str, Any]) -> None:
    wrong: list[Any] = []
    template = jsonpath_template(case["template"], lambda at, error: wrong.append([list(at), error.message]))
    assert wrong == case.get("wrong", [])
    scope = PlainScope(context=group.get("context", {}), variables=group.get("variables", {}))
    if "gives" in case:
        assert json.dumps(template.evaluate(group["input"], scope)) == json.dumps(case["gives"])
    elif "field" in case:
        with pytest.raises(PathError) as missed:
            template.evaluate(group["input"], scope)
        assert (missed.value.field, missed.value.path) == (case["field"], case["path"])


def test_a_constant_template_is_one_value() -> None:
    node = {"a": [1, {"b": "$.x"}]}
    template = jsonpath_template(node, refuse)
    assert template.constant
    assert template.evaluate({}, SCOPE) is template.evaluate({}, SCOPE) is node


def test_constant_parts_are_shared_and_results_are_not() -> None:
    node = {"kept": {"a": [1]}, "made": {"x.$": "$.x", "also kept": [2]}}
    template = jsonpath_template(node, refuse)
    first, second = template.evaluate({"x": 1}, SCOPE), template.evaluate({"x": 2}, SCOPE)
    assert first["kept"] is second["kept"] is node["kept"]
    assert first["made"]["also kept"] is node["made"]["also kept"]
    assert (first["made"]["x"], second["made"]["x"]) == (1, 2)
    assert not template.constant


def test_what_a_template_reads() -> None:
    node = {"a.$": "$v.x", "b": [{"c.$": "States.Array($w, $.d)"}]}
    assert jsonpath_template(node, refuse).reads == {"v", "w"}


@pytest.mark.parametrize("depth", [50, 200, 900])
def test_a_deep_template_costs_no_stack(depth: int) -> None:
    node: Any = {"x.$": "$.x"}
    for _ in range(depth):
        node = [node]
    found = jsonpath_template(node, refuse).evaluate({"x": 1}, SCOPE)
    for _ in range(depth):
        (found,) = found
    assert found == {"x": 1}


# --- JSONata ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Upper:
    """A leaf that evaluates to its own text in capitals."""

    text: str
    reads: frozenset[str] = frozenset({"v"})

    @property
    def evaluate(self) -> Evaluate:
        return lambda document, scope: self.text.upper()


def upper(text: str, field: str) -> Upper:
    if not text[2:-2].strip():
        raise ExpressionError(text, f"nothing in {field}")
    return Upper(f"{text} in {field}")


def test_jsonata_expressions_know_their_field() -> None:
    node = {"a": "{% x %}", "b": ["{%y%}", "literal", {"c.$": "{% z %}"}], "d": 1}
    template = jsonata_template(node, "Output", refuse, upper)
    assert template.evaluate({}, SCOPE) == {
        "a": "{% X %} IN OUTPUT/A",
        "b": ["{%Y%} IN OUTPUT/B[0]", "literal", {"c.$": "{% Z %} IN OUTPUT/B[2]/C.$"}],
        "d": 1,
    }
    assert template.reads == {"v"}


def test_a_whole_field_may_be_one_expression() -> None:
    assert jsonata_template("{% x %}", "Output", refuse, upper).evaluate({}, SCOPE) == "{% X %} IN OUTPUT"


def test_jsonata_mistakes_are_all_told_by_place() -> None:
    told: list[Any] = []
    node = {"a": "{% %}", "b": [1, "{%%}"]}
    jsonata_template(node, "Assign", lambda at, error: told.append((at, error.message)), upper)
    assert told == [(("a",), "nothing in Assign/a"), (("b", 1), "nothing in Assign/b[1]")]


@pytest.mark.parametrize(
    ("text", "inside"),
    [("{% a %}", "a"), ("{%a%}", "a"), ("{%%}", ""), ("{% a\n %}", "a"), ("{% '%}' %}", "'%}'")]
    + [(text, None) for text in ("", "a", "{%}", "{% a", "a %}", " {% a %}", "{% a %} ")],
)
def test_what_is_an_expression(text: str, inside: str | None) -> None:
    assert jsonata_inside(text) == inside
