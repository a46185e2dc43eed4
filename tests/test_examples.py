"""The bundled examples, each with its input and its handlers, end as they say they do."""

import json
from pathlib import Path

import pytest

import sfnrun
from sfnrun.asl.model import every_state

ROOT = Path(__file__).resolve().parents[1]
MACHINES = ROOT / "statemachines"
EXAMPLES = sorted(path.name for path in MACHINES.glob("*.asl.*"))
TYPES = {"Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"}


def execute(name: str, **changes):
    path = next(MACHINES.glob(f"{name}.asl.*"))
    given = json.loads((MACHINES / f"{name}.input.json").read_text(encoding="utf-8"))
    return sfnrun.run(path, {**given, **changes}, functions=ROOT / "functions", name="test")


def entered(result) -> list[str]:
    return [event["stateEnteredEventDetails"]["name"] for event in result.events if event["type"].endswith("Entered")]


@pytest.mark.parametrize("file", EXAMPLES)
def test_an_example_is_valid_and_has_an_input(file):
    assert [str(problem) for problem in sfnrun.validate(MACHINES / file) if problem.severity == "error"] == []
    assert (MACHINES / f"{file.split('.')[0]}.input.json").is_file()


def test_the_order_has_every_type_of_state():

    machine = sfnrun.load(MACHINES / "order.asl.yaml")
    states = every_state(machine.graph)
    assert {state.type for state in states} == TYPES
    assert any(state.retry for state in states)
    assert any(state.catch for state in states)


def test_an_order_is_delivered_after_a_retry():
    result = execute("order")
    assert (result.status, result.error, result.cause) == ("SUCCEEDED", None, None)
    assert result.output == {
        "parcel": {"pieces": 7, "articles": ["tea-pot", "tea-cup", "green-tea"]},
        "invoice": "Invoice ada/test, 103 euros",
    }
    assert [event["type"] for event in result.events].count("TaskFailed") == 1
    assert result.took.total_seconds() >= 3


@pytest.mark.parametrize(
    ("changes", "error", "last"),
    [
        ({"card": "4000000000000002"}, "CardDeclined", ["ReleaseStock", "OrderFailed"]),
        ({"items": [{"sku": "tea-pot", "quantity": 70}]}, "OutOfStock", ["ReserveItem", "OrderFailed"]),
        ({"items": []}, "OrderRejected", ["CheckOrder", "OrderRejected"]),
    ],
)
def test_an_order_that_fails_says_why(changes, error, last):
    result = execute("order", **changes)
    assert (result.status, result.error) == ("FAILED", error)
    assert entered(result)[-2:] == last


def test_words_are_counted():
    result = execute("word-count")
    assert result.status == "SUCCEEDED"
    assert result.output["words"] == 257
    assert list(result.output["leading"])[:2] == ["the", "it"]
    assert [event["type"] for event in result.events].count("MapIterationSucceeded") == 5


def test_a_job_is_polled_until_it_is_done():
    result = execute("poll-job")
    assert result.output == {"id": "job-a95d65af", "status": "SUCCEEDED", "polls": 2}
    assert entered(result).count("WaitAWhile") == 2
    assert result.took.total_seconds() >= 20


def test_the_tour_of_errors_ends_well():
    result = execute("errors")
    assert result.status == "SUCCEEDED"
    assert result.output == {
        "by_name": "NotFound",
        "after_retries": "Unavailable",
        "branch": "BranchBroke",
        "item": "Spoilt",
    }
    assert "NeverReached" not in entered(result)


def test_the_tour_of_errors_can_end_badly():
    result = execute("errors", end="badly")
    assert (result.status, result.error, result.cause) == ("FAILED", "Spoilt", "Spoilt, as you asked for")
