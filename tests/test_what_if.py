"""A recording replayed with Tasks that it does not know: they are run, mocked or stopped at; all else is held."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from test_replay_changes import CHANGES, DEFINITION, HARMLESS, INPUT, LAMBDA, changed, world

import sfnrun
from sfnrun import DivergenceError, Reply, SfnrunError, TaskFailed
from sfnrun.api.imported import import_execution
from sfnrun.history.aws.events import aws_document
from sfnrun.history.recording import read

DONE = {"sum": 3, "id": "p-1"}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    result = sfnrun.run(DEFINITION, INPUT, tasks=world, store=folder, name="n", seed=1)
    assert result.history is not None
    return result.history


def audited(**fields: Any) -> dict[str, Any]:
    """The definition with a Task more, between Price and Charge."""
    definition = copy.deepcopy(DEFINITION)
    definition["States"]["Price"]["Next"] = "Audit"
    audit = {"Type": "Task", "Resource": LAMBDA + "audit", "ResultPath": None, "Next": "Charge", **fields}
    definition["States"]["Audit"] = audit
    return definition


def inside_a_map() -> dict[str, Any]:
    definition = copy.deepcopy(DEFINITION)
    states = definition["States"]["Pack"]["ItemProcessor"]["States"]
    states["Wrap"] = {**states["Wrap"], "Next": "Weigh"}
    del states["Wrap"]["End"]
    states["Weigh"] = {"Type": "Task", "Resource": LAMBDA + "weigh", "ResultPath": None, "End": True}
    return definition


@pytest.fixture(scope="module")
def of_aws(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as if AWS had run it."""
    events = aws_document(read(recording))
    return import_execution([events], DEFINITION, tmp_path_factory.mktemp("imported"), name="n")


def never(request: sfnrun.Request) -> Any:
    raise AssertionError(f"{request.state} was recorded")


def test_without_it_a_new_task_is_a_divergence(recording: Path) -> None:
    with pytest.raises(DivergenceError) as diverged:
        sfnrun.replay(recording, definition=audited())
    assert diverged.value.now == "TaskStateEntered of Audit"


@pytest.mark.parametrize("how", ["run", "mock", "stop"])
def test_a_recording_without_new_tasks_asks_nobody(how: Any, recording: Path) -> None:
    result = sfnrun.replay(recording, unrecorded=how, tasks=never)
    assert (result.status, result.output) == ("SUCCEEDED", DONE)
    assert result.events == sfnrun.replay(recording).events


def test_it_stops_there(recording: Path) -> None:
    result = sfnrun.replay(recording, definition=audited(), unrecorded="stop")
    assert result.status == "RUNNING"
    assert result.events[-1]["type"] == "LambdaFunctionScheduled"
    assert result.events[-2]["stateEnteredEventDetails"]["name"] == "Audit"


@pytest.mark.parametrize("definition", [audited(), inside_a_map()], ids=["in a row", "inside a Map"])
def test_it_is_mocked(definition: dict[str, Any], recording: Path) -> None:
    result = sfnrun.replay(recording, definition=definition, unrecorded="mock")
    assert (result.status, result.output) == ("SUCCEEDED", DONE)


def test_the_mock_is_that_of_the_settings_and_runs_no_code(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    (tmp_path / "audit.py").write_text("raise SystemExit('imported')\n")
    definition = audited(ResultPath="$.audit")
    (tmp_path / "sfnrun.yaml").write_text("tasks:\n  Audit:\n    result: {ok: 1}\n")
    with pytest.raises(DivergenceError) as diverged:  # the next input has what the mock said
        sfnrun.replay(recording, definition=definition, unrecorded="mock", config="sfnrun.yaml")
    assert '"audit":{"ok":1}' in diverged.value.now
    (tmp_path / "sfnrun.yaml").write_text("tasks:\n  Audit:\n    handler: audit.py:handler\n")
    with pytest.raises(DivergenceError) as diverged:
        sfnrun.replay(recording, definition=definition, unrecorded="mock", config="sfnrun.yaml")
    assert '"audit":{}' in diverged.value.now


def test_it_is_run(recording: Path) -> None:
    asked = []

    def audit(request: sfnrun.Request) -> Any:
        asked.append(request.payload["total"])
        return Reply({}, duration_ms=50)

    result = sfnrun.replay(recording, definition=audited(), unrecorded="run", tasks={"Audit": audit, "*": never})
    assert (result.status, result.output, asked) == ("SUCCEEDED", DONE, [100])


def test_its_retries_and_waits_are_its_own(recording: Path) -> None:
    def audit(request: sfnrun.Request) -> Any:
        if request.attempt < 2:
            raise TaskFailed("Busy")
        return {}

    definition = audited(Retry=[{"ErrorEquals": ["Busy"], "IntervalSeconds": 9}])
    assert sfnrun.replay(recording, definition=definition, unrecorded="run", tasks={"Audit": audit}).output == DONE


def test_what_it_changes_is_found(recording: Path) -> None:
    definition = audited(ResultPath="$.items")
    tasks = {"Audit": lambda request: ["tea", "cup", "pot"]}
    assert sfnrun.replay(recording, definition=definition, unrecorded="run", tasks=tasks).output == DONE
    with pytest.raises(DivergenceError) as diverged:
        sfnrun.replay(recording, definition=definition, unrecorded="run", tasks={"Audit": lambda request: ["tea"]})
    assert diverged.value.state == "Charge"
    assert '"items":["tea"]' in diverged.value.now


def test_one_that_nobody_answers_is_told(recording: Path) -> None:
    with pytest.raises(SfnrunError, match="no handler or mock for Task 'Audit'") as refused:
        sfnrun.replay(recording, definition=audited(), unrecorded="run", tasks={"Other": 1})
    assert not isinstance(refused.value, DivergenceError)


def test_a_task_that_is_asked_no_more_is_found(recording: Path) -> None:
    definition = copy.deepcopy(DEFINITION)
    definition["States"]["Rest"] |= {"Next": "Pack"}
    del definition["States"]["Tell"]
    with pytest.raises(DivergenceError):
        sfnrun.replay(recording, definition=definition, unrecorded="mock")


@pytest.mark.parametrize("change", HARMLESS)
def test_what_makes_no_difference_makes_none_here_either(change: str, recording: Path) -> None:
    definition = changed(*HARMLESS[change])
    assert sfnrun.replay(recording, definition=definition, unrecorded="mock").output == DONE


TIMES = {"the interval of a Retry", "the backoff of a Retry", "how long a Wait is", "a MaxConcurrency"}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_here_too_but_for_times_and_order(change: str, recording: Path) -> None:
    where, what, _ = CHANGES[change]
    definition = changed(where, what)
    if change in TIMES:
        assert sfnrun.replay(recording, definition=definition, unrecorded="stop").status == "SUCCEEDED"
        return
    with pytest.raises(DivergenceError):
        sfnrun.replay(recording, definition=definition, unrecorded="mock")


BRANCHES = {
    "StartAt": "Both",
    "States": {
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Sleep", "States": {"Sleep": {"Type": "Wait", "Seconds": 60, "End": True}}},
                {"StartAt": "Break", "States": {"Break": {"Type": "Task", "Resource": LAMBDA + "f", "End": True}}},
            ],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}],
            "Next": "Done",
        },
        "Done": {"Type": "Pass", "End": True},
    },
}


