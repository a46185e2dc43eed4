"""Every expression ends: in JSONPath, intrinsic functions and templates by counted steps and bytes."""

import pytest

from sfnrun.errors import StatesError
from sfnrun.expr import meter
from sfnrun.expr.intrinsics import compile_intrinsic
from sfnrun.expr.jsonpath import compile_path
from sfnrun.expr.meter import MAX_BYTES
from sfnrun.expr.scope import PlainScope
from sfnrun.expr.template import jsonpath_template


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(meter, "MAX_STEPS", 50_000)


def nested(depth, leaf=1):
    value = leaf
    for _ in range(depth):
        value = {"a": value, "b": value} if depth < 15 else {"a": value}
    return value


def lists(depth):
    value = [1]
    for _ in range(depth):
        value = [value]
    return value


def refuse(at, error):
    raise error


LARGE = "x" * 200_000
COSTLY_PATHS = [
    ("$..*..*..*..*..*", nested(60), "States.DataLimitExceeded"),
    ("$..*..*..a", nested(14), "States.DataLimitExceeded"),
    ("$..*..*..*..*..nope", nested(60), "States.Runtime"),
    ("$" + "[0,0,0,0,0,0,0,0,0,0]" * 9, lists(9), "States.Runtime"),
    ("$" + "[0,0,0,0,0,0,0,0,0,0]" * 9 + "[*].x", lists(10), "States.Runtime"),
    ("$[" + ",".join("0" * 100) + "]", [LARGE], "States.DataLimitExceeded"),
    ("$[?(" + " && ".join(["@.a == 1"] * 2000) + ")]", [{"a": 1}] * 5000, "States.Runtime"),
    ("$..[?(@.a =~ /.*a.*b.*c/)]", [[{"a": "x" * 5000}] * 500], "States.Runtime"),
]


@pytest.mark.parametrize(("text", "document", "error"), COSTLY_PATHS, ids=[text[:40] for text, _, _ in COSTLY_PATHS])
def test_a_costly_path_ends(text, document, error, request):
    if error == "States.Runtime":
        request.getfixturevalue("few_steps")
    path = compile_path(text)
    assert path.metered
    with pytest.raises(StatesError) as failure:
        path.evaluate(document, PlainScope())
    assert failure.value.name == error
    assert failure.value.cause.startswith(f"The JSONPath '{text}' could not be evaluated: it")


def test_a_runaway_regex_gives_its_result():
    document = [{"a": "a" * 40 + end} for end in ("!", "")]
    assert compile_path("$[?(@.a =~ /(a+)+$/)]").evaluate(document, PlainScope()) == document[1:]


@pytest.mark.parametrize("text", ["$.a[*].b", "$.a[0,1]", "$.a[1:]", "$[?(@.a == 1)]", "$.a.b[0]", "$['a','b']"])
def test_a_path_that_sees_each_value_once_is_not_metered(text):
    assert not compile_path(text).metered


def test_a_large_document_allows_more():
    document = {"items": [{"name": LARGE, "of": [1, 2]}] * 100}
    assert len(compile_path("$..name").evaluate(document, PlainScope())) == 100


GROWING_CALLS = [
    "States.JsonToString(" * 7 + "$" + ")" * 7,
    "States.Format('" + "{}" * 40 + "'" + ", $" * 40 + ")",
    "States.Array(" + ", ".join(["$"] * 50) + ")",
]


@pytest.mark.parametrize("text", GROWING_CALLS, ids=[text[:40] for text in GROWING_CALLS])
def test_a_result_that_grows_too_large_is_an_intrinsic_failure(text):
    with pytest.raises(StatesError, match=f"its result is larger than {MAX_BYTES} bytes") as failure:
        compile_intrinsic(text).evaluate('"' * 200_000, PlainScope())
    assert failure.value.name == "States.IntrinsicFailure"


@pytest.mark.usefixtures("few_steps")
def test_the_paths_of_a_call_share_their_steps():
    text = f"States.ArrayLength(States.Array({', '.join(['$..*..*..nope'] * 200)}))"
    with pytest.raises(StatesError, match="too many steps"):
        compile_intrinsic(text).evaluate(nested(60), PlainScope())


@pytest.mark.usefixtures("few_steps")
def test_the_paths_of_a_template_share_their_steps():
    template = jsonpath_template({f"{n}.$": "$..*..*..nope" for n in range(200)}, refuse)
    with pytest.raises(StatesError, match="too many steps"):
        template.evaluate(nested(60), PlainScope())


def test_the_result_of_a_template_is_measured_as_it_grows():
    template = jsonpath_template({f"{n}.$": "$" for n in range(100)}, refuse)
    with pytest.raises(
        StatesError, match="The payload template could not be evaluated: its result is larger"
    ) as failure:
        template.evaluate([LARGE], PlainScope())
    assert failure.value.name == "States.DataLimitExceeded"
    assert len(template.evaluate([1], PlainScope())) == 100
