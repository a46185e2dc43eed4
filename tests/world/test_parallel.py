"""Handlers side by side under the virtual clock: they overlap in reality, and the history is as if they had not."""

from __future__ import annotations

import random
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from driving import CALLBACK, FOREVER, START, AnsweredBy, execution_of, late, machine_of, task

from sfnrun import PENDING, Reply, Request, TaskFailed
from sfnrun.effects import Handler, Stopped, Succeeded
from sfnrun.history.file import HistoryFile
from sfnrun.history.journal import EventList, NullJournal
from sfnrun.payload import Payload
from sfnrun.record import Note
from sfnrun.world.hosted import Hosted
from sfnrun.world.open_calls import Gate
from sfnrun.world.world import World

MACHINE = machine_of(
    {
        "M": {
            "Type": "Map",
            "ItemsPath": "$",
            "MaxConcurrency": 5,
            "ItemProcessor": {
                "T": {
                    **task(),
                    "TimeoutSeconds": 2,
                    "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2, "JitterStrategy": "FULL"}],
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "W"}],
                    "Next": "W",
                },
                "W": {"Type": "Wait", "Seconds": 1},
            },
            "Next": "P",
        },
        "P": {
            "Type": "Parallel",
            "Branches": [
                {"A": {**task(), "Resource": "arn:aws:states:us-east-1:123456789012:activity:a"}},
                {"B": {**task(), "Resource": CALLBACK, "Parameters": {}, "TimeoutSeconds": 1}},
            ],
        },
    }
)


def answer(request: Request) -> Any:
    """By the request alone: an answer, a failure, or none, after a time that it says, and prints it."""
    chance = random.Random(request.id)
    request.log(f"{request.state} {request.attempt}")
    threading.Event().wait(chance.random() / 500)
    duration = chance.choice([0, 0, 1000, 1000, 2000, 3000])
    if chance.random() < 0.2:
        return Reply(failure=TaskFailed("E", request.key), duration_ms=duration)
    if chance.random() < 0.2:
        return PENDING
    return Reply(request.key, duration_ms=duration, worker_name="w", submitted={"id": request.key})


def recorded(folder: Path, parallel: bool, gate: Gate | None) -> dict[str, bytes]:
    world = World("virtual", parallel=parallel)
    handler = Handler(answer)
    if gate is not None:
        handler = gate.around(handler)
    answerer = AnsweredBy(dict.fromkeys(("T", "A", "B"), handler))
    hosted = []
    with closing(world):
        for number in range(12):
            journal = HistoryFile(folder / f"e{number}.jsonl", {"start_time": START})
            execution = execution_of(f"e{number}", list(range(number)), seed=3)
            hosted.append((world.start(MACHINE, execution, journal, answerer), journal))
        world.run()
    for one, journal in hosted:
        assert one.done
        journal.close()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("limit", [None, 4], ids=["free", "gate"])
def test_histories_are_the_same_byte_for_byte(limit: int | None, tmp_path: Path) -> None:
    """But for lines that handlers print: they are shown where a call lands, which is later than where it begins."""
    serial, one, two = [
        recorded(tmp_path / name, parallel, None if limit is None else Gate(limit))
        for name, parallel in [("serial", False), ("one", True), ("two", True)]
    ]
    assert b"".join(serial.values()).count(b'"note":"log"') > 50
    assert one == two
    assert without_lines(one) == without_lines(serial)


def without_lines(files: dict[str, bytes]) -> dict[str, list[bytes]]:
    return {
        name: [line for line in data.splitlines() if not line.startswith(b'{"note":"log"')]
        for name, data in files.items()
    }


def test_calls_that_are_due_together_overlap() -> None:
    """Of one execution and of several: each handler waits for all the others."""
    world, meet = World("virtual", parallel=True), threading.Barrier(6)
    answerer = AnsweredBy({"T": Handler(lambda request: meet.wait(FOREVER) >= 0)})
    machine = machine_of({"M": {"Type": "Map", "ItemProcessor": {"T": task()}}})
    with closing(world):
        hosted = [world.start(machine, execution_of(name, [1, 2]), NullJournal(), answerer) for name in "abc"]
        assert [world.wait(one, FOREVER).status for one in hosted] == ["SUCCEEDED"] * 3


def test_the_clock_waits_for_a_handler_and_not_for_those_that_are_later() -> None:
    """What is due later happens after the result of a slow handler, though in reality it could have been first."""
    world, order = World("virtual", parallel=True), []
    released = threading.Event()

    def handle(request: Request) -> int:
        released.wait(0.05)
        order.append("handler")
        return 1

    machine = machine_of({"T": task()})
    with closing(world):
        world.start(machine, execution_of("slow"), NullJournal(), AnsweredBy({"T": Handler(handle)}))
        world.call_at(START, lambda: order.append("now"))
        world.call_at(START + 1, lambda: order.append("later"))
        world.run()
    assert order == ["now", "handler", "later"]


