"""Kills the process that runs an execution, again and again, and resumes it until its end; run it for many kills:

    python tests/crash.py --kills 500 --seed 1

A kill comes from outside after a random time, or in the middle of writing, when a part of a line is on the disk. After
each one the history has to be valid; in the end the output, the Tasks that were completed and the events have to be
those of an execution that was left alone, and no Task may have been begun after its answer was on the disk.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sfnrun
from sfnrun import Reply, Request, TaskFailed
from sfnrun.history.file import HistoryFile
from sfnrun.history.recording import read

__all__ = ["Case", "main"]

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"


def task(name: str, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": LAMBDA + name, **fields}


def ended(name: str, **fields: Any) -> dict[str, Any]:
    return task(name, End=True, **fields)


AGAIN = [{"ErrorEquals": ["Shaky"], "IntervalSeconds": 1, "MaxAttempts": 4, "JitterStrategy": "FULL"}]

MACHINE = {
    "StartAt": "Prepare",
    "States": {
        "Prepare": task("prepare", Retry=AGAIN, Assign={"count.$": "States.ArrayLength($.items)"}, Next="Each"),
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "MaxConcurrency": 3,
            "ItemProcessor": {
                "StartAt": "Work",
                "States": {
                    "Work": task("work", Retry=AGAIN, Next="Rest"),
                    "Rest": {"Type": "Wait", "Seconds": 1, "Next": "Check"},
                    "Check": {
                        "Type": "Choice",
                        "Choices": [{"Variable": "$.n", "NumericLessThan": 2, "Next": "Twice"}],
                        "Default": "Once",
                    },
                    "Once": {"Type": "Pass", "End": True},
                    "Twice": {
                        "Type": "Parallel",
                        "Branches": [
                            {"StartAt": "Left", "States": {"Left": ended("left", Retry=AGAIN)}},
                            {"StartAt": "Right", "States": {"Right": ended("right")}},
                        ],
                        "End": True,
                    },
                },
            },
            "ResultPath": "$.worked",
            "Next": "Risk",
        },
        "Risk": task("fail", Catch=[{"ErrorEquals": ["Broken"], "ResultPath": "$.broken", "Next": "Close"}], End=True),
        "Close": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "Inner",
                    "States": {
                        "Inner": {
                            "Type": "Map",
                            "ItemsPath": "$.items",
                            "ItemProcessor": {"StartAt": "Deep", "States": {"Deep": ended("deep")}},
                            "End": True,
                        }
                    },
                },
                {"StartAt": "Pause", "States": {"Pause": {"Type": "Wait", "Seconds": 2, "End": True}}},
            ],
            "End": True,
        },
    },
}
INPUT = {"items": [{"n": n} for n in range(6)], "text": "x" * 400}


class World:
    """Answers by the request alone; what it was asked is kept in a file, which outlives its process."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __call__(self, request: Request) -> Reply:
        with open(self.log, "a") as file:
            file.write(f"{request.key} {request.id}\n")
        time.sleep(0.0005)
        request.log(f"working on {request.state}")
        if request.state == "Risk":
            raise TaskFailed("Broken", "as planned")
        if request.attempt < (hash_of(request.key) % 3 if request.state in ("Work", "Prepare", "Left") else 0):
            raise TaskFailed("Shaky", "try again")
        return Reply(request.payload, duration_ms=hash_of(request.key) % 1500)


def hash_of(key: str) -> int:
    """The same for all attempts of a visit, which differ in the count at the end of the key."""
    return sum(map(ord, key.rpartition(":")[0]))


