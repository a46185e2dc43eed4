"""A visit explained: tables of reasons and of stages, on our recordings and on imported ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import sfnrun
from sfnrun.api.imported import import_execution
from sfnrun.explain.explain import explain
from sfnrun.history.aws.events import aws_document
from sfnrun.history.recording import Recording, read
from sfnrun.history.timeline import timeline_of

HERE = Path(__file__).parent
WHY = yaml.safe_load((HERE / "why.yaml").read_text(encoding="utf-8"))
STAGES = yaml.safe_load((HERE / "stages.yaml").read_text(encoding="utf-8"))
ENDS_ITSELF = {"Choice", "Succeed", "Fail"}
Case = dict[str, Any]


def definition_of(case: Case) -> dict[str, Any]:
    states = {
        name: state if {"Next", "End"} & state.keys() or state["Type"] in ENDS_ITSELF else {**state, "End": True}
        for name, state in case["states"].items()
    }
    return {"StartAt": next(iter(states)), "States": states, **case.get("machine", {})}


def recorded(case: Case, folder: Path) -> Recording:
    waiting = {state: list(answers) for state, answers in case.get("tasks", {}).items()}

    def answer(request: sfnrun.Request) -> Any:
        answers = waiting[request.state]
        told = answers.pop(0) if len(answers) > 1 else answers[0]
        if "error" in told:
            raise sfnrun.TaskFailed(told["error"], told.get("cause"))
        return sfnrun.PENDING if "silent" in told else told["result"]

    result = sfnrun.run(definition_of(case), case.get("input", {}), tasks=answer, seed=1, store=folder, name="case")
    return read(result.history)


def back_from_aws(case: Case, folder: Path) -> Recording:
    """The same execution, had AWS run it."""
    document = aws_document(recorded(case, folder / "ours"))
    return read(import_execution([json.loads(json.dumps(document))], definition_of(case), folder / "aws"))


BOTH = pytest.mark.parametrize("source", [recorded, back_from_aws], ids=["ours", "imported"])


@BOTH
@pytest.mark.parametrize("case", WHY, ids=lambda case: case["name"])
def test_why(case: Case, source: Any, tmp_path: Path):
    told = []
    for reason in explain(source(case, tmp_path), case["state"]).reasons:
        told += [f"{reason.mark} {reason.text}", *(f"  {detail}" for detail in reason.details)]
    assert told == case["why"]


@BOTH
@pytest.mark.parametrize("case", STAGES, ids=lambda case: case["name"])
def test_stages(case: Case, source: Any, tmp_path: Path):
    options = {name: case.get(name) for name in ("visit", "attempt", "item")}
    account = explain(source(case, tmp_path), case["state"], **options)
    told = {
        stage.name: stage.payload.value if stage.payload is not None else {"error": stage.error}
        for stage in account.stages
    }
    assert told == case["stages"]
    assert list(told) == list(case["stages"])


def test_jitter_is_told(tmp_path: Path):
    task = {
        "Type": "Task",
        "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 4, "JitterStrategy": "FULL"}],
    }
    case = {"states": {"A": task}, "tasks": {"A": [{"error": "E"}, {"result": 1}]}}
    reasons = explain(recorded(case, tmp_path), "A").reasons
    delay = reasons[1].text.rpartition("after ")[2]
    assert 0 <= float(delay.removesuffix(" s")) <= 4
    assert reasons[1].details[-1] == (
        f"IntervalSeconds 4 * BackoffRate 2^0 = 4 s, FULL jitter picks a delay from 0 to that: {delay}"
    )


def test_the_cache_is_told(tmp_path: Path):
    task = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": True}
    note = {"outcome": "miss", "reason": "not there yet", "kept": True, "task": "A", "key": "3f1c"}

    def answer(request: sfnrun.Request) -> Any:
        return sfnrun.Reply(1, note=note)

    definition = {"StartAt": "A", "States": {"A": task}}
    result = sfnrun.run(definition, tasks=answer, seed=1, store=tmp_path)
    (reason,) = explain(read(result.history), "A").reasons
    assert (reason.text, reason.details) == ("cache: MISS (not there yet)", ("task A, key 3f1c",))


LOOP = next(case for case in STAGES if case["name"] == "the second visit of a loop")
WRONG = [
    ({"state": "B"}, "unknown state 'B'"),
    ({"state": "A", "visit": 4}, "visit 4 not found: 'A' was visited 3 times"),
    ({"state": "A", "attempt": 2}, "attempt 2 not found: 'A' was tried once"),
    ({"state": "A", "item": "0"}, "not entered in item 0"),
]


@pytest.mark.parametrize(("asked", "message"), WRONG)
def test_what_there_is_not_is_told(asked: Case, message: str, tmp_path: Path):
    with pytest.raises(sfnrun.SfnrunError, match=message):
        explain(recorded(LOOP, tmp_path), **asked)


def test_a_state_that_was_never_entered(tmp_path: Path):
    case = {"states": {"A": {"Type": "Succeed"}}, "machine": {}}
    case["states"] = {"A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "B"}],
                            "Default": "C"}, "B": {"Type": "Fail"}, "C": {"Type": "Succeed"}}  # fmt: skip
    with pytest.raises(sfnrun.SfnrunError, match="'B' was never entered"):
        explain(recorded(case, tmp_path), "B")


def test_looking_leaves_chance_as_it_was(tmp_path: Path):
    case = {
        "states": {"A": {"Type": "Pass", "Parameters": {"id.$": "States.UUID()"}, "Next": "B"}, "B": {"Type": "Pass"}}
    }
    recording = recorded(case, tmp_path)
    (stage,) = [stage for stage in explain(recording, "A").stages if stage.name == "output"]
    assert stage.payload.value == sfnrun.replay(recording.path).output


def test_a_redriven_state_is_told_as_one_visit(tmp_path: Path):
    task = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": True}
    branches = [
        {"StartAt": "T", "States": {"T": {**task, "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1}]}}},
        {"StartAt": "Q", "States": {"Q": {"Type": "Wait", "Seconds": 60, "End": True}}},
    ]
    definition = {"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": branches, "End": True}}}

    def broken(request: sfnrun.Request) -> Any:
        raise sfnrun.TaskFailed("E", "why")

    failed = sfnrun.run(definition, tasks=broken, seed=1, store=tmp_path, name="r")
    sfnrun.redrive(failed.history, tasks=lambda request: 1)
    recording = read(failed.history)
    told = [(visit.name, visit.outcome, len(visit.calls), visit.error) for visit in timeline_of(recording)]
    assert told == [("P", "succeeded", 0, None), ("T", "succeeded", 3, None), ("Q", "succeeded", 0, None)]
    account = explain(recording, "T")
    assert [reason.text for reason in account.reasons] == [
        "attempt 1 failed with E",
        "retrier 1 matches: retry 1 of 1, after 1 s",
        "attempt 2 failed with E",
        "retrier 1 matches, but its attempts are exhausted (1 of 1)",
        "Catch is not set, so the failure propagates",
        "the execution was redriven and continues here; retries are counted from 0 again",
    ]
    assert account.attempts == 3
    assert [stage.payload.value for stage in account.stages if stage.name == "result"] == [1]


def test_each_attempt_is_told_by_the_definition_that_it_had(tmp_path: Path):
    def task(n: int) -> dict:
        return {
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "Parameters": {"n": n},
            "End": True,
        }

    def machine(n: int) -> dict:
        first = {"Type": "Pass", "Parameters": {"n": n}, "Next": "B"}
        return {"StartAt": "A", "States": {"A": first, "B": task(n)}}

    def breaks(request: sfnrun.Request) -> None:
        raise sfnrun.TaskFailed("Broken")

    result = sfnrun.run(machine(1), tasks=breaks, store=tmp_path, name="n", seed=1)
    sfnrun.redrive(result.history, definition=machine(2), tasks=breaks)
    sfnrun.redrive(result.history, definition=machine(3), from_="A", tasks=lambda request: request.payload)
    recording = read(result.history)

    def given(state: str, stage: str, **which: int) -> object:
        stages = explain(recording, state, **which).stages
        return next(one.payload.value for one in stages if one.name == stage)

    assert [given("A", "output", visit=number) for number in (1, 2)] == [{"n": 1}, {"n": 3}]
    assert [given("B", "afterParameters", visit=1, attempt=number) for number in (1, 2)] == [{"n": 1}, {"n": 2}]
    assert explain(recording, "B", visit=1).attempts == 2
    assert given("B", "result", visit=2) == {"n": 3}
