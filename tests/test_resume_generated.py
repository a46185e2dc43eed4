"""Generated machines, cut off at any line: what is resumed ends as what was left alone, line for line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machines import Sample, samples
from running import run

import sfnrun
from sfnrun import PENDING, Reply, Request, TaskFailed
from sfnrun.errors import WaitingError
from sfnrun.history.recording import read


class World:
    """Answers a request by its key alone, so that it answers the same whatever it was asked before."""

    def __init__(self, sample: Sample) -> None:
        self.answers = sample.answers
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request.key)
        told, duration = self.answers[crc32(request.key.encode()) % len(self.answers)]
        if "silent" in told:
            return Reply(PENDING, submitted={"key": request.key})
        if "error" in told:
            return Reply(failure=TaskFailed(told["error"], "because"), duration_ms=duration)
        return Reply(told["result"], submitted={"key": request.key}, duration_ms=duration, worker_name="w")


def lines_of(path: Path) -> list[Any]:
    """What happened, without the notes of who went on with it."""
    return [line for line in read(path).lines if line.get("note") != "resumed"]


def answered(lines: list[Any]) -> set[str]:
    return {line["key"] for line in lines if line.get("answer") in ("Succeeded", "Failed", "TimedOut")}


def cut_and_resume(path: Path, sample: Sample, at: float, torn: float) -> None:
    """Cut a history at one of its lines, with a piece of the next one left, and go on with it."""
    data = path.read_bytes().splitlines(keepends=True)
    kept = 1 + int(at * (len(data) - 1))
    rest = data[kept] if kept < len(data) else b""
    path.write_bytes(b"".join(data[:kept]) + rest[: int(torn * len(rest))])
    recording = read(path)
    if recording.complete:
        return
    world = World(sample)
    with suppress(WaitingError):
        sfnrun.resume(path, tasks=world)
    assert answered(list(recording.lines)).isdisjoint(world.asked), "what was answered was asked again"


def check(sample: Sample, at: float, torn: float, wrap: Callable[[], Any] = tempfile.TemporaryDirectory) -> None:
    options = {name: value for name, value in sample.options.items() if name != "stop_at"}
    with wrap() as folder:
        path = Path(folder) / "n.jsonl"
        with suppress(WaitingError):
            run(sample.definition, sample.input, tasks=World(sample), store=folder, name="n", **options)
        undisturbed = lines_of(path)
        cut_and_resume(path, sample, at, torn)
        assert lines_of(path) == undisturbed
        if not read(path).complete:  # it waits for a task token
            assert sfnrun.replay(path).status == "RUNNING"
            return
        assert sfnrun.replay(path).status != "RUNNING"
        if options["type"] == "STANDARD" and sfnrun.replay(path).status != "SUCCEEDED":
            with suppress(WaitingError):
                sfnrun.redrive(path, tasks=World(sample))
            redriven = lines_of(path)
            assert redriven[: len(undisturbed)] == undisturbed
            cut_and_resume(path, sample, at, torn)
            again = lines_of(path)
            assert again == (redriven if len(again) > len(undisturbed) else undisturbed)


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(samples(), st.floats(0, 1), st.floats(0, 0.9))
def test_generated_machines_are_resumed_anywhere(sample: Sample, at: float, torn: float) -> None:
    check(sample, at, torn)
