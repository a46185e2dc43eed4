"""A redrive goes on from the states that were not left, in the same history; AWS's rules, and what goes beyond them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cases import definition_of
from running import run

import sfnrun
from sfnrun import DivergenceError, Payload, Reply, Request, Result, SfnrunError, TaskFailed
from sfnrun.api.options import moment
from sfnrun.api.resume import refusal
from sfnrun.history.recording import read

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"
START = 1_767_225_600_000


def task(name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": LAMBDA + name, **fields}


def machine(**states: Any) -> dict[str, Any]:
    return definition_of({"states": states})


def one(name: str, state: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": name, "States": {name: state}}


class World:
    """Answers with the state's name, or fails those of the states that are broken."""

    def __init__(self, *broken: str, answer: Callable[[Request], Any] | None = None) -> None:
        self.broken = broken
        self.answer = answer
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Any:
        self.asked.append(request)
        if request.state in self.broken:
            raise TaskFailed("Broken", request.state)
        return request.state if self.answer is None else self.answer(request)

    @property
    def states(self) -> list[str]:
        return [request.state for request in self.asked]


def failed(folder: Path, definition: Any, world: Any, status: str = "FAILED", **options: Any) -> Path:
    input = options.pop("input", None)
    result = run(definition, input, tasks=world, store=folder, name="n", **{"seed": 1, "start_time": START, **options})
    assert result.status == status
    assert result.history is not None
    return result.history


def types(result: Result, after: str = "ExecutionRedriven") -> list[str]:
    """The types of the events from the last one of a type on."""
    found = [event["type"] for event in result.events]
    return found[len(found) - 1 - found[::-1].index(after) :]


CHAIN = machine(
    A=task(Next="B"), B=task(Retry=[{"ErrorEquals": ["Broken"], "MaxAttempts": 1}], Next="C"), C=task(End=True)
)


def test_it_goes_on_from_the_state_that_failed(tmp_path: Path) -> None:
    before = World("B")
    path = failed(tmp_path, CHAIN, before)
    prefix = list(read(path).lines)
    after = World()
    result = sfnrun.redrive(path, tasks=after)
    assert (result.status, result.output, after.states) == ("SUCCEEDED", "C", ["B", "C"])
    assert list(read(path).lines[: len(prefix)]) == prefix
    assert types(result)[:3] == ["ExecutionRedriven", "LambdaFunctionScheduled", "LambdaFunctionStarted"]
    redriven = next(event for event in result.events if event["type"] == "ExecutionRedriven")
    assert redriven["executionRedrivenEventDetails"] == {"redriveCount": 1}
    scheduled = result.events[redriven["id"]]
    entered = result.events[scheduled["previousEventId"] - 1]
    assert entered["stateEnteredEventDetails"]["name"] == "B", "it points to where the state was entered"
    assert sfnrun.replay(path).events == result.events


def test_it_is_another_request_and_counters_begin_anew(tmp_path: Path) -> None:
    before, after = World("B"), World("B")
    path = failed(tmp_path, CHAIN, before)
    result = sfnrun.redrive(path, tasks=after)
    assert result.status == "FAILED"
    assert [request.attempt for request in after.asked] == [0, 1]
    assert {request.id for request in before.asked}.isdisjoint(request.id for request in after.asked)


def test_the_context_object_tells_of_it(tmp_path: Path) -> None:
    path = failed(tmp_path, CHAIN, World("B"))
    worlds = World("C"), World()
    for world in worlds:
        sfnrun.redrive(path, tasks=world)
    told = [request.context["Execution"] for world in worlds for request in world.asked]
    assert [one["RedriveCount"] for one in told] == [1, 1, 2]
    assert [one["RedriveTime"] for one in told] == ["2026-01-01T00:00:01.000Z"] * 3
    assert list(told[0]) == ["Id", "Input", "StartTime", "Name", "RoleArn", "RedriveCount", "RedriveTime"]