def test_a_wait_that_was_aborted_is_aborted_again(tmp_path: Path) -> None:
    def breaks(request: sfnrun.Request) -> Any:
        raise TaskFailed("Broken")

    result = sfnrun.run(BRANCHES, tasks=breaks, store=tmp_path, name="n", seed=1)
    definition = copy.deepcopy(BRANCHES)
    definition["States"]["Both"]["Next"] = "Audit"
    definition["States"]["Audit"] = {"Type": "Task", "Resource": LAMBDA + "audit", "End": True}
    assert sfnrun.replay(result.history, definition=definition, unrecorded="mock").output == result.output


# --- what AWS ran ---


@pytest.mark.parametrize("how", ["run", "mock", "stop"])
def test_what_aws_ran_without_new_tasks_asks_nobody(how: Any, of_aws: Path) -> None:
    result = sfnrun.replay(of_aws, unrecorded=how, tasks=never)
    assert (result.status, result.output) == ("SUCCEEDED", DONE)
    assert result.events == sfnrun.replay(of_aws).events


@pytest.mark.parametrize("definition", [audited(), inside_a_map()], ids=["in a row", "inside a Map"])
def test_a_new_task_in_what_aws_ran(definition: dict[str, Any], of_aws: Path) -> None:
    assert sfnrun.replay(of_aws, definition=definition, unrecorded="mock").output == DONE
    stopped = sfnrun.replay(of_aws, definition=definition, unrecorded="stop")
    assert (stopped.status, stopped.events[-1]["type"]) == ("RUNNING", "LambdaFunctionScheduled")


def test_a_new_state_that_asks_nobody_is_passed(of_aws: Path) -> None:
    definition = audited()
    definition["States"]["Audit"] = {"Type": "Pass", "Result": 1, "ResultPath": "$.audit", "Next": "Charge"}
    with pytest.raises(DivergenceError) as diverged:
        sfnrun.replay(of_aws, definition=definition, unrecorded="stop")
    assert diverged.value.state == "Charge"
    definition["States"]["Audit"] = {"Type": "Wait", "Seconds": 5, "Next": "Charge"}
    assert sfnrun.replay(of_aws, definition=definition, unrecorded="stop").output == DONE


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_aws_ran_is_found_but_for_times_and_order(change: str, of_aws: Path) -> None:
    where, what, _ = CHANGES[change]
    definition = changed(where, what)
    if change in TIMES:
        assert sfnrun.replay(of_aws, definition=definition, unrecorded="stop").status == "SUCCEEDED"
        return
    with pytest.raises(DivergenceError):
        sfnrun.replay(of_aws, definition=definition, unrecorded="mock")


@pytest.mark.parametrize("how", ["run", "mock", "stop"])
def test_a_redriven_execution_is_redriven_again(how: Any, tmp_path: Path) -> None:
    result = sfnrun.run(DEFINITION, INPUT, tasks={"Charge": world, "Tell": 1}, store=tmp_path, name="n", seed=1)
    assert result.status == "FAILED"
    assert result.history is not None
    redriven = sfnrun.redrive(result.history, from_="Tell", input={"payment": {"id": 1}, "items": [1]}, tasks=world)
    assert redriven.status == "SUCCEEDED"
    again = sfnrun.replay(result.history, unrecorded=how, tasks=never)
    assert again.events == redriven.events
