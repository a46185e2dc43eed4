"""Who turns a World, and how long it stays with one execution: slices, threads, and people who step."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import pytest
from driving import CALLBACK, FOREVER, START, AnsweredBy, FakeTime, execution_of, machine_of, task
from msgspec.structs import astuple

from sfnrun import PENDING, Request
from sfnrun.effects import Handler, Resumed, Stopped, Succeeded
from sfnrun.engine.execution import LIMITS
from sfnrun.engine.run import Outcome, interpret
from sfnrun.errors import ApiError, UsageError
from sfnrun.history.journal import EventList, NullJournal
from sfnrun.payload import Payload
from sfnrun.replayer.recorded import ReplayDriver
from sfnrun.world.run_loop import SLICE
from sfnrun.world.world import World

WAIT = machine_of({"W": {"Type": "Wait", "Seconds": 60}})
TOKEN = machine_of({"A": {"Type": "Task", "Resource": CALLBACK, "Parameters": {}}})


def pending(request: Request) -> Any:
    return PENDING


def test_a_long_execution_makes_no_other_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the real clock an execution goes on in slices, and the timers of others come in between."""
    FakeTime().install(monkeypatch)
    world = World("real", threads=False)
    heavy = EventList()
    machine = machine_of({"M": {"Type": "Map", "MaxConcurrency": 1000, "ItemProcessor": {"A": {"Type": "Pass"}}}})
    big = world.start(machine, execution_of("big", list(range(5000)), world.now), heavy, AnsweredBy({}))
    seen: list[int] = []
    world.call_at(world.now, lambda: seen.append(len(heavy.events)))
    assert world.wait(big).status == "SUCCEEDED"
    assert len(heavy.events) > 5 * SLICE
    assert seen
    assert seen[0] < 3 * SLICE


def test_an_answer_waits_for_an_execution_in_the_middle_of_its_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded in between it would be at a time and a place where no replay delivers it."""
    monkeypatch.setattr("sfnrun.world.run_loop.SLICE", 10)
    FakeTime(tick=0.0007).install(monkeypatch)
    world = World("real", threads=False)
    branches = [
        {
            f"W{n}": {"Type": "Wait", "Seconds": 1, "Next": f"M{n}"},
            f"M{n}": {
                "Type": "Map",
                "ItemProcessor": {f"A{n}": {"Type": "Pass", "Next": f"B{n}"}, f"B{n}": {"Type": "Pass"}},
            },
        }
        for n in range(3)
    ]
    machine = machine_of({"P": {"Type": "Parallel", "Branches": branches}})
    execution = execution_of("e", list(range(40)), world.now)
    diary, again = Diary(), Diary()
    outcome = world.wait(world.start(machine, execution, diary, AnsweredBy({})))
    start = execution.start_time
    lines = [
        {"answer": type(answer).__name__, "at": at - start, "key": key, **answer._asdict()}
        for at, key, answer in diary.answers
    ]
    replayed = interpret(machine, execution, ReplayDriver(lines, start), again, LIMITS)
    assert (replayed.status, replayed.at) == (outcome.status, outcome.at) == ("SUCCEEDED", diary.events[-1].at)
    assert [event[:5] for event in map(astuple, again.events)] == [event[:5] for event in map(astuple, diary.events)]


class Diary(EventList):
    """Keeps answers too."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Any] = []

    def answer(self, answered: Any) -> None:
        self.answers.append(answered)


# --- threads ---


def test_threads_that_wait_for_their_own_executions() -> None:
    """Nobody turns the World but they: one leads, the others follow, and take over when it has what it wants."""
    world = World("real")
    meet = threading.Barrier(8)
    machine = machine_of({"T": task()})
    answerer = AnsweredBy({"T": Handler(lambda request: meet.wait(FOREVER) >= 0)})
    outcomes: list[Outcome] = []

    def run(name: str) -> None:
        hosted = world.start(machine, execution_of(name, start_time=world.now), NullJournal(), answerer)
        outcomes.append(world.wait(hosted, FOREVER))

    threads = [threading.Thread(target=run, args=(f"e{n}",)) for n in range(8)]
    with closing(world):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [outcome.status for outcome in outcomes] == ["SUCCEEDED"] * 8


def test_waiting_ends_when_the_time_is_over() -> None:
    world = World("real")
    hosted = world.start(WAIT, execution_of(start_time=world.now), NullJournal(), AnsweredBy({}))
    with pytest.raises(TimeoutError, match=r"has not ended in 0\.01 seconds"):
        world.wait(hosted, 0.01)
    world.stop(hosted, Stopped())
    assert world.wait(hosted, FOREVER).status == "ABORTED"