WIDE = machine(
    P={
        "Type": "Parallel",
        "Branches": [
            one("Good", task(End=True)),
            one("Bad", task(End=True)),
            {
                "StartAt": "Slow",
                "States": {
                    "Slow": task(Next="Rest"),
                    "Rest": {"Type": "Wait", "Seconds": 9, "Next": "Then"},
                    "Then": task(End=True),
                },
            },
        ],
        "Next": "M",
    },
    M={"Type": "Map", "ItemsPath": "$", "MaxConcurrency": 2, "ItemProcessor": one("Item", task(End=True)), "End": True},
)


def test_branches_that_ended_well_are_kept(tmp_path: Path) -> None:
    times = {"Good": 0, "Bad": 2000, "Slow": 1000}

    def answer(request: Request) -> Any:
        if request.state == "Bad":
            return Reply(failure=TaskFailed("Broken", "Bad"), duration_ms=2000)
        return Reply(request.state, duration_ms=times.get(request.state, 0))

    path = failed(tmp_path, WIDE, World(answer=answer))
    after = World()
    result = sfnrun.redrive(path, tasks=after)
    assert after.states == ["Bad", "Then", "Item", "Item", "Item"]
    assert (result.status, result.output) == ("SUCCEEDED", ["Item"] * 3)
    assert "ParallelStateStarted" not in types(result)
    assert types(result)[1:3] == ["LambdaFunctionScheduled", "LambdaFunctionStarted"]
    assert sfnrun.replay(path).events == result.events


def test_items_that_ended_well_are_kept_and_the_others_follow(tmp_path: Path) -> None:
    definition = machine(
        M={"Type": "Map", "MaxConcurrency": 2, "ItemProcessor": one("Item", task(End=True)), "End": True}
    )

    def answer(request: Request) -> Any:
        if request.payload == 2:
            raise TaskFailed("Broken")
        return request.payload * 10

    path = failed(tmp_path, definition, World(answer=answer), input=[0, 1, 2, 3, 4])
    after = World(answer=lambda request: request.payload * 10)
    result = sfnrun.redrive(path, tasks=after)
    assert sorted(request.payload for request in after.asked) == [2, 3, 4]
    assert result.output == [0, 10, 20, 30, 40]
    assert [event["type"] for event in result.events].count("MapIterationStarted") == 5
    assert sfnrun.replay(path).events == result.events


def test_what_was_queued_when_it_ended_is_forgotten(tmp_path: Path) -> None:
    bad, good = {"Type": "Wait", "SecondsPath": "$.none", "End": True}, {"Type": "Succeed"}
    inner = {"Type": "Parallel", "Branches": [one("Bad", bad), one("C", good)], "End": True}
    definition = one(
        "P", {"Type": "Parallel", "Branches": [one("A", good), one("B", good), one("Q", inner)], "End": True}
    )
    path = failed(tmp_path, definition, World(), input={})
    for _ in range(3):
        assert sfnrun.redrive(path, tasks=World()).error == "States.Runtime"
    assert sfnrun.replay(path).status == "FAILED"


def test_what_was_too_large_runs_as_a_whole(tmp_path: Path) -> None:
    definition = machine(
        P={"Type": "Parallel", "Branches": [one("A", task(End=True)), one("B", task(End=True))], "End": True}
    )
    path = failed(tmp_path, definition, World(answer=lambda request: "x" * 200_000))
    assert read(path).lines[-1]["error"] == "States.DataLimitExceeded"
    after = World()
    assert sfnrun.redrive(path, tasks=after).output == ["A", "B"]
    assert after.states == ["A", "B"]


def test_variables_are_what_they_were(tmp_path: Path) -> None:
    definition = machine(
        A={"Type": "Pass", "Assign": {"v": 1}, "Next": "B"},
        B=task(Assign={"v": 2}, Next="C"),
        C={"Type": "Pass", "Parameters": {"v.$": "$v"}, "Next": "D"},
        D=task(Parameters={"v.$": "$v"}, End=True),
    )
    path = failed(tmp_path, definition, World("D"))
    after = World()
    sfnrun.redrive(path, tasks=after)
    assert [request.payload for request in after.asked] == [{"v": 2}]


