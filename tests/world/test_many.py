"""Many executions in one World: in order, apart from each other, and none late because of another."""

from __future__ import annotations

import gc
import random
import threading
import weakref
from collections import Counter
from contextlib import closing
from functools import partial
from heapq import heappop, heappush
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from driving import CALLBACK, FOREVER, START, AnsweredBy, FakeTime, execution_of, machine_of, task

from sfnrun import PENDING, Reply, Request
from sfnrun.effects import Handler, OpenCall, Stopped, Submitted, Succeeded
from sfnrun.errors import HistoryError, UsageError, WaitingError
from sfnrun.history.file import HistoryFile
from sfnrun.history.journal import NullJournal
from sfnrun.history.recording import read
from sfnrun.payload import Payload
from sfnrun.world.hosted import Hosted
from sfnrun.world.open_calls import Gate
from sfnrun.world.world import World

MANY = machine_of(
    {
        "W": {"Type": "Wait", "SecondsPath": "$.wait", "Next": "T"},
        "T": {**task(), "ResultPath": "$.done", "Next": "C"},
        "C": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.done", "NumericGreaterThan": 50, "Next": "M"}],
            "Default": "P",
        },
        "M": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"U": task()}},
        "P": {"Type": "Pass"},
    }
)
TOKEN = machine_of({"A": {"Type": "Task", "Resource": CALLBACK, "Parameters": {}}})
WAIT = machine_of({"W": {"Type": "Wait", "Seconds": 60}})


