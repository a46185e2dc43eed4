"""Intrinsic functions by their table, against answers of AWS, and where they are seeded or limited."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sfnrun.errors import ExpressionError, StatesError
from sfnrun.expr.intrinsics import compile_intrinsic, is_intrinsic
from sfnrun.expr.jsonpath import PathError
from sfnrun.expr.scope import PlainScope

HERE = Path(__file__).resolve().parent
RECORDED = HERE.parents[1] / "../shared/conformance/intrinsics.json.gz"


def cases() -> list[Any]:
    groups = yaml.safe_load((HERE / "intrinsics.yaml").read_text(encoding="utf-8"))
    return [
        pytest.param(group, case, id=f"{group['group']}: {case['call']}") for group in groups for case in group["cases"]
    ]


@pytest.mark.parametrize(("group", "case"), cases())
def test_call(group: dict[str, Any], case: dict[str, Any]) -> None:
    if "refused" in case:
        with pytest.raises(ExpressionError) as refused:
            compile_intrinsic(case["call"])
        assert (refused.value.message, refused.value.offset) == (case["refused"], case["at"])
        assert case.get("hint", refused.value.hint) == refused.value.hint
        return
    call = compile_intrinsic(case["call"])
    scope = PlainScope(context=group.get("context", {}), variables=group.get("variables", {}))
    if "misses" in case:
        with pytest.raises(PathError) as missed:
            call.evaluate(group["input"], scope)
        assert (missed.value.message, missed.value.function) == (case["misses"], case["in"])
    elif "fails" in case:
        with pytest.raises(StatesError) as failed:
            call.evaluate(group.get("input"), scope)
        assert failed.value.name == "States.IntrinsicFailure"
        assert failed.value.cause == f"The function '{case['call']}' had the following error: {case['fails']}"
    else:
        assert json.dumps(call.evaluate(group.get("input"), scope)) == json.dumps(case["gives"])


def test_an_inner_call_fails_by_its_own_text() -> None:
    call = compile_intrinsic("States.Array(1, States.ArrayLength( 'x' ))")
    with pytest.raises(StatesError) as failed:
        call.evaluate({}, PlainScope())
    assert failed.value.cause is not None
    assert failed.value.cause.startswith("The function 'States.ArrayLength( 'x' )' had")


def test_ten_functions_deep_and_not_eleven() -> None:
    assert compile_intrinsic("States.Array(" * 10 + ")" * 10).evaluate({}, PlainScope()) == [[[[[[[[[[]]]]]]]]]]
    with pytest.raises(ExpressionError, match="nested more than 10 deep"):
        compile_intrinsic("States.Array(" * 11 + ")" * 11)


def test_what_a_call_reads() -> None:
    call = compile_intrinsic("States.Format($a, States.MathAdd($b.c, $.d), $$.Execution.Id)")
    assert call.reads == {"a", "b"}


@pytest.mark.parametrize("text", ["$.x", "$", "'x'", "StatesX", "states.UUID()"])
def test_what_is_not_meant_as_a_call(text: str) -> None:
    assert not is_intrinsic(text)


def test_chance_comes_from_the_scope_alone() -> None:
    uuid, number = compile_intrinsic("States.UUID()"), compile_intrinsic("States.MathRandom(0, 1000000)")

    def drawn(seed: int) -> list[Any]:
        scope = PlainScope(random=random.Random(seed))
        return [uuid.evaluate({}, scope), uuid.evaluate({}, scope), number.evaluate({}, scope)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 3
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", drawn(1)[0])


def test_random_numbers_begin_at_the_start_and_end_before_the_end() -> None:
    scope, number = PlainScope(), compile_intrinsic("States.MathRandom(-1, 2)")
    assert {number.evaluate({}, scope) for _ in range(200)} == {-1, 0, 1}


@pytest.mark.parametrize("call", ["States.Base64Encode($)", "States.Base64Decode($)", "States.Hash($, 'MD5')"])
def test_at_most_10000_characters(call: str) -> None:
    compiled = compile_intrinsic(call)
    assert compiled.evaluate("a" * 10_000, PlainScope())
    with pytest.raises(StatesError, match="at most 10000 characters"):
        compiled.evaluate("a" * 10_001, PlainScope())


@pytest.mark.parametrize("call", ["States.Format('{}', $)", "States.JsonToString($)", "States.ArrayUnique($)"])
def test_a_value_of_any_depth_ends_in_a_value_or_a_failure(call: str) -> None:
    value: Any = 1
    for _ in range(950):
        value = [value]
    assert outcome(call, value) in ("value", "States.IntrinsicFailure")


def outcome(call: str, document: Any) -> str | None:
    try:
        compile_intrinsic(call).evaluate(document, PlainScope(context={"b": "x"}, variables={"v": 1}))
    except (PathError, ExpressionError) as error:
        return type(error).__name__
    except StatesError as error:
        return error.name
    return "value"


# --- answers of AWS --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDED.is_file(), reason="recorded intrinsics not found (../shared/conformance)")
def test_recorded() -> None:
    recorded = json.loads(gzip.decompress(RECORDED.read_bytes()))["intrinsics"]
    certain = [case for case in recorded if not case.get("nondeterministic")]
    assert len(certain) > 70
    assert [case["id"] for case in certain if json.dumps(evaluated(case)) != json.dumps(case["result"])] == []


def evaluated(case: dict[str, Any]) -> Any:
    machine = "<ArnPart_0idx>"
    arn = f"arn:<partition>:states:<region>:111111111111:stateMachine:{machine}"
    execution = {"Name": "<ExecArnPart_0idx>", "Input": case["input"]}
    context = {"Execution": execution, "StateMachine": {"Id": arn, "Name": machine}}
    return compile_intrinsic(case["expr"]).evaluate(case["input"], PlainScope(context=context))


# --- text that nobody wrote ------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [*"(),'$.\\{} \n1-ea\"", "States.Format(", "States.MathAdd(", "$.a", "$$.b", "$v", "'{}'", "null"]
)


@settings(max_examples=300, deadline=1000)
@given(st.lists(PIECES, max_size=10).map("".join))
def test_any_text_is_a_call_or_a_clear_error(text: str) -> None:
    found = outcome("States.Array(" + text, {"a": [1]})
    assert found in ("value", "PathError", "ExpressionError", "States.IntrinsicFailure")
