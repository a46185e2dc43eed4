"""Choice rules by their table; what a rule tells of itself; and that no pattern takes long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfnrun.errors import ExpressionError, StatesError
from sfnrun.expr.choice import OPERATORS, compile_rule
from sfnrun.expr.scope import PlainScope

HERE = Path(__file__).resolve().parent
GROUPS = yaml.safe_load((HERE / "choice.yaml").read_text(encoding="utf-8"))
CASES = [
    pytest.param(group, case, id=f"{group['group']}: {json.dumps(case['rule'])}")
    for group in GROUPS
    for case in group["cases"]
]


def refuse(at: Any, error: ExpressionError) -> None:
    raise AssertionError(f"{at}: {error}")


def scope_of(group: dict[str, Any]) -> PlainScope:
    return PlainScope(context=group.get("context", {}), variables=group.get("variables", {}))


@pytest.mark.parametrize(("group", "case"), CASES)
def test_rule(group: dict[str, Any], case: dict[str, Any]) -> None:
    wrong: list[Any] = []
    rule = compile_rule(case["rule"], lambda at, error: wrong.append([list(at), error.message]))
    assert wrong == case.get("wrong", [])
    document = group.get("input", {})
    if "fails" in case:
        with pytest.raises(StatesError) as failed:
            rule.matches(document, scope_of(group))
        text = f"Invalid path '{case['fails']}': The choice state's condition path references an invalid value."
        assert (failed.value.name, failed.value.cause) == ("States.Runtime", text)
    elif "matches" in case:
        assert rule.matches(document, scope_of(group)) is case["matches"]


def test_the_table_has_every_operator() -> None:
    def used(rule: Any) -> set[str]:
        if isinstance(rule, dict):
            return set(rule).union(*map(used, rule.values()))
        return set().union(*map(used, rule)) if isinstance(rule, list) else set()

    seen = set().union(*(used(case["rule"]) for group in GROUPS for case in group["cases"]))
    assert {name for name in OPERATORS if not name.endswith("Path")} - seen == set()


def test_a_rule_tells_what_it_came_to() -> None:
    rule = compile_rule(
        {"Or": [{"Variable": "$.n", "NumericLessThan": 3}, {"Not": {"Variable": "$.no", "StringEqualsPath": "$v"}}]},
        refuse,
    )
    assert rule.text == '($.n NumericLessThan 3) Or (Not ($.no StringEqualsPath "$v"))'
    assert rule.reads == {"v"}
    assert rule.describe({"n": 5}, PlainScope(variables={"v": "x"})) == [
        ("$.n NumericLessThan 3", False, "5"),
        (
            '$.no StringEqualsPath "$v"',
            None,
            "Invalid path '$.no': The choice state's condition path references an invalid value.",
        ),
    ]


def test_a_pattern_full_of_stars_takes_no_time() -> None:
    rule = compile_rule({"Variable": "$", "StringMatches": "*a" * 200 + "b"}, refuse)
    assert rule.matches("a" * 20_000, PlainScope()) is False


def test_rules_nest_two_hundred_deep_and_no_deeper() -> None:
    def nested(depth: int) -> tuple[bool, list[str]]:
        rule: dict[str, Any] = {"Variable": "$.x", "IsPresent": True}
        for _ in range(depth):
            rule = {"Not": rule}
        told: list[str] = []
        compiled = compile_rule(rule, lambda at, error: told.append(error.message))
        return compiled.matches({"x": 1}, PlainScope()) if not told else False, told

    assert nested(200) == (True, [])
    assert nested(201) == (False, ["rules are nested too deeply"])