def test_time_limits_hold_for_each_handler() -> None:
    """Also for one that the clock does not wait for yet: its time is over while another handler runs."""
    world, released = World("virtual", parallel=True), threading.Event()
    outlived = threading.Event()

    def first(request: Request) -> int:
        outlived.wait(FOREVER)
        return 1

    def second(request: Request) -> bool:
        return released.wait(FOREVER)

    def expire(request: Request) -> Any:
        from sfnrun.effects import Failed

        outlived.set()
        return Failed("Late", request.state)

    handlers = {"A": Handler(first), "B": Handler(second, 0.05, expire)}
    machine = machine_of({"P": {"Type": "Parallel", "Branches": [{"A": task()}, {"B": task()}]}})
    with closing(world):
        outcome = world.wait(world.start(machine, execution_of(), NullJournal(), AnsweredBy(handlers)), FOREVER)
    released.set()
    assert (outcome.error, outcome.cause, outcome.at) == ("Late", "B", START)


def test_overtime_is_given_to_each_handler() -> None:
    world, released, asked = World("virtual", parallel=True), threading.Event(), []

    def overtime(request: Request) -> float:
        asked.append(request.state)
        return 0.01 if len(asked) < 3 else 0.0

    handler = late(lambda request: released.wait(FOREVER), 0.01, overtime=overtime)
    with closing(world):
        hosted = world.start(machine_of({"T": task()}), execution_of(), NullJournal(), AnsweredBy({"T": handler}))
        outcome = world.wait(hosted, FOREVER)
    released.set()
    assert (outcome.error, asked) == ("Late", ["T"] * 3)


def test_lines_are_shown_where_the_call_lands() -> None:
    """Not in the order in which threads print them, which is another each time."""
    world, kept, turn = World("virtual", parallel=True), Lines(), threading.Event()

    def handle(request: Request) -> int:
        if request.payload == 0:
            turn.wait(FOREVER)
        request.log(f"line of {request.payload}")
        turn.set()
        return 1

    machine = machine_of({"M": {"Type": "Map", "ItemProcessor": {"T": task()}}})
    with closing(world):
        world.wait(world.start(machine, execution_of(given=[0, 1]), kept, AnsweredBy({"T": Handler(handle)})), FOREVER)
    assert kept.lines == ["line of 0", "line of 1"]


class Lines(EventList):
    """Keeps what handlers print."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def note(self, note: Note) -> None:
        self.lines.append(note.details["text"])


@pytest.mark.parametrize("parallel", [True, False])
def test_a_stop_is_heard_while_the_clock_waits_for_a_handler(parallel: bool) -> None:
    world, released = World("virtual", parallel=parallel), threading.Event()
    hosted: list[Hosted] = []

    def handle(request: Request) -> bool:
        world.stop(hosted[0], Stopped("Why"))
        return released.wait(FOREVER)

    answerer = AnsweredBy({"T": Handler(handle, FOREVER)})
    with closing(world):
        hosted.append(world.start(machine_of({"T": task()}), execution_of(), NullJournal(), answerer))
        outcome = world.wait(hosted[0], FOREVER)
    released.set()
    assert (outcome.status, outcome.error) == ("ABORTED", "Why")


def test_a_bug_in_a_handler_ends_its_execution_alone() -> None:
    world = World("virtual", parallel=True)

    def bug(request: Request) -> int:
        if request.context["Execution"]["Name"] == "bug":
            raise ZeroDivisionError("ours")
        return 1

    machine, answerer = machine_of({"T": task()}), AnsweredBy({"T": Handler(bug)})
    with closing(world):
        hosted = {name: world.start(machine, execution_of(name), NullJournal(), answerer) for name in ("bug", "good")}
        world.run()
        assert world.wait(hosted["good"]).status == "SUCCEEDED"
        with pytest.raises(ZeroDivisionError, match="ours"):
            world.wait(hosted["bug"])


def test_a_token_is_answered_while_the_clock_waits_for_its_handler() -> None:
    """A worker that is quicker than the handler that gave it the token."""
    world, kept = World("virtual", parallel=True), EventList()
    answered = threading.Event()

    def submit(request: Request) -> Any:
        assert request.token is not None
        world.answer(request.token, Succeeded(Payload("early")))
        answered.set()
        return PENDING

    machine = machine_of({"A": {"Type": "Task", "Resource": CALLBACK, "Parameters": {}}})
    with closing(world):
        outcome = world.wait(world.start(machine, execution_of(), kept, AnsweredBy({"A": Handler(submit)})), FOREVER)
    assert outcome.output is not None
    assert outcome.output.value == "early"
    assert [event.type for event in kept.events][-4:-2] == ["TaskSubmitted", "TaskSucceeded"]