class Case:
    """One execution that is killed until it has ended."""

    def __init__(self, folder: Path, number: int, chance: random.Random, clock: str) -> None:
        self.chance = chance
        self.clock = clock
        self.name = f"case-{number}"
        self.history = folder / f"{self.name}.jsonl"
        self.log = folder / f"{self.name}.log"
        self.log.touch()
        self.kills = 0
        self.answered: set[str] = set()

    def run(self, most: int) -> None:
        """Kill it at most so many times, and go on with it each time."""
        while not (self.history.exists() and self._complete()):
            before = len(self.log.read_text().splitlines())
            if self.kills < most:
                self.kills += self._killed()
            else:
                self._forked(lambda: None, None)
                assert self._complete(), "nobody killed it, and it has no end"
            begun = [line.split()[0] for line in self.log.read_text().splitlines()[before:]]
            assert self.answered.isdisjoint(begun), f"completed, and begun again: {self.answered & set(begun)}"
            self._check_history()

    def _complete(self) -> bool:
        return bool(self.history.read_bytes()) and read(self.history).complete

    def _check_history(self) -> None:
        if not self.history.exists() or not self.history.read_bytes().count(b"\n"):
            self.history.unlink(missing_ok=True)  # it died before it had begun
            return
        recording = read(self.history)
        events = sfnrun.replay(recording.path).events
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        assert all(event["previousEventId"] < event["id"] for event in events)
        ends = ("Succeeded", "Failed", "TimedOut")
        now = {line["key"] for line in recording.of_kind("answer") if line["answer"] in ends}
        assert now >= self.answered, "an answer was lost"
        self.answered = now

    def _killed(self) -> int:
        """Let a process go on with it and kill it; 0 if it had ended before."""
        if self.chance.random() < 0.5:
            write, part = self.chance.randrange(40), self.chance.random()
            return self._forked(lambda: die_in_write(write, part), None)
        return self._forked(lambda: None, self.chance.uniform(0, 0.03 if self.clock == "virtual" else 0.6))

    def _forked(self, prepare: Callable[[], None], kill_after: float | None) -> int:
        child = os.fork()
        if child == 0:
            try:
                prepare()
                self._go_on()
            finally:
                os._exit(0)
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return int(os.WIFSIGNALED(status))

    def _go_on(self) -> None:
        world = World(self.log)
        if self.history.exists():
            sfnrun.resume(self.history, tasks=world)
        else:
            sfnrun.run(MACHINE, INPUT, tasks=world, store=self.history.parent, name=self.name, clock=self.clock, seed=1)

    def told(self) -> tuple[Any, ...]:
        """What must be as in an execution that was left alone; times and order are the world's under the real clock."""
        result = sfnrun.replay(self.history)
        recording = read(self.history)
        if self.clock == "virtual":
            lines = [line for line in recording.lines if line.get("note") not in ("resumed", "log")]
            return result.output, self.answered, lines
        kinds = Counter((line["event"], line.get("fiber"), line.get("name")) for line in recording.of_kind("event"))
        return result.output, self.answered, kinds


def die_in_write(number: int, part: float) -> None:
    """Have this process killed when it writes to a history for the n-th time, with a part of it on the disk."""
    write, count = HistoryFile._write, 0

    def dying(history: HistoryFile, lines: bytes) -> None:
        nonlocal count
        count += 1
        if count > number:
            os.write(history._file.fileno(), lines[: int(part * len(lines))])
            os.kill(os.getpid(), signal.SIGKILL)
        write(history, lines)

    HistoryFile._write = dying  # type: ignore[method-assign]


def main(kills: int, seed: int, clocks: tuple[str, ...] = (*["virtual"] * 7, "real")) -> int:
    """Kill so many times in all; return how many executions it took. Raises AssertionError."""
    chance, left, cases = random.Random(seed), kills, 0
    sfnrun.run(MACHINE, INPUT, tasks=World(Path(os.devnull)), seed=1)  # what is imported now, no child has to
    assert threading.active_count() == 1, "a process that forks has one thread"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = {}
        for clock in sorted(set(clocks)):
            undisturbed = Case(folder, -len(alone) - 1, chance, clock)
            undisturbed.run(0)
            alone[clock] = undisturbed.told()
        while left > 0:
            clock = clocks[cases % len(clocks)]
            case = Case(folder, cases, chance, clock)
            case.run(min(left, 12))
            assert case.told() == alone[clock], f"{case.name} went another way"
            left -= case.kills
            cases += 1
    return cases


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    cases = main(options.kills, options.seed)
    print(f"{options.kills} kills in {cases} executions, none lost anything, in {time.perf_counter() - began:.0f} s")
    sys.exit(0)
