"""JSONata as Step Functions has it, held against tables that read as its documentation."""

import contextlib
import random
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfnrun.errors import ExpressionError, SfnrunError, StatesError
from sfnrun.expr.jsonata import Bounds, compile_jsonata, engine, unwrap
from sfnrun.expr.jsonata.plain import plain_reference, whole_numbers
from sfnrun.expr.scope import PlainScope
from sfnrun.payload import dumps

HERE = Path(__file__).parent
ALL = frozenset({"input", "result", "errorOutput", "context"})
CONTEXT = {"Execution": {"Name": "run-1"}}
NOW = 1767323045678


def table(name):
    """(group, case) pairs of a table, each with its line of documentation as its name."""
    groups = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    return [
        pytest.param(group, case, id=f"{case.get('expr', case.get('text'))} - {group['about']}")
        for group in groups
        for case in group["cases"]
    ]


def scope_of(group):
    return PlainScope(
        context=CONTEXT, variables=group.get("variables", {}), random=random.Random(0), now=group.get("now", NOW)
    )


def document_of(group):
    names = {"input": "input", "result": "result", "error": "errorOutput"}
    return {name: group[key] for key, name in names.items() if key in group} or {"input": {}}


def evaluate(group, text, field="Output/result", **options):
    compiled = compile_jsonata(text, field, allowed=ALL, **options)
    return compiled.evaluate(document_of(group), scope_of(group))


def same(left, right):
    """Equal as JSON text: 1, 1.0 and true are three values."""
    return dumps(left) == dumps(right)


@pytest.mark.parametrize(
    ("group", "case"), table("jsonata_values.yaml") + table("jsonata_functions.yaml") + table("jsonata_failures.yaml")
)
def test_an_expression_gives_or_fails_as_the_table_says(group, case):
    text = case["expr"]
    if "gives" in case:
        assert same(evaluate(group, text), case["gives"])
        return
    with pytest.raises(StatesError) as failure:
        evaluate(group, text)
    assert failure.value.name == "States.QueryEvaluationError"
    assert failure.value.location == "Output/result"
    before = f"The JSONata expression '{text}' specified for the field 'Output/result'"
    assert failure.value.cause == before + expected_ending(case)


def expected_ending(case):
    if case.get("nothing"):
        return " returned nothing (undefined)."
    if "throws" in case:
        return f" threw an error during evaluation. {case['throws']}"
    return f" threw an error during evaluation{case['fails']}" if "fails" in case else case["cause"]


@pytest.mark.parametrize(("group", "case"), table("jsonata_refused.yaml"))
def test_a_refusal_points_to_the_place(group, case):
    with pytest.raises(ExpressionError) as refusal:
        compile_jsonata(case["text"], "Output")
    error = refusal.value
    assert (error.message, error.code) == (case["message"], group["code"])
    assert " " * error.offset + "^" * error.length == case["mark"]
    assert error.expression == case["text"]
    if "hint" in case:
        assert error.hint == case["hint"]


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("{% 1 %}", " 1 "),
        ("{%10%}", "10"),
        ("{%%}", ""),
        ("{%\n$x\n%}", "\n$x\n"),
        ("plain", None),
        ("", None),
        ("a {% b %} c", None),
        ("100%", None),
    ],
)
def test_expressions_are_known_by_their_marks(text, inside):
    assert unwrap(text) == inside


def test_the_text_is_trimmed_as_aws_prints_it():
    assert compile_jsonata("{%\n  1 +  2 %}", "Output").text == "1 +  2"


def test_an_expression_tells_what_it_refers_to_and_where():
    text = (
        "{% ($y := $x; $map($states.input.items, function($i){ $i * $y * $limit }) ~> $uuuid()) & "
        "$states.context.Execution.Id & $states.inptu & $sum %}"
    )
    compiled = compile_jsonata(text, "Output")
    assert compiled.reads == {"x", "limit"}
    assert compiled.calls == {"map", "uuuid"}
    assert compiled.reads_states == {"input", "context", "inptu"}
    assert compiled.reads_context == {"Execution"}
    for mention in ("$uuuid", "$states.inptu", "$x", "$limit"):
        assert compiled.places[mention] == (text.index(mention), len(mention))


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("$x := $x + 1", {"x"}),
        ("($x := 1; $x)", set()),
        ("($x := 1; 2) + $x", {"x"}),
        ("function($a, $b){ $a + $b + $c }", {"c"}),
        ("($even := function($n){ $odd($n) }; $odd := function($n){ $even($n - $k) }; $even(1))", {"k"}),
        ("($f := function(){ ($g := $h; $g) }; $h := 1; $f())", set()),
        ("$items@$i.$other[id = $i.id]#$p.$p", {"items", "other"}),
        ("$a ~> |$b|{'c': $d}, ['e']|", {"a", "b", "d"}),
        ("$f(?, $z)", {"z"}),
        ("'$quoted' & /* $comment */ `$name`.$x", None),
        ("$items^(>$key, <b){$k: $v}", {"items", "key", "k", "v"}),
        ("$count + $sum($list)", {"list"}),
    ],
)
def test_variables_that_an_expression_does_not_bind_itself(text, reads):
    if reads is None:
        with pytest.raises(ExpressionError, match="Reference to"):
            compile_jsonata(text, "Output")
    else:
        assert compile_jsonata(text, "Output").reads == reads


