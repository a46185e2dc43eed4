"""What happened is on disk before a handler is called or anything is waited for because of it: the files are read."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from driving import CALLBACK, FOREVER, START, AnsweredBy, execution_of, machine_of, task

from sfnrun import PENDING, Request
from sfnrun.effects import Handler, Resumed, Stopped
from sfnrun.history.file import HistoryFile
from sfnrun.world.hosted import Hosted
from sfnrun.world.world import World

MACHINE = machine_of(
    {
        "M": {"Type": "Map", "ItemProcessor": {"T": {**task(), "Next": "W"}, "W": {"Type": "Wait", "Seconds": 0}}},
    }
)
COUNT = 200


def lines_of(path: Path) -> list[dict[str, Any]]:
    """What is in the file now; the first line is the start."""
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


class Files:
    """The files of many executions, and what is missing in one when somebody looks into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.looked = 0
        self.missing: list[str] = []

    def journal(self, name: str, start: int) -> HistoryFile:
        return HistoryFile(self.folder / f"{name}.jsonl", {"start_time": start})

    def expect(self, name: str, event: str, fiber: str) -> None:
        self.looked += 1
        lines = lines_of(self.folder / f"{name}.jsonl")
        if not any(line.get("event") == event and line.get("fiber", "") == fiber for line in lines):
            self.missing.append(f"{name}: {event} of {fiber}")


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("parallel", [False, True])
def test_before_a_handler_is_called(clock: Any, parallel: bool, tmp_path: Path) -> None:
    """The Task's own TaskScheduled, and the Started that came before the call."""
    if clock == "real" and parallel:
        pytest.skip("the real clock is always parallel")
    world, files = World(clock, parallel=parallel), Files(tmp_path)

    def handle(request: Request) -> int:
        fiber = request.key.rpartition(":")[0]
        for event in ("LambdaFunctionScheduled", "LambdaFunctionStarted"):
            files.expect(request.context["Execution"]["Name"], event, fiber)
        return 1

    answerer, start = AnsweredBy({"T": Handler(handle)}), world.now or START
    journals = [files.journal(f"e{number}", start) for number in range(COUNT)]
    with closing(world):
        hosted = [
            world.start(MACHINE, execution_of(f"e{number}", [1, 2], start), journal, answerer)
            for number, journal in enumerate(journals)
        ]
        for one in hosted:
            assert world.wait(one, FOREVER).status == "SUCCEEDED"
    for journal in journals:
        journal.close()
    assert (files.looked, files.missing) == (COUNT * 4, [])


def test_before_anything_is_waited_for(tmp_path: Path) -> None:
    """All executions wait for their tokens; another thread finds that in every file."""
    world, files = World("real"), Files(tmp_path)
    machine = machine_of({"A": {"Type": "Task", "Resource": CALLBACK, "Parameters": {}}})
    answerer, start = AnsweredBy({"A": Handler(lambda request: PENDING)}), world.now
    journals = [files.journal(f"e{number}", start) for number in range(COUNT)]
    hosted = [
        world.start(machine, execution_of(f"e{number}", start_time=start), journal, answerer)
        for number, journal in enumerate(journals)
    ]

    def look() -> None:
        if len(world.tokens) < COUNT or world._loop.calls.workers or any(not token.ready for token in opened()):
            world.call_at(world.now + 5, look)
            return
        world.call_at(world.now + 300, check)  # there was a wait in between

    def opened() -> list[Any]:
        return list(world._loop.tokens.open.values())

    def check() -> None:
        for number in range(COUNT):
            files.expect(f"e{number}", "TaskSubmitted", "")
        for one in hosted:
            world.stop(one, Stopped())

    world.call_at(start, look)
    with closing(world):
        for one in hosted:
            assert world.wait(one, FOREVER).status == "ABORTED"
    for journal in journals:
        journal.close()
    assert (files.looked, files.missing) == (COUNT, [])


def test_before_anybody_hears_of_an_end(tmp_path: Path) -> None:
    world, files = World("virtual"), Files(tmp_path)

    def end(hosted: Hosted) -> None:
        files.expect(hosted.run.execution.name, "ExecutionSucceeded", "")

    answerer = AnsweredBy({"T": Handler(lambda request: 1)})
    journals = [files.journal(f"e{number}", START) for number in range(20)]
    for number, journal in enumerate(journals):
        world.start(MACHINE, execution_of(f"e{number}", [1]), journal, answerer, on_end=end)
    world.run()
    for journal in journals:
        journal.close()
    assert (files.looked, files.missing) == (20, [])


def test_before_a_person_sees_a_state(tmp_path: Path) -> None:
    world, files = World("virtual"), Files(tmp_path)
    machine = machine_of({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass"}})
    seen: list[list[str]] = []

    def step(pause: Any) -> Resumed:
        seen.append([line["event"] for line in lines_of(tmp_path / "e.jsonl") if "event" in line])
        return Resumed()

    journal = files.journal("e", START)
    with closing(journal):
        world.wait(world.start(machine, execution_of(), journal, AnsweredBy({}), step=step, stepping=True))
    assert seen == [["ExecutionStarted"], ["ExecutionStarted", "PassStateEntered", "PassStateExited"]]


def test_a_virtual_jump_writes_nothing(tmp_path: Path) -> None:
    """Time that passes by itself loses nothing: a resumed execution passes it again."""
    world, files = World("virtual"), Files(tmp_path)
    sizes: list[int] = []
    journal = files.journal("e", START)
    machine = machine_of({"V": {"Type": "Wait", "Seconds": 9, "Next": "W"}, "W": {"Type": "Wait", "Seconds": 9}})
    world.call_at(START + 15_000, lambda: sizes.append(len(lines_of(tmp_path / "e.jsonl"))))
    with closing(journal):
        world.wait(world.start(machine, execution_of(), journal, AnsweredBy({})))
    assert sizes == [0]
