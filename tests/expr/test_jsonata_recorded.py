"""JSONata against recordings of AWS and the suite of the reference, where these stand beside the repository."""

import collections
import gzip
import importlib.util
import json
import random
from pathlib import Path

import jlens
import pytest

from sfnrun.errors import StatesError
from sfnrun.expr.jsonata import BUILTINS, compile_jsonata, unwrap
from sfnrun.expr.jsonata.engine import UNDEFINED, Bounds, EvaluationFailed, evaluate_on
from sfnrun.expr.jsonata.scan import find_mentions
from sfnrun.expr.scope import PlainScope

SHARED = Path(__file__).resolve().parents[2] / "../shared/conformance"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="conformance data not found (../shared/conformance)")
ALL = frozenset({"input", "result", "errorOutput", "context"})


def load(name):
    path = SHARED / name
    return json.loads(gzip.decompress(path.read_bytes())) if path.is_file() else None


# -- AWS: each state of a recorded execution, with the variables that it saw


def parsed(value):
    """Recordings hold JSON texts, parsed where they were objects."""
    return json.loads(value) if isinstance(value, str) else value


def templates(state):
    """(field, template) of what an evaluation of the state's own language fills in."""
    yield from ((name, state[name]) for name in ("Output", "Assign", "Arguments", "Items") if name in state)


def leaves(node, *at):
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, *at, key)
    elif isinstance(node, str) and unwrap(node) is not None:
        yield at, node


def states_of(graph):
    for name, state in graph["States"].items():
        yield name, state
        for inner in [*state.get("Branches", ()), state.get("ItemProcessor") or {"States": {}}]:
            yield from states_of(inner)


def recorded_evaluations():
    """(id, expression, field, $states, variables, what came of it) of Output, Assign, Arguments and Items on AWS."""
    data = load("jsonata_aws.json.gz") or {"cases": []}
    for case in data["cases"]:
        states, variables, entered, results = dict(states_of(case["definition"])), {}, {}, {}
        for event in case["states"]:
            if "entered" in event:
                entered[event["entered"]] = (parsed(event["input"]), dict(variables))
                last = event["entered"]
            elif "TaskSucceeded" in event:
                results[last] = parsed(event["TaskSucceeded"]["output"])
            elif "TaskScheduled" in event:
                yield from outcomes(
                    case, states, last, entered, results, {"Arguments": event["TaskScheduled"]["parameters"]}
                )
            elif "exited" in event:
                name, assigned = event["exited"], event.get("assignedVariables", {})
                # What is left out is a Catcher's output, or that of branches.
                if name in results or states[name]["Type"] in ("Pass", "Succeed"):
                    given = {"Output": parsed(event["output"]), "Assign": assigned}
                    yield from outcomes(case, states, name, entered, results, given)
                variables |= assigned
            elif "evaluationFailed" in event:
                failed = event["evaluationFailed"]
                given = {failed.get("location"): StatesError(failed["error"], failed["cause"])}
                yield from outcomes(case, states, failed["state"], entered, results, given)


def outcomes(case, states, name, entered, results, given):
    state = states[name]
    if state.get("QueryLanguage", case["definition"].get("QueryLanguage")) != "JSONata":
        return
    document, variables = entered[name]
    document = {"input": document} | ({"result": results[name]} if name in results else {})
    for field, template in templates(state):
        for at, text in leaves(template):
            place = "/".join([field, *map(str, at)])
            if isinstance(given.get(place), StatesError):
                outcome = given[place]
            elif field in given:
                outcome = given[field]
                for key in at:
                    outcome = outcome[key]
            else:
                continue
            yield case["test"].split("::")[-1], text, place, document, variables, outcome


RECORDED = list(recorded_evaluations()) if SHARED.is_dir() else []


@pytest.mark.parametrize(("test", "text", "field", "document", "variables", "outcome"), RECORDED)
def test_an_evaluation_recorded_on_aws(test, text, field, document, variables, outcome):
    compiled = compile_jsonata(text, field, allowed=ALL)
    scope = PlainScope(variables=variables, random=random.Random(0))
    if isinstance(outcome, StatesError):
        with pytest.raises(StatesError) as failure:
            compiled.expect(compiled.evaluate(document, scope), "array")
        assert (failure.value.name, failure.value.location) == (outcome.name, field)
        assert outcome.cause.endswith(f". {failure.value.cause}")
    else:
        value = compiled.evaluate(document, scope)
        assert value == outcome or "<" in json.dumps(outcome)


def test_enough_evaluations_are_recorded():
    assert len(RECORDED) >= 60


FUNCTIONS = (load("intrinsics.json.gz") or {}).get("jsonata_equivalents", ()) if SHARED.is_dir() else ()


@pytest.mark.parametrize("case", FUNCTIONS, ids=[case["id"] for case in FUNCTIONS])
def test_a_function_recorded_on_aws(case):
    compiled = compile_jsonata(case["expr"], "Output/FunctionResult")
    if case["status"] == "SUCCEEDED":
        assert compiled.evaluate({"input": case["input"]}, PlainScope()) == case["result"]
    else:
        with pytest.raises(StatesError) as failure:
            compiled.evaluate({"input": case["input"]}, PlainScope())
        assert case["cause"].endswith(f". {failure.value.cause}")


# -- the suite of the reference


def suite():
    data = load("jsonata_suite.json.gz") or {"cases": []}
    return [case for case in data["cases"] if case.get("since") != "after-2.0.6" and "$eval(" not in case["expr"]]


@pytest.fixture(scope="module")
def judge():
    spec = importlib.util.spec_from_file_location("jsonata_conformance", SHARED / "jsonata_conformance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.judge


# Lone surrogates are no characters here, and 1/0 is an error where it arises, not where it is printed.
KNOWN = {"function-encodeUrl/case002", "function-encodeUrlComponent/case002", "function-string/case019"}


def test_the_suite_of_the_reference(judge):
    datasets = (load("jsonata_suite.json.gz") or {}).get("datasets", {})
    classes = collections.Counter()
    missed = set()
    for case in suite():
        form = dict(case.get("v2_0_6", case), id=case["id"], group=case["group"])
        data = (
            form["data"] if "data" in form else UNDEFINED if form.get("dataset") is None else datasets[form["dataset"]]
        )
        seconds = form["timelimit"] / 1000 if "timelimit" in form and "depth" in form else 5
        bounds = Bounds(seconds=seconds, depth=form.get("depth"), items=None, characters=None)
        value = error = None
        try:
            value = evaluate_on(form["expr"], data, form.get("bindings") or {}, bounds)
        except EvaluationFailed as failed:
            error = failed.error
        except UnicodeEncodeError as failed:
            error = failed
        verdict, _ = judge(form, "value" if error is None else "error", value, error, UNDEFINED)
        classes[verdict] += 1
        if verdict != "pass":
            missed.add(case["id"])
    assert missed <= KNOWN
    assert classes["pass"] >= 1610


def test_the_scan_finds_the_variables_that_the_engine_finds():
    """The engine says what an expression reads, and errs on the side of more: mutual recursion, calls of names."""
    lax = {"odd", "unknown", "authentication"}
    for case in suite():
        try:
            reads = jlens.Expression(case["expr"]).reads()
        except (jlens.JlensError, UnicodeEncodeError):
            continue
        ours = {mention.name for mention in find_mentions(case["expr"]).variables} - BUILTINS
        assert ours ^ (set(reads["bindings"]) - BUILTINS) <= lax, case["expr"]