@pytest.mark.parametrize(
    ("kind", "value", "is_one"),
    [
        ("array", [], True),
        ("array", 1, False),
        ("object", {}, True),
        ("string", "x", True),
        ("boolean", True, True),
        ("number", True, False),
        ("number", 1.5, True),
        ("integer", 1, True),
        ("integer", 2.0, True),
        ("integer", 1.5, False),
        ("integer", True, False),
        ("null", None, True),
    ],
)
def test_expected_types(kind, value, is_one):
    compiled = compile_jsonata("$v", "Items")
    if is_one:
        assert compiled.expect(value, kind) is value
    else:
        with pytest.raises(StatesError, match=f"Expected '{kind}', but was '(number|boolean)' for value: "):
            compiled.expect(value, kind)


def test_an_unexpected_type_is_told_as_aws_tells_it():
    with pytest.raises(StatesError) as failure:
        compile_jsonata("{% $ItemsVar %}", "Items").expect({"foo": ["bär", 1]}, "array")
    assert failure.value.location == "Items"
    assert failure.value.cause == (
        "The JSONata expression '$ItemsVar' specified for the field 'Items' returned an unexpected result type. "
        "Expected 'array', but was 'object' for value: {\"foo\":[\"bär\",1]}"
    )


# -- plain references and the engine give the same