class Busy:
    """A handler that says how long it takes, by chance that is the execution's own; how many are at work is counted."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.threads: set[int] = set()

    def __call__(self, request: Request) -> Reply:
        self.order.append(request.id)
        chance = random.Random(request.id)
        return Reply(chance.randrange(100), duration_ms=chance.randrange(3000))


def start_many(world: World, count: int, folder: Path, answerer: AnsweredBy) -> list[Hosted]:
    hosted = []
    for number in range(count):
        given = {"wait": number % 7, "items": list(range(number % 4))}
        start = world.now or START
        journal = HistoryFile(folder / f"e{number}.jsonl", {"start_time": start})
        execution = execution_of(f"e{number}", given, start, seed=7)
        hosted.append(
            world.start(MANY, execution, journal, answerer, on_end=lambda _, journal=journal: journal.close())
        )
    return hosted


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_thousand_executions_are_the_same_every_time(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        world, busy = World("virtual"), Busy()
        handler = Gate(10).around(Handler(busy))
        hosted = start_many(world, 1000, tmp_path / name, AnsweredBy({"T": handler, "U": handler}))
        world.run()
        assert Counter(one.outcome.status for one in hosted if one.outcome) == {"SUCCEEDED": 1000}
        runs.append((files_of(tmp_path / name), busy.order))
    assert runs[0] == runs[1]


def test_a_thousand_executions_under_the_real_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeTime().install(monkeypatch)
    world, busy = World("real", threads=False), Busy()
    handler = Handler(busy)
    hosted = start_many(world, 1000, tmp_path, AnsweredBy({"T": handler, "U": handler}))
    world.run()
    assert Counter(one.outcome.status for one in hosted if one.outcome) == {"SUCCEEDED": 1000}
    assert not world.executions


def test_an_execution_of_many_is_as_it_is_alone(tmp_path: Path) -> None:
    world, handler = World("virtual"), Handler(Busy())
    start_many(world, 20, tmp_path / "together", AnsweredBy({"T": handler, "U": handler}))
    world.run()
    for number in range(20):
        alone = World("virtual")
        given = {"wait": number % 7, "items": list(range(number % 4))}
        journal = HistoryFile(tmp_path / "alone" / f"e{number}.jsonl", {"start_time": START})
        with closing(journal):
            execution = execution_of(f"e{number}", given, START, seed=7)
            alone.wait(alone.start(MANY, execution, journal, AnsweredBy({"T": handler, "U": handler})))
    assert files_of(tmp_path / "together") == files_of(tmp_path / "alone")


def test_what_is_due_together_comes_in_the_order_of_asking_over_all_executions() -> None:
    world, order = World("virtual"), []

    def handle(request: Request) -> Reply:
        order.append(request.context["Execution"]["Name"])
        return Reply(1, duration_ms=10)

    machine = machine_of({"T": {**task(), "Next": "U"}, "U": task()})
    answerer = AnsweredBy({"T": Handler(handle), "U": Handler(handle)})
    for name in ("b", "c", "a"):
        world.start(machine, execution_of(name), NullJournal(), answerer)
    world.run()
    assert order == ["b", "c", "a", "b", "c", "a"]


# --- gates ---


@pytest.mark.parametrize("parallel", [False, True])
def test_a_gate_lets_no_more_than_its_limit_through(parallel: bool) -> None:
    """Under the virtual clock a call holds its place for as long as it says that it takes."""
    world, gate = World("virtual", parallel=parallel), Gate(3)
    spans: list[tuple[int, int]] = []

    def handle(request: Request) -> Reply:
        spans.append((world.now, world.now + 1000))
        return Reply(1, duration_ms=1000)

    machine = machine_of({"M": {"Type": "Map", "ItemProcessor": {"T": task()}}})
    answerer = AnsweredBy({"T": gate.around(Handler(handle))})
    hosted = [world.start(machine, execution_of(f"e{n}", [1, 2, 3]), NullJournal(), answerer) for n in range(7)]
    world.run()
    assert all(one.outcome is not None and one.outcome.status == "SUCCEEDED" for one in hosted)
    assert len(spans) == 21
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) == 3
    assert (world.now - START, gate.free, gate.waiting) == (7000, 3, 0)


def test_a_gate_under_the_real_clock() -> None:
    world, gate, lock = World("real"), Gate(3), threading.Lock()
    meet = threading.Barrier(3)
    running = most = 0

    def handle(request: Request) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meet.wait(FOREVER)  # as many as may are at work together
        with lock:
            running -= 1
        return 1

    machine = machine_of({"M": {"Type": "Map", "ItemProcessor": {"T": task()}}})
    answerer = AnsweredBy({"T": gate.around(Handler(handle))})
    hosted = [
        world.start(machine, execution_of(f"e{n}", [1, 2, 3], world.now), NullJournal(), answerer) for n in range(4)
    ]
    with closing(world):
        assert [world.wait(one, FOREVER).status for one in hosted] == ["SUCCEEDED"] * 4
    assert (most, gate.free) == (3, 3)


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_place_is_free_again_when_its_execution_is_stopped(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if clock == "real":
        FakeTime().install(monkeypatch)
    world, gate, asked = World(clock, threads=False), Gate(1), []

    def handle(request: Request) -> Reply:
        asked.append(request.context["Execution"]["Name"])
        return Reply(1, duration_ms=10_000)

    machine = machine_of({"T": task()})
    answerer = AnsweredBy({"T": gate.around(Handler(handle))})
    start = world.now or START
    hosted = [world.start(machine, execution_of(name, start_time=start), NullJournal(), answerer) for name in "abc"]
    world.call_at(start + 1000, lambda: world.stop(hosted[1], Stopped()))
    world.run()
    middle = "ABORTED" if clock == "virtual" else "SUCCEEDED"  # where a handler takes no time, it is over by then
    assert [one.outcome.status for one in hosted if one.outcome] == ["SUCCEEDED", middle, "SUCCEEDED"]
    assert asked == (["a", "c"] if clock == "virtual" else ["a", "b", "c"])
    assert (gate.free, gate.waiting) == (1, 0)


def test_waits_in_front_of_a_gate_are_those_of_a_queue_with_three_servers() -> None:
    """Against the textbook's recursion for a FIFO queue: each call begins when the first of three servers is free."""
    world, gate, chance = World("virtual"), Gate(3), random.Random(5)
    arrivals = [START + at for at in accumulate(chance.randrange(1, 900) for _ in range(500))]
    services = [chance.randrange(1, 2500) for _ in arrivals]
    begun: list[int] = []

    def handle(request: Request) -> Reply:
        begun.append(world.now)
        return Reply(1, duration_ms=services[len(begun) - 1])

    machine = machine_of({"T": task()})
    answerer = AnsweredBy({"T": gate.around(Handler(handle))})
    for number, at in enumerate(arrivals):
        execution = execution_of(f"e{number}", start_time=at)
        world.call_at(at, partial(world.start, machine, execution, NullJournal(), answerer))  # type: ignore[arg-type]
    world.run()
    free, expected = [0, 0, 0], []
    for at, service in zip(arrivals, services, strict=True):
        begin = max(at, heappop(free))
        heappush(free, begin + service)
        expected.append(begin)
    assert begun == expected
    assert sum(begin > at for begin, at in zip(begun, arrivals, strict=True)) > 100