def test_one_that_was_stopped_in_a_wait_waits_again(tmp_path: Path) -> None:
    definition = machine(W={"Type": "Wait", "Seconds": 60, "Next": "A"}, A=task(End=True))
    path = failed(tmp_path, definition, World(), "ABORTED", stop_at=START + 10_000)
    result = sfnrun.redrive(path, tasks=World())
    assert (result.status, result.ended) == ("SUCCEEDED", moment(START + 70_000))
    assert types(result)[:2] == ["ExecutionRedriven", "WaitStateExited"]


def test_one_that_timed_out_has_its_time_anew(tmp_path: Path) -> None:
    definition = {**machine(A=task(Next="W"), W={"Type": "Wait", "Seconds": 3, "End": True}), "TimeoutSeconds": 5}
    slow = World(answer=lambda request: Reply({}, duration_ms=4000))
    path = failed(tmp_path, definition, slow, "TIMED_OUT")
    assert sfnrun.redrive(path, tasks=World()).status == "SUCCEEDED"


def test_a_fail_state_fails_again(tmp_path: Path) -> None:
    path = failed(tmp_path, machine(F={"Type": "Fail", "Error": "Over"}), World())
    result = sfnrun.redrive(path)
    assert (result.status, result.error) == ("FAILED", "Over")
    assert types(result) == ["ExecutionRedriven", "ExecutionFailed"]


def test_a_choice_is_made_again_with_the_definition_of_now(tmp_path: Path) -> None:
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.gone", "NumericEquals": 1, "Next": "A"}]}
    path = failed(tmp_path, machine(C=choice, A=task(End=True)), World())
    mended = machine(C={**choice, "Default": "A"}, A=task(End=True))
    mended["States"]["C"]["Choices"][0]["Variable"] = "$"
    result = sfnrun.redrive(path, tasks=World(), definition=mended)
    assert result.status == "SUCCEEDED"
    assert sfnrun.replay(path).events == result.events, "the other definition is recorded"
    assert read(path).lines[-1]["event"] == "ExecutionSucceeded"


def test_from_a_state_with_the_input_and_variables_it_had(tmp_path: Path) -> None:
    definition = machine(
        A={"Type": "Pass", "Assign": {"v": 1}, "Next": "B"},
        B=task(Assign={"v": 2}, Parameters={"v.$": "$v"}, Next="C"),
        C=task(End=True),
    )
    path = failed(tmp_path, definition, World("C"), input={"n": 1})
    after = World()
    result = sfnrun.redrive(path, tasks=after, from_="B")
    assert [(request.state, request.payload) for request in after.asked] == [("B", {"v": 1}), ("C", "B")]
    assert types(result)[:2] == ["ExecutionRedriven", "TaskStateEntered"]
    assert sfnrun.replay(path).events == result.events


@pytest.mark.parametrize("input", [{"n": 2}, Payload.parse('{ "n": 2 }')])
def test_with_another_input(tmp_path: Path, input: Any) -> None:
    path = failed(tmp_path, CHAIN, World("B"), input={"n": 1})
    after = World()
    result = sfnrun.redrive(path, tasks=after, input=input)
    assert [(request.state, request.payload) for request in after.asked] == [("B", {"n": 2}), ("C", "B")]
    assert sfnrun.replay(path).events == result.events