NAMES = st.sampled_from(["a", "b", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
STEP = NAMES.map(lambda name: f".{name}") | st.integers(-3, 3).map(lambda index: f"[{index}]")
REFERENCE = st.builds(
    lambda root, steps: root + "".join(steps),
    st.sampled_from(["$states.input", "$v", "$states.context", "$states.result"]),
    st.lists(STEP, max_size=4),
)


def outcome(run):
    try:
        return dumps(run())
    except StatesError as error:
        return error.cause


@settings(max_examples=200, deadline=None)
@given(REFERENCE, JSON)
@example("$v[0]", [[[]]])
@example("$v.a", {"a": [[1.0]]})
def test_a_plain_reference_gives_what_the_engine_gives(text, value):
    compiled = compile_jsonata(text, "Output", allowed=ALL)
    assert plain_reference(text) is not None
    document, scope = {"input": value, "result": value}, PlainScope(context=value, variables={"v": value})
    by_engine = compile_jsonata(f"{text} /* by the engine */", "Output", allowed=ALL)
    expected = outcome(lambda: by_engine.evaluate(document, scope)).replace(" /* by the engine */", "")
    assert outcome(lambda: compiled.evaluate(document, scope)) == expected


def test_a_plain_reference_gives_the_very_same_object():
    value = {"a": [1, {"b": 2.5}], "price": 1.05}
    assert compile_jsonata("$states.input.x", "Output").evaluate({"input": {"x": value}}, PlainScope()) is value


def test_whole_floats_are_found_wherever_they_are():
    value = {"a": [1, {"b": 2.0}], "version": "1.0", "big": 2**70, "far": 1e20}
    assert dumps(whole_numbers(value)) == dumps({"a": [1, {"b": 2}], "version": "1.0", "big": 2**70, "far": 10**20})


# -- bounds

RUNAWAYS = {
    "endless tail call": "($f:=function(){$f()};$f())",
    "endless recursion": "($f:=function(){1+$f()};$f())",
    "deep recursion": "($f:=function($n){$n=0?0:1+$f($n-1)};$f(200))",
    "catastrophic regex": "$match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', /^(a+)+$/)",
    "giant range": "[1..1000000000]",
    "large range": "[1..9999999]",
    "giant pad": "$pad('x', 1000000000)",
    "doubled string": "($f:=function($s,$n){$n=0?$s:$f($s&$s,$n-1)};$f('xxxxxxxxxx',36))",
    "doubled array": "($f:=function($s,$n){$n=0?$s:$f($append($s,$s),$n-1)};$count($f([1,2,3],34)))",
    "many calls": "$count($map([1..3000],function($i){$count($map([1..3000],function($j){$i*$j}))}))",
    "parentheses": "(" * 20000 + "1" + ")" * 20000,
    "brackets": "[" * 100000 + "1" + "]" * 100000,
    "long sum": "+".join(["1"] * 50000),
    "product of ranges": "$count([1..5000].[1..5000])",
    "factorial of nested maps": "$reduce([1..100000], function($a,$b){$a & $string($b)})",
}


@pytest.mark.parametrize("text", RUNAWAYS.values(), ids=RUNAWAYS)
def test_runaway_expressions_end(text):
    """Each within its half second; a regex, a range, a recursion or a parser are stopped each in its own way."""
    with pytest.raises((StatesError, ExpressionError)):
        evaluate({}, text, bounds=Bounds(seconds=0.4))


def test_the_time_limit_speaks_as_the_reference_does():
    with pytest.raises(StatesError) as failure:
        evaluate({}, "($f:=function(){$f()};$f())", bounds=Bounds(seconds=0.05))
    assert failure.value.cause.endswith(
        " threw an error during evaluation: Expression evaluation timeout: Check for infinite loop"
    )


@pytest.mark.parametrize("terms", [99, 100, 101])
@pytest.mark.parametrize(
    ("group", "first"),
    [({}, "1"), ({"variables": {"n": 1}}, "$n"), ({}, "$states.input.n"), ({}, "$length($string())"), ({}, "null")],
    ids=["constants", "a variable", "$states", "looking at the context item", "null"],
)
def test_the_depth_is_the_same_however_the_values_come_in(group, first, terms):
    text = "+".join([*["1"] * (terms - 1), first])
    if terms > 100:
        with pytest.raises(StatesError, match="Stack overflow"):
            evaluate(group, text)
    else:
        assert "Stack overflow" not in outcome(lambda: evaluate(group, text))


@pytest.mark.parametrize("text", ["(" * 500 + "1" + ")" * 500, "[1," * 900 + "2" + "]" * 900])
def test_an_expression_nested_too_deeply_is_refused(text):
    with pytest.raises(ExpressionError, match="nested too deeply"):
        compile_jsonata(text, "Output")


def test_input_nested_too_deeply_for_the_engine_fails_the_state():
    deep = []
    for _ in range(1200):
        deep = [deep]
    with pytest.raises(StatesError, match="nested more than 1000 levels deep"):
        evaluate({"input": deep}, "[$states.input]")


def test_an_interrupt_in_a_function_of_ours_passes_through(monkeypatch):
    def interrupted(scope):
        raise KeyboardInterrupt

    uuid = engine.FUNCTIONS["uuid"]._replace(call=interrupted)
    monkeypatch.setitem(engine.FUNCTIONS, "uuid", uuid)
    with pytest.raises(KeyboardInterrupt):
        evaluate({}, "[$uuid()]")


# -- probes

WORDS = """
    $x $states.input $states.input.a 1 0 'a' true null [1..3] {'k':1} + - * / % & = < >= and or in ~> . .. [ ] ( ) { }
    ? : ; , := | ^ @$i #$i $sum $map $string $uuid() $parse $partition $range function($v){$v} a `b` /x/ % ** $ $$
"""
PROBE = st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=12).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(PROBE, JSON)
@example("( / a / )", None)
def test_any_text_is_refused_or_gives_or_fails_but_nothing_else(text, value):
    group = {"input": {"a": value}, "variables": {"x": value}}
    with contextlib.suppress(ExpressionError, StatesError):
        dumps(evaluate(group, text, bounds=Bounds(seconds=1)))


# -- the library


def test_without_the_library_a_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jlens", None)
    with pytest.raises(SfnrunError, match="JSONata needs the Python package jlens") as refusal:
        compile_jsonata("{% 1 + 1 %}", "Output")
    assert "pip install" in refusal.value.hint


def test_plain_references_need_no_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jlens", None)
    assert evaluate({"variables": {"n": 2**80}}, "{% $n %}") == 2**80


def test_two_scopes_do_not_mix():
    compiled = compile_jsonata("$uuid() & $string($millis()) & $string($n)", "Output")
    first = PlainScope(variables={"n": 1}, random=random.Random(1), now=1)
    second = PlainScope(variables={"n": 2}, random=random.Random(1), now=2)
    assert compiled.evaluate({}, first)[:36] == compiled.evaluate({}, second)[:36]
    assert [compiled.evaluate({}, scope)[36:] for scope in (first, second, first)] == ["11", "22", "11"]


def test_an_expression_is_a_value():
    assert compile_jsonata("1", "Output", allowed=ALL) != compile_jsonata("2", "Output", allowed=ALL)
    with pytest.raises(AttributeError):
        compile_jsonata("1", "Output").text = "2"
