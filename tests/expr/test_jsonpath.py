"""JSONPath by its tables, against recorded answers of Jayway JsonPath 2.0.0, and against text that nobody wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sfnrun.errors import ExpressionError
from sfnrun.expr.jsonpath import PathError, compile_path, compile_reference_path
from sfnrun.expr.scope import PlainScope

HERE = Path(__file__).resolve().parent
JAYWAY = HERE.parents[1] / "../shared/conformance/jsonpath_jayway.json"


def cases(name: str) -> list[Any]:
    groups = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    return [
        pytest.param(group, case, id=f"{group['group']}: {case['path']}") for group in groups for case in group["cases"]
    ]


@pytest.mark.parametrize(("group", "case"), cases("jsonpath.yaml"))
def test_path(group: dict[str, Any], case: dict[str, Any]) -> None:
    if "refused" in case:
        with pytest.raises(ExpressionError) as refused:
            compile_path(case["path"])
        assert (refused.value.message, refused.value.offset) == (case["refused"], case["at"])
        assert refused.value.expression == case["path"]
        return
    path = compile_path(case["path"])
    scope = PlainScope(context=group.get("context", {}), variables=group.get("variables", {}))
    if "fails" in case:
        with pytest.raises(PathError) as failed:
            path.evaluate(group["document"], scope)
        assert (failed.value.message, failed.value.path) == (case["fails"], case["path"])
    else:
        found = path.evaluate(group["document"], scope)
        assert json.dumps(found) == json.dumps(case["gives"])
        assert path.definite or isinstance(found, list)


@pytest.mark.parametrize(("group", "case"), cases("reference_paths.yaml"))
def test_reference_path(group: dict[str, Any], case: dict[str, Any]) -> None:
    if "refused" in case:
        with pytest.raises(ExpressionError) as refused:
            compile_reference_path(case["path"])
        assert refused.value.message == case["refused"]
        return
    document, before = case["document"], json.dumps(case["document"])
    path = compile_reference_path(case["path"])
    if "fails" in case:
        with pytest.raises(PathError) as failed:
            path.put(document, "new")
        assert failed.value.message == case["fails"]
    else:
        assert json.dumps(path.put(document, "new")) == json.dumps(case["gives"])
    assert json.dumps(document) == before


def test_put_shares_what_is_not_on_its_way() -> None:
    document = {"a": {"b": 1, "kept": [1]}, "kept": {"x": 1}}
    made = compile_reference_path("$.a.b").put(document, 2)
    assert made["kept"] is document["kept"]
    assert made["a"]["kept"] is document["a"]["kept"]


@pytest.mark.parametrize(
    ("text", "definite"),
    [("$.a", True), ("$.a[0]", True), ("$['a','b']", True), ("$.a[(@.length-1)]", True)]
    + [(text, False) for text in ("$.*", "$..a", "$.a[0,1]", "$.a[0:1]", "$.a[?(@.b)]")],
)
def test_definite(text: str, definite: bool) -> None:
    assert compile_path(text).definite is definite


def test_a_path_names_the_variable_it_reads() -> None:
    assert compile_path("$order.id").reads == {"order"}
    assert compile_path("$$.Execution").reads == compile_path("$.order").reads == frozenset()


def test_without_its_root_a_path_is_read_as_jayway_does() -> None:
    for text in ("a.b", "@.a.b"):
        assert compile_path(text, rooted=False).evaluate({"a": {"b": 1}}, PlainScope()) == 1


def test_a_deep_document_costs_no_stack() -> None:
    document: Any = {"leaf": 1}
    for _ in range(5000):
        document = {"a": [document]}
    assert compile_path("$..leaf").evaluate(document, PlainScope()) == [1]


def test_a_path_of_too_many_steps_is_refused() -> None:
    with pytest.raises(ExpressionError, match="more than 200 steps"):
        compile_path("$" + "[*]" * 201)


# --- answers of the library that AWS runs ----------------------------------------------------------------------------


@pytest.mark.skipif(not JAYWAY.is_file(), reason="answers of Jayway JsonPath not found (../shared/conformance)")
def test_jayway() -> None:
    recorded = json.loads(JAYWAY.read_text(encoding="utf-8"))
    assert recorded["cases"]
    assert [case["path"] for case in recorded["cases"] if answer(case, recorded["documents"]) != expected(case)] == []


def expected(case: dict[str, Any]) -> tuple[str, Any]:
    if "compile_error" in case:
        return "refused", None
    return ("gives", case["aws"]) if "aws" in case else ("fails", case["message"])


def answer(case: dict[str, Any], documents: dict[str, Any]) -> tuple[str, Any]:
    try:
        path = compile_path(case["path"], rooted=False)
        return "gives", path.evaluate(documents[case["doc"]], PlainScope())
    except ExpressionError:
        return "refused", None
    except PathError as error:
        return "fails", error.message


# --- text that nobody wrote ------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *"$@.*[]()?'\"/\\,:-0123456789ab &|<>=!~é\n\t",
        *(
            "..",
            "[?(",
            ")]",
            "@.a",
            "$.a",
            "['a']",
            "[0]",
            "[*]",
            "[1:2]",
            "(@.length-1)",
            "&&",
            "||",
            "==",
            "=~",
            "/a/",
        ),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


@settings(max_examples=500, deadline=1000)
@given(st.lists(PIECES, max_size=12).map("".join), VALUES)
def test_any_text_is_a_path_or_a_clear_error(text: str, document: Any) -> None:
    match outcome("$" + text, document):
        case ExpressionError() as error:
            assert 0 <= error.offset <= len(error.expression)
            assert error.length >= 1
            assert error.message
        case PathError() as error:
            assert error.path == "$" + text
            assert error.message
        case (definite, found):
            assert definite or isinstance(found, list)


def outcome(text: str, document: Any) -> Any:
    try:
        path = compile_path(text)
        return path.definite, path.evaluate(document, PlainScope(variables={"a": document}))
    except (ExpressionError, PathError) as error:
        return error