# --- jobs, children, and who learns of an end ---


def test_jobs_that_belong_to_no_execution() -> None:
    world, happened = World("virtual"), []
    for seconds, name in [(3, "c"), (1, "a"), (2, "b"), (2, "b too")]:
        world.call_at(START + seconds * 1000, lambda name=name: happened.append((world.now - START, name)))
    cancel = world.call_at(START + 2500, lambda: happened.append((0, "cancelled")))
    cancel()
    world.run()
    assert happened == [(1000, "a"), (2000, "b"), (2000, "b too"), (3000, "c")]


def test_a_daemon_keeps_nothing_going() -> None:
    world, ticks = World("virtual"), []

    def tick() -> None:
        ticks.append(world.now - START)
        world.call_at(world.now + 10_000, tick, daemon=True)

    world.call_at(START + 10_000, tick, daemon=True)
    world.run()
    assert ticks == []
    world.wait(world.start(WAIT, execution_of(), NullJournal(), AnsweredBy({})))
    assert ticks == [10_000, 20_000, 30_000, 40_000, 50_000]
    world.run(to=START + 75_000)
    assert ticks[5:] == [60_000, 70_000]
    assert world.now == START + 75_000


def test_a_year_does_not_pass_for_a_token_but_for_whoever_lets_it() -> None:
    """The quota of AWS ends the execution when time passes all the same."""
    world = World("virtual")
    hosted = world.start(TOKEN, execution_of(), NullJournal(), AnsweredBy({"A": Handler(pending)}))
    with pytest.raises(WaitingError, match="e:A waits for a result"):
        world.wait(hosted)
    world.run()
    assert not hosted.done
    world.run(to=START + 366 * 86_400_000)
    assert hosted.outcome is not None
    assert hosted.outcome.status == "TIMED_OUT"


def pending(request: Request) -> Any:
    return PENDING


def test_executions_inside_executions_use_no_stack(tmp_path: Path) -> None:
    """A handler that starts a child, and has its parent wait for it, 400 levels deep; parents learn last."""
    world, ended = World("virtual"), []

    def nest(call: OpenCall) -> None:
        depth = call.request.payload["depth"]
        if depth == 0:
            call.answer(Succeeded(Payload(0)), after=1000)
            return
        name = f"e{depth}"
        journal = HistoryFile(tmp_path / f"{name}.jsonl", {"start_time": world.now})

        def end(child: Hosted) -> None:
            ended.append(name)
            assert read(journal.path).complete, "a parent hears of an end that is not on disk"
            journal.close()
            assert child.outcome is not None
            assert child.outcome.output is not None
            call.answer(Succeeded(Payload(child.outcome.output.value + 1)))

        child = world.start(NESTED, execution_of(name, {"depth": depth - 1}, world.now), journal, answerer, on_end=end)
        call.on_cancel(lambda: world.stop(child, Stopped()))
        call.answer(Submitted(Payload({"executionArn": name})))

    answerer = AnsweredBy({"N": Handler(pending, begin=nest)})
    parent = world.start(NESTED, execution_of("top", {"depth": 400}), NullJournal(), answerer)
    outcome = world.wait(parent)
    assert outcome.output is not None
    assert outcome.output.value == 400
    assert ended == [f"e{depth}" for depth in range(1, 401)]


CHILD = "arn:aws:states:::states:startExecution.sync:2"
NESTED = machine_of({
    "N": {"Type": "Task", "Resource": CHILD, "Parameters": {"depth.$": "$.depth", "StateMachineArn": "m"}},
})  # fmt: skip


