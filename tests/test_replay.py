"""A recording replays as it was, without anybody's code; a definition that goes another way is a DivergenceError."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cases import Case, definition_of, execute, load_table, tables

import sfnrun
from sfnrun import DivergenceError, Pause, Payload, Reply, Request, Result, Resumed, TaskFailed
from sfnrun.history.recording import read
from sfnrun.record import Event, Note

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"
CASES = [pytest.param(case, id=f"{path.stem}: {case['case']}") for path in tables() for case in load_table(path)]


def task(name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": LAMBDA + name, **fields}


def machine(**states: Any) -> dict[str, Any]:
    return definition_of({"states": states})


def summary(result: Result) -> tuple[object, ...]:
    return result.status, result.output_text, result.error, result.cause, result.ended, result.events


@pytest.mark.parametrize("case", CASES)
def test_every_case_of_the_tables_replays_as_it_was(case: Case, tmp_path: Path) -> None:
    result = execute(case, store=tmp_path).result
    assert result.history is not None
    assert summary(sfnrun.replay(result.history)) == summary(result)


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def event(self, event: Event) -> None:
        details = {name: value.text if isinstance(value, Payload) else value for name, value in event.details.items()}
        self.heard.append((event.id, event.previous, event.at, event.type, event.fiber, details))

    def note(self, note: Note) -> None:
        self.heard.append(note)


TOLD = machine(
    T=task(
        Retry=[{"ErrorEquals": ["Again"], "IntervalSeconds": 2}],
        Catch=[{"ErrorEquals": ["Caught"], "Next": "M"}],
    ),
    M={"Type": "Map", "ItemsPath": "$$.Execution.Input", "ItemProcessor": {"N": task("n")}},
)


def told(request: Request) -> Any:
    request.log(f"{request.state} {request.attempt}")
    if request.state == "T":
        raise TaskFailed("Again" if request.attempt == 0 else "Caught", "why")
    return Reply({"text": "x" * 500}, note={"outcome": "hit"})


def test_a_listener_hears_the_same_again(tmp_path: Path) -> None:
    """Live, replayed, and told again without running anything: events, retries, catches, logs, what a cache did."""
    live, replayed, retold = Ear(), Ear(), Ear()
    result = sfnrun.run(TOLD, [1, 2], tasks=told, store=tmp_path, name="n", listener=live)
    assert result.history is not None
    sfnrun.replay(result.history, listener=replayed)
    read(result.history).replay_to(retold)
    assert {heard.kind for heard in live.heard if isinstance(heard, Note)} == {"retry", "catch", "log", "cache"}
    assert replayed.heard == live.heard
    assert retold.heard == live.heard


def test_no_handler_is_imported(tmp_path: Path) -> None:
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / "leave_a_mark.py").write_text(
        "import pathlib\n"
        "(pathlib.Path(__file__).parent / 'mark').touch()\n"
        "def handler(event, context): return 'marked'\n"
    )
    result = sfnrun.run(machine(T=task("leave_a_mark")), functions=functions, store=tmp_path / "h", name="n")
    assert result.output == "marked"
    assert result.history is not None
    (functions / "mark").unlink()
    sys.modules.pop("leave_a_mark", None)
    assert sfnrun.replay(result.history).output == "marked"
    assert not (functions / "mark").exists()
    (functions / "leave_a_mark.py").unlink()
    assert sfnrun.replay(result.history).output == "marked"


# --- divergence: (what is changed, what is said, what was recorded, what happens now) ---

BEFORE = {
    "A": {"Type": "Pass", "Result": {"n": 1}, "Next": "T"},
    "T": task("f", Next="W"),
    "W": {"Type": "Wait", "Seconds": 5, "Next": "Z"},
    "Z": {"Type": "Succeed"},
}
CHANGES = {
    "another state follows": (
        {"A": {"Type": "Pass", "Result": {"n": 1}, "Next": "W"}, "W": {"Type": "Wait", "Seconds": 5, "Next": "T"},
         "T": task("f", Next="Z")},
        "in state 'A': different event", "TaskStateEntered of T", "WaitStateEntered of W", "A",
    ),
    "a state of another type": (
        {"W": {"Type": "Pass", "Next": "Z"}},
        "in state 'W': different event", "WaitStateEntered of W", "PassStateEntered of W", "W",
    ),
    "a state of another name": (
        {"A": {"Type": "Pass", "Result": {"n": 1}, "Next": "T2"}, "T": None, "T2": task("f", Next="W")},
        "in state 'T2': different event", "TaskStateEntered of T", "TaskStateEntered of T2", "T2",
    ),
    "another value": (
        {"A": {"Type": "Pass", "Result": {"n": 2}, "Next": "T"}},
        "in state 'A': output of PassStateExited differs", '{"n":1}', '{"n":2}', "A",
    ),
    "another input of a task": (
        {"T": task("f", Parameters={"k": "v"}, Next="W")},
        "in state 'T': input of LambdaFunctionScheduled differs", '{"n":1}', '{"k":"v"}', "T",
    ),
    "another resource": (
        {"T": task("g", Next="W")},
        "in state 'T': resource of LambdaFunctionScheduled differs", LAMBDA + "f", LAMBDA + "g", "T",
    ),
    "another kind of resource": (
        {"T": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f"},
               "Next": "W"}},
        "in state 'T': different event", "LambdaFunctionScheduled", "TaskScheduled", "T",
    ),
    "a detail that was not there": (
        {"T": task("f", TimeoutSeconds=9, Next="W")},
        "in state 'T': timeoutInSeconds of LambdaFunctionScheduled differs", "nothing", "9", "T",
    ),
    "a variable that was not there": (
        {"A": {"Type": "Pass", "Result": {"n": 1}, "Assign": {"v": 1}, "Next": "T"}},
        "in state 'A': assignedVariables of PassStateExited differs", "nothing", '{"v":"1"}', "A",
    ),
    "it fails now": (
        {"T": task("f", ResultSelector={"a.$": "$.gone"}, Next="W")},
        "in state 'T': different event", "TaskStateExited of T", "ExecutionFailed", "T",
    ),
    "it ends sooner": (
        {"T": task("f", End=True), "W": None, "Z": None},
        "in state 'T': different event", "WaitStateEntered of W", "ExecutionSucceeded", "T",
    ),
    "it goes on": (
        {"W": {"Type": "Wait", "Seconds": 5, "Next": "Y"}, "Y": {"Type": "Pass", "Next": "Z"}},
        "in state 'W': different event", "SucceedStateEntered of Z", "PassStateEntered of Y", "W",
    ),
    "a longer wait": (
        {"W": {"Type": "Wait", "Seconds": 500, "Next": "Z"}},
        "in state 'W': wait time differs", "sleeps until 5,000 ms after the start",
        "sleeps until 500,000 ms after the start", "W",
    ),
}  # fmt: skip


def changed(states: dict[str, Any]) -> dict[str, Any]:
    """The definition with states replaced; None takes one away."""
    return machine(**{name: state for name, state in {**BEFORE, **states}.items() if state is not None})


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history")
    result = sfnrun.run(machine(**BEFORE), tasks=lambda request: {"r": 1}, store=folder, name="n")
    assert result.history is not None
    return result.history


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_definition_diverges_where_it_goes_another_way(change: str, recording: Path) -> None:
    states, message, recorded, now, state = CHANGES[change]
    with pytest.raises(DivergenceError) as diverged:
        sfnrun.replay(recording, definition=changed(states))
    error = diverged.value
    assert (error.message, error.recorded, error.now, error.state) == (
        message,
        recorded,
        now,
        state,
    )
    assert error.exit_code == 3


@pytest.mark.parametrize(
    "states",
    [
        {"A": {"Type": "Pass", "Parameters": {"n": 1}, "Comment": "the same by another way", "Next": "T"}},
        {
            "T": task(
                "f", Retry=[{"ErrorEquals": ["States.ALL"]}], Catch=[{"ErrorEquals": ["E"], "Next": "Z"}], Next="W"
            )
        },
    ],
    ids=["another way to the same value", "what was not needed"],
)
def test_a_changed_definition_that_goes_the_same_way_replays(states: dict[str, Any], recording: Path) -> None:
    assert sfnrun.replay(recording, definition=changed(states)).events == sfnrun.replay(recording).events


def edited(recording: Path, folder: Path, edit: Any) -> Path:
    """A copy of a recording whose lines `edit` has changed."""
    lines = [json.loads(line) for line in recording.read_text(encoding="utf-8").splitlines()]
    path = folder / "edited.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in edit(lines)), encoding="utf-8")
    return path


def test_an_answer_that_nobody_asked_for(recording: Path, tmp_path: Path) -> None:
    def edit(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**line, "key": ":77"} if line.get("answer") == "Slept" else line for line in lines]

    unasked = "in state 'W': recorded result is not used by the replay"
    with pytest.raises(DivergenceError, match=unasked) as diverged:
        sfnrun.replay(edited(recording, tmp_path, edit))
    assert diverged.value.recorded == "Slept for :77"
    assert diverged.value.now.startswith("waiting for :2")


def test_an_answer_of_another_kind(recording: Path, tmp_path: Path) -> None:
    def edit(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"answer": "Failed", "at": line["at"], "key": line["key"], "error": "E"}
            if line.get("answer") == "Succeeded"
            else line
            for line in lines
        ]

    with pytest.raises(DivergenceError) as diverged:
        sfnrun.replay(edited(recording, tmp_path, edit))
    assert (diverged.value.recorded, diverged.value.now) == ("LambdaFunctionSucceeded", "LambdaFunctionFailed")


def test_a_recording_that_ends_before_its_end(recording: Path, tmp_path: Path) -> None:
    """Its process was killed: what is there is compared, and the execution is RUNNING."""
    whole = sfnrun.replay(recording).events
    for kept in range(1, len(recording.read_text(encoding="utf-8").splitlines())):
        replayed = sfnrun.replay(edited(recording, tmp_path, lambda lines, kept=kept: lines[:kept]))
        assert replayed.events == whole[: len(replayed.events)]
    assert replayed.status in ("RUNNING", "SUCCEEDED")


def test_notes_of_a_kind_that_is_not_known_yet_change_nothing(recording: Path, tmp_path: Path) -> None:
    note = {"note": "mood", "at": 0, "fiber": "", "state": "A", "details": {"good": True}}

    def edit(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [lines[0], *(one for line in lines[1:] for one in (note, line))]

    assert sfnrun.replay(edited(recording, tmp_path, edit)).status == "SUCCEEDED"


# --- stepping ---

STEPPED = machine(
    A={"Type": "Pass", "Result": 1, "ResultPath": "$.a", "Next": "B"},
    B={"Type": "Pass", "Result": 2, "ResultPath": "$.b", "Next": "P"},
    P={"Type": "Parallel", "Branches": [{"C": {"Type": "Pass"}}, {"D": task("d")}]},
)


def stepped(actions: dict[str, Resumed], folder: Path) -> tuple[Result, list[tuple[str, str, str]]]:
    asked: list[tuple[str, str, str]] = []

    def step(pause: Pause) -> Resumed:
        asked.append((pause.state, pause.type, pause.input.text))
        return actions.get(pause.state, Resumed())

    result = sfnrun.run(STEPPED, {}, tasks=lambda request: request.payload, step=step, store=folder, name="n", seed=1)
    return result, asked


def test_stepping_asks_before_every_state(tmp_path: Path) -> None:
    result, asked = stepped({}, tmp_path)
    assert [state for state, _, _ in asked] == ["A", "B", "P", "C", "D"]
    assert asked[1] == ("B", "Pass", '{"a":1}')
    assert result.output == [{"a": 1, "b": 2}] * 2
    assert result.history is not None
    assert summary(sfnrun.replay(result.history)) == summary(result)


@pytest.mark.parametrize(
    ("actions", "output"),
    [
        ({"B": Resumed("run", Payload({"edited": True}))}, [{"edited": True, "b": 2}] * 2),
        ({"B": Resumed("skip")}, [{"a": 1}] * 2),
        ({"B": Resumed("skip", Payload("instead"))}, ["instead"] * 2),
        ({"D": Resumed("run", Payload(5))}, [{"a": 1, "b": 2}, 5]),
        ({"P": Resumed("skip")}, {"a": 1, "b": 2}),
    ],
    ids=["edited", "skipped", "skipped with another value", "edited in a branch", "the last one skipped"],
)
def test_what_was_done_when_stepping_is_done_again(actions: Any, output: Any, tmp_path: Path) -> None:
    result, _ = stepped(actions, tmp_path)
    assert result.output == output
    assert result.history is not None
    assert summary(sfnrun.replay(result.history)) == summary(result)


def test_quitting(tmp_path: Path) -> None:
    result, asked = stepped({"C": Resumed("quit")}, tmp_path)
    assert (result.status, len(asked)) == ("ABORTED", 4)
    assert result.history is not None
    assert summary(sfnrun.replay(result.history)) == summary(result)


def test_a_retry_after_another_delay(tmp_path: Path) -> None:
    def retrying(seconds: int) -> dict[str, Any]:
        retry = [{"ErrorEquals": ["E"], "IntervalSeconds": seconds, "MaxAttempts": 1}]
        return machine(T=task("f", Retry=retry, End=True))

    def broken(request: Request) -> Any:
        raise TaskFailed("E")

    path = sfnrun.run(retrying(2), tasks=broken, store=tmp_path, name="n", seed=1).history
    assert path is not None
    with pytest.raises(DivergenceError, match="retry delay differs"):
        sfnrun.replay(path, definition=retrying(3))


def test_a_detail_that_is_gone(tmp_path: Path) -> None:
    before, now = machine(T=task("f", TimeoutSeconds=9, End=True)), machine(T=task("f", End=True))
    path = sfnrun.run(before, tasks=lambda request: 1, store=tmp_path, name="n", seed=1).history
    assert path is not None
    with pytest.raises(DivergenceError, match="timeoutInSeconds"):
        sfnrun.replay(path, definition=now)