@pytest.mark.parametrize("time_limit", [None, FOREVER])
def test_a_handler_cannot_wait_for_its_own_world(time_limit: float | None) -> None:
    """Inline it is the World's own thread; on a thread of its own, the World waits for it."""
    world = World("virtual")
    refused: list[str] = []

    def wait(request: Request) -> int:
        other = world.start(WAIT, execution_of("other"), NullJournal(), AnsweredBy({}))
        for call in (lambda: world.wait(other), world.run):
            with pytest.raises(UsageError) as caught:
                call()
            refused.append(caught.value.message)
        return 1

    answerer = AnsweredBy({"T": Handler(wait, time_limit)})
    hosted = world.start(machine_of({"T": task()}), execution_of(), NullJournal(), answerer)
    assert world.wait(hosted).status == "SUCCEEDED"
    assert refused == ["cannot wait for an execution inside a handler"] * 2


def test_a_handler_can_wait_for_another_execution_under_the_real_clock() -> None:
    world = World("real")
    inner = machine_of({"P": {"Type": "Pass"}})

    def nested(request: Request) -> str:
        other = world.start(inner, execution_of("other", start_time=world.now), NullJournal(), AnsweredBy({}))
        return world.wait(other, FOREVER).status

    hosted = world.start(
        machine_of({"T": task()}), execution_of(start_time=world.now), NullJournal(), AnsweredBy({"T": Handler(nested)})
    )
    with closing(world):
        outcome = world.wait(hosted, FOREVER)
    assert outcome.output is not None
    assert outcome.output.value == "SUCCEEDED"


@pytest.mark.parametrize("how", ["hold", "listen"])
def test_an_answer_of_another_thread_under_a_virtual_clock(how: str) -> None:
    """A clock that is held stands, though a timeout is next; one that listens waits when nothing is left to do."""
    world = World("virtual")
    fields = {"TimeoutSeconds": 5} if how == "hold" else {}
    machine = machine_of({"A": {"Type": "Task", "Resource": CALLBACK, "Parameters": {}, **fields}})
    asked = threading.Event()

    def submit(request: Request) -> Any:
        asked.set()
        return PENDING

    hosted = world.start(machine, execution_of(), NullJournal(), AnsweredBy({"A": Handler(submit)}))

    def worker() -> None:
        with getattr(world, how)():
            begun.set()
            asked.wait(FOREVER)
            world.answer(world.tokens[0].token, Succeeded(Payload(5)))
            done.wait(FOREVER)

    begun, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=worker)
    thread.start()
    begun.wait(FOREVER)
    outcome = world.wait(hosted, FOREVER)
    done.set()
    thread.join()
    assert (outcome.status, outcome.at) == ("SUCCEEDED", START)


def test_of_two_threads_that_answer_at_once_one_is_refused() -> None:
    world = World("virtual")
    hosted = world.start(TOKEN, execution_of(), NullJournal(), AnsweredBy({"A": Handler(pending)}))
    world.run()
    (token,) = world.tokens
    meet, codes = threading.Barrier(2), []

    def answer(value: int) -> None:
        meet.wait(FOREVER)
        try:
            world.answer(token.token, Succeeded(Payload(value)))
        except ApiError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=answer, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["TaskTimedOut"]
    assert world.wait(hosted).status == "SUCCEEDED"


# --- stepping ---


def test_a_pause_that_is_answered_from_outside_holds_a_virtual_clock() -> None:
    world, kept = World("virtual"), EventList()
    machine = machine_of({"W": {"Type": "Wait", "Seconds": 5, "Next": "P"}, "P": {"Type": "Pass"}})
    hosted = world.start(machine, execution_of(), kept, AnsweredBy({}), step=None, stepping=True)
    other = world.start(WAIT, execution_of("other"), NullJournal(), AnsweredBy({}))

    def person() -> None:
        for _ in range(2):
            while not (keys := [key for key in hosted.open if key.startswith(":")]) or keys[-1] in answered:
                asking.wait(0.001)
            answered.append(keys[-1])
            world.post(world.settle, hosted, keys[-1], Resumed())

    answered: list[str] = []
    asking = threading.Event()
    thread = threading.Thread(target=person)
    thread.start()
    assert world.wait(hosted, FOREVER).status == "SUCCEEDED"
    thread.join()
    assert not other.done
    assert [event.at - START for event in kept.events if "Entered" in event.type] == [0, 5000]
