"""A changed definition is found at exactly the state that changed; what makes no difference is no divergence.

Every change is made to one recorded execution, in one place; every state of it is visited.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

import sfnrun
from sfnrun import DivergenceError, Reply, Request, TaskFailed

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"

DEFINITION: dict[str, Any] = {
    "Comment": "An order",
    "StartAt": "Check",
    "States": {
        "Check": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.total", "NumericGreaterThan": 1000, "Next": "Refuse"},
                {"And": [{"Variable": "$.total", "NumericGreaterThan": 10}], "Next": "Price"},
            ],
            "Default": "Refuse",
        },
        "Refuse": {"Type": "Fail", "Error": "Refused"},
        "Price": {
            "Type": "Pass",
            "Parameters": {"items.$": "$.items", "total.$": "States.MathAdd($.total, 5)"},
            "ResultPath": "$.priced",
            "Next": "Charge",
        },
        "Charge": {
            "Type": "Task",
            "Resource": LAMBDA + "charge",
            "Parameters": {"total.$": "$.priced.total", "currency": "EUR"},
            "ResultSelector": {"id.$": "$.payment"},
            "ResultPath": "$.payment",
            "TimeoutSeconds": 30,
            "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 2}],
            "Next": "Rest",
        },
        "Rest": {"Type": "Wait", "Seconds": 5, "Next": "Tell"},
        "Tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Parameters": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message.$": "$.payment.id"},
            "Catch": [
                {"ErrorEquals": ["Never"], "Next": "Refuse"},
                {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "Pack"},
            ],
            "Next": "Pack",
        },
        "Pack": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "MaxConcurrency": 2,
            "ItemSelector": {"sku.$": "$$.Map.Item.Value", "n.$": "$$.Map.Item.Index"},
            "ItemProcessor": {
                "StartAt": "Wrap",
                "States": {"Wrap": {"Type": "Pass", "Result": "wrapped", "ResultPath": "$.how", "End": True}},
            },
            "ResultPath": "$.packed",
            "Next": "Both",
        },
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "Bill",
                    "States": {
                        "Bill": {
                            "Type": "Pass",
                            "QueryLanguage": "JSONata",
                            "Output": "{% {'sum': $sum($states.input.packed.n), 'id': $states.input.payment.id} %}",
                            "End": True,
                        }
                    },
                },
                {"StartAt": "Ship", "States": {"Ship": {"Type": "Pass", "InputPath": "$.items", "End": True}}},
            ],
            "ResultSelector": {"bill.$": "$[0]", "shipped.$": "$[1]"},
            "Next": "Sum",
        },
        "Sum": {
            "Type": "Pass",
            "QueryLanguage": "JSONata",
            "Assign": {"count": "{% $count($states.input.shipped) %}"},
            "Output": {"count": "{% $count($states.input.shipped) %}", "bill": "{% $states.input.bill %}"},
            "Next": "Done",
        },
        "Done": {"Type": "Succeed", "OutputPath": "$.bill"},
    },
}
INPUT = {"total": 100, "items": ["tea", "cup", "pot"]}
S = "States"
RULES = DEFINITION[S]["Check"]["Choices"]


def world(request: Request) -> Any:
    if request.state == "Charge" and request.attempt < 2:
        raise TaskFailed("Busy", "later")
    if request.state == "Tell":
        raise TaskFailed("SNS.Throttled", "too many")
    return Reply({"payment": "p-1", "at": "now"}, duration_ms=300)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    result = sfnrun.run(DEFINITION, INPUT, tasks=world, store=folder, name="n", seed=1)
    assert result.output == {"sum": 3, "id": "p-1"}
    assert result.history is not None
    return result.history


# where, what is put there (a dict: members, a function: of the old value), and the state that is found
CHANGES: dict[str, tuple[list[str | int], Any, str]] = {
    "an operand of a Choice": ([S, "Check", "Choices", 0, "NumericGreaterThan"], 99, "Check"),
    "an operator of a Choice": ([S, "Check", "Choices", 1, "And", 0],
                               {"NumericLessThan": 10, "NumericGreaterThan": None}, "Check"),
    "where a Choice goes": ([S, "Check"], {"Choices": [{**RULES[0]}, {**RULES[1], "Next": "Charge"}],
                                     "Default": "Price"}, "Check"),
    "an intrinsic function": ([S, "Price", "Parameters", "total.$"], "States.MathAdd($.total, 6)", "Price"),
    "a ResultPath": ([S, "Price", "ResultPath"], "$.price", "Price"),
    "Parameters of a Task": ([S, "Charge", "Parameters", "currency"], "USD", "Charge"),
    "a Resource": ([S, "Charge", "Resource"], LAMBDA + "charge2", "Charge"),
    "a ResultSelector": ([S, "Charge", "ResultSelector"], {"at.$": "$.at"}, "Charge"),
    "a TimeoutSeconds": ([S, "Charge", "TimeoutSeconds"], 31, "Charge"),
    "the attempts of a Retry": ([S, "Charge", "Retry", 0, "MaxAttempts"], 1, "Charge"),
    "the interval of a Retry": ([S, "Charge", "Retry", 0, "IntervalSeconds"], 3, "Charge"),
    "the backoff of a Retry": ([S, "Charge", "Retry", 0, "BackoffRate"], 1, "Charge"),
    "the errors of a Retry": ([S, "Charge", "Retry", 0, "ErrorEquals", 0], "Lazy", "Charge"),
    "how long a Wait is": ([S, "Rest", "Seconds"], 6, "Rest"),
    "the errors of a Catch": ([S, "Tell", "Catch", 1, "ErrorEquals", 0], "States.Timeout", "Tell"),
    "the ResultPath of a Catch": ([S, "Tell", "Catch", 1, "ResultPath"], "$.failure", "Tell"),
    "an ItemSelector": ([S, "Pack", "ItemSelector", "n.$"], "$.total", "Pack"),
    "a MaxConcurrency": ([S, "Pack", "MaxConcurrency"], 3, "Pack"),
    "a state inside a Map": ([S, "Pack", "ItemProcessor", S, "Wrap", "Result"], "bagged", "Wrap"),
    "a JSONata expression": ([S, "Both", "Branches", 0, S, "Bill", "Output"], "{% $states.input.payment %}", "Bill"),
    "an InputPath inside a Parallel": ([S, "Both", "Branches", 1, S, "Ship", "InputPath"], "$.total", "Ship"),
    "a variable": ([S, "Sum", "Assign", "count"], "{% $count($states.input) %}", "Sum"),
    "an OutputPath": ([S, "Done", "OutputPath"], "$", "Done"),
    "the type of a state": ([S, "Done"], {"Type": "Pass", "End": True}, "Done"),
    "a renamed state": ([S], {"Rest": None, "Nap": DEFINITION[S]["Rest"],
                              "Charge": {**DEFINITION[S]["Charge"], "Next": "Nap"}}, "Nap"),
    "where a Pass goes": ([S], {"Price": {**DEFINITION[S]["Price"], "Next": "Rest"},
                                "Check": {**DEFINITION[S]["Check"], "Default": "Charge"}}, "Price"),
}  # fmt: skip

HARMLESS: dict[str, tuple[list[str | int], Any]] = {
    "nothing": ([], {}),
    "the Comment": (["Comment"], "Orders of all kinds"),
    "a Comment of a state": ([S, "Price"], {"Comment": "with postage"}),
    "the order of states": ([S], lambda states: dict(reversed(states.items()))),
    "the order of fields": ([S, "Charge"], lambda state: dict(reversed(state.items()))),
    "the order of Parameters": ([S, "Charge", "Parameters"], lambda members: dict(reversed(members.items()))),
    "the order in a JSONata Output": ([S, "Sum", "Output"], lambda members: dict(reversed(members.items()))),
    "a branch that nobody takes": ([S], {"Audit": {"Type": "Pass", "Next": "Refuse"}, "Check": {
        **DEFINITION[S]["Check"], "Default": "Audit"}}),
    "where a branch goes that nobody takes": ([S, "Check", "Default"], "Done"),
    "an operand that decides the same": ([S, "Check", "Choices", 0, "NumericGreaterThan"], 2000),
    "an operator that decides the same": ([S, "Check", "Choices", 1, "And", 0],
                                          {"NumericGreaterThanEquals": 11, "NumericGreaterThan": None}),
    "the error of a Fail that is not reached": ([S, "Refuse", "Error"], "Rejected"),
    "more attempts than were needed": ([S, "Charge", "Retry", 0, "MaxAttempts"], 9),
    "a Retrier that takes nothing": ([S, "Charge", "Retry"],
                                     lambda retry: [*retry, {"ErrorEquals": ["Other"], "MaxAttempts": 9}]),
    "a Retrier where nothing failed": ([S, "Pack"], {"Retry": [{"ErrorEquals": ["States.ALL"]}]}),
    "a Catcher that takes nothing": ([S, "Charge"], {"Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "Refuse"}]}),
    "another way to write a path": ([S, "Charge", "ResultPath"], "$['payment']"),
    "another way to the same value": ([S, "Price", "Parameters", "total.$"], "States.MathAdd(5, $.total)"),
    "another way to write JSONata": ([S, "Sum", "Output", "bill"], "{% $states.input.(bill) %}"),
    "what was the default": ([S, "Done"], {"InputPath": "$"}),
    "a limit for the whole that is not reached": ([], {"TimeoutSeconds": 3600}),
    "an InputPath that is the default": ([S, "Tell"], {"InputPath": "$"}),
}  # fmt: skip


def changed(where: list[str | int], what: Any) -> dict[str, Any]:
    """The definition with a change in one place."""
    whole: dict[str | int, Any] = {"": copy.deepcopy(DEFINITION)}
    parent, key = whole, ""
    for step in where:
        parent, key = parent[key], step  # type: ignore[assignment]
    old = parent[key]
    new = what(old) if callable(what) else what
    if isinstance(new, dict) and isinstance(old, dict) and "Type" not in new and not callable(what):
        new = {name: value for name, value in {**old, **new}.items() if value is not None}
    parent[key] = new
    return whole[""]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_at_its_state(change: str, recording: Path) -> None:
    where, what, state = CHANGES[change]
    with pytest.raises(DivergenceError) as diverged:
        sfnrun.replay(recording, definition=changed(where, what))
    assert diverged.value.state == state, diverged.value.message
    assert diverged.value.recorded != diverged.value.now


@pytest.mark.parametrize("change", HARMLESS)
def test_what_makes_no_difference_is_no_divergence(change: str, recording: Path) -> None:
    result = sfnrun.replay(recording, definition=changed(*HARMLESS[change]))
    assert (result.status, result.output) == ("SUCCEEDED", {"sum": 3, "id": "p-1"})


def test_formatting_makes_no_difference(recording: Path, tmp_path: Path) -> None:
    import yaml

    for name, text in (("a.json", json.dumps(DEFINITION, indent=7)), ("b.yaml", yaml.safe_dump(DEFINITION))):
        (tmp_path / name).write_text(text)
        assert sfnrun.replay(recording, definition=tmp_path / name).status == "SUCCEEDED"