def test_the_same_may_be_redriven_again_and_again(tmp_path: Path) -> None:
    path = failed(tmp_path, CHAIN, World("A"))
    for state, count in (("B", 1), ("C", 2), ("C", 3)):
        result = sfnrun.redrive(path, tasks=World(state))
        assert (result.status, result.cause) == ("FAILED", state)
        assert result.events[-1]["id"] == len(result.events)
        assert sum(event["type"] == "ExecutionRedriven" for event in result.events) == count
    assert sfnrun.redrive(path, tasks=World()).status == "SUCCEEDED"


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_what_cannot_be_redriven(tmp_path: Path) -> None:
    def refused(path: Path, **options: Any) -> str:
        before = path.read_bytes()
        with pytest.raises(SfnrunError) as error:
            sfnrun.redrive(path, tasks=World(), **options)
        assert path.read_bytes() == before
        assert not isinstance(error.value, DivergenceError)
        return error.value.message

    assert "is SUCCEEDED" in refused(failed(tmp_path / "1", CHAIN, World(), "SUCCEEDED"))
    assert "only STANDARD" in refused(failed(tmp_path / "2", CHAIN, World("B"), type="EXPRESS"))
    path = failed(tmp_path / "3", CHAIN, World("B"))
    assert "'X' is not a top-level state" in refused(path, from_="X")
    assert "state 'C' was never entered" in refused(path, from_="C")
    assert "state 'B', where the execution stopped" in refused(path, definition=machine(A=task(End=True)))
    assert sfnrun.redrive(path, tasks=World(), from_="C", input=1).status == "SUCCEEDED"
    path = failed(tmp_path / "4", CHAIN, World("B"))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert "is RUNNING" in refused(path)


def test_fourteen_days_are_those_of_the_real_clock(tmp_path: Path) -> None:
    path = failed(tmp_path, CHAIN, World("B"))
    days = 86_400_000
    assert refusal(read(path), now=START + 400 * days) is None
    recording = read(edited(path, '"clock":"virtual"', '"clock":"real"'))
    assert refusal(recording, now=START + 13 * days) is None
    refused = refusal(recording, now=START + 15 * days)
    assert refused is not None
    assert "14 days" in refused.message


def test_a_full_history_has_no_room_for_a_redrive(tmp_path: Path) -> None:
    states = {f"S{n}": {"Type": "Pass", "Next": f"S{n + 1}"} for n in range(12_496)}
    definition = {"StartAt": "S0", "States": {**states, "S12496": {"Type": "Fail"}}}
    path = failed(tmp_path, definition, None)
    recording = read(path)
    assert sum(1 for _ in recording.of_kind("event")) == 24_995
    assert refusal(recording) is None
    full = type(recording)(path, recording.start, (*recording.lines[:4], *recording.lines))
    refused = refusal(full)
    assert refused is not None
    assert "24,999 events" in refused.message


def test_what_another_execution_kept_is_not_asked_again(tmp_path: Path) -> None:
    settings = tmp_path / "sfnrun.yaml"
    settings.write_text("tasks: {B: {cache: {ttl: 1h}}}")
    definition = machine(A=task(Next="B"), B=task(End=True))
    path = failed(tmp_path, definition, World("A"), config=settings)
    run(definition, tasks=World(), config=settings, seed=1, start_time=START)
    after = World()
    assert sfnrun.redrive(path, tasks=after).output == "B"
    assert after.states == ["A"]


def test_another_definition_may_have_what_the_settings_ignore(tmp_path: Path) -> None:
    settings = tmp_path / "sfnrun.yaml"
    settings.write_text("ignore: [SFN-G03]")
    unreachable = {"Type": "Succeed"}
    path = failed(tmp_path, machine(A=task(End=True), X=unreachable), World("A"), config=settings)
    changed = machine(A=task("g", End=True), X=unreachable)
    assert sfnrun.redrive(path, definition=changed, tasks=World()).output == "A"


@pytest.mark.parametrize(("before", "now"), [([1, 2], [1, 2, 3]), ([1, 2, 3], [1, 2])])
def test_a_map_with_another_number_of_items_begins_again(tmp_path: Path, before: list[int], now: list[int]) -> None:
    def each(path: str) -> dict[str, Any]:
        return machine(M={"Type": "Map", "ItemsPath": path, "ItemProcessor": {"T": task(End=True)}, "End": True})

    answer = World(answer=lambda request: request.payload)
    broken = World(answer=lambda request: fail() if request.payload == 2 else request.payload)
    path = failed(tmp_path, each("$.before"), broken, input={"before": before, "now": now})
    result = sfnrun.redrive(path, tasks=answer, definition=each("$.now"))
    assert result.output == now
    assert types(result).count("MapStateStarted") == 1
    assert sfnrun.replay(path).events == result.events


def fail() -> None:
    raise TaskFailed("Broken")