def test_stopping_a_parent_stops_its_child() -> None:
    world = World("virtual")
    children: list[Hosted] = []

    def nest(call: OpenCall) -> None:
        child = world.start(WAIT, execution_of("child", start_time=world.now), NullJournal(), AnsweredBy({}))
        children.append(child)
        call.on_cancel(lambda: world.stop(child, Stopped("Parent", "stopped")))

    answerer = AnsweredBy({"N": Handler(pending, begin=nest)})
    parent = world.start(NESTED, execution_of("top", {"depth": 1}), NullJournal(), answerer)
    world.call_at(START + 1000, lambda: world.stop(parent, Stopped()))
    world.run()
    assert parent.outcome is not None
    assert children[0].outcome is not None
    assert (parent.outcome.status, children[0].outcome.status, children[0].outcome.error) == (
        "ABORTED",
        "ABORTED",
        "Parent",
    )


# --- errors ---


class Broken(NullJournal):
    """A journal on a disk that is full from some event on."""

    def __init__(self, events: int) -> None:
        self.left = events

    def event(self, event: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise HistoryError("disk full")


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("time_limit", [None, FOREVER])
def test_an_error_of_ours_ends_one_execution(clock: Any, time_limit: float | None) -> None:
    world, order = World(clock), []

    def bug(request: Request) -> int:
        if request.context["Execution"]["Name"] == "bug":
            raise ZeroDivisionError("ours")
        return 1

    def misbehave(hosted: Hosted) -> None:
        order.append(hosted.run.execution.name)
        raise RuntimeError("on_end")

    start = world.now or START
    machine = machine_of({"T": {**task(), "Next": "W"}, "W": {"Type": "Wait", "Seconds": 0}})
    answerer = AnsweredBy({"T": Handler(bug, time_limit)})
    seats: list[Any] = [("bug", NullJournal(), None), ("disk", Broken(3), None), ("good", NullJournal(), None)]
    seats.append(("end", NullJournal(), misbehave))
    with closing(world):
        hosted = {
            name: world.start(machine, execution_of(name, start_time=start), journal, answerer, on_end=on_end)
            for name, journal, on_end in seats
        }
        assert world.wait(hosted["good"], FOREVER).status == "SUCCEEDED"
        with pytest.raises(ZeroDivisionError, match="ours"):
            world.wait(hosted["bug"], FOREVER)
        with pytest.raises(HistoryError, match="disk full"):
            world.wait(hosted["disk"], FOREVER)
        with pytest.raises(RuntimeError, match="on_end"):
            world.wait(hosted["end"], FOREVER)
    assert order == ["end"]
    assert not world.executions


def test_a_step_that_raises_ends_its_execution() -> None:
    world = World("virtual")

    def step(pause: Any) -> Any:
        raise UsageError("no such state")

    hosted = world.start(WAIT, execution_of(), NullJournal(), AnsweredBy({}), step=step, stepping=True)
    with pytest.raises(UsageError, match="no such state"):
        world.wait(hosted)


# --- memory ---


def test_ended_executions_are_let_go_of() -> None:
    """Each leaves a deadline a year ahead: a World that runs for long drops them, and what hangs on them."""
    world = World("virtual")
    machine = machine_of({"W": {"Type": "Wait", "Seconds": 1}})
    # Its deadline is the first of all, and stays there: those behind it are not dropped by themselves.
    world.start(TOKEN, execution_of("first"), NullJournal(), AnsweredBy({"A": Handler(pending)}))
    left: list[weakref.ref[NullJournal]] = []
    for number in range(3000):
        journal = NullJournal()
        hosted = world.start(
            machine, execution_of(f"e{number}", start_time=world.now or START), journal, AnsweredBy({})
        )
        left.append(weakref.ref(journal))
        world.wait(hosted)
    del hosted, journal
    gc.collect()
    assert sum(one() is not None for one in left) < 2000
    assert len(world._loop.agenda) < 2000
    assert len(world._loop.dirty) < 10
