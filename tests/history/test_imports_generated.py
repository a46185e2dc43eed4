"""Machines that nobody would write, run here and imported as if AWS had: they come back as they went, and replay.

AWS runs branches at once, so events that happen at the same time are shuffled first, as far as one did not cause the
other; what speaks of an event by its number is told the new one.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machines import Sample, samples
from running import run

import sfnrun
from sfnrun.api.imported import import_execution
from sfnrun.errors import WaitingError
from sfnrun.history.aws.events import aws_document
from sfnrun.history.recording import Recording, read

NUMBERED = re.compile(r"(entered at the event id #)(\d+)")


GENERATED = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@GENERATED
@given(samples(), st.integers(0, 1000))
def test_generated_histories(sample: Sample, shuffle: int) -> None:
    check(sample, shuffle)


@GENERATED
@given(samples().filter(lambda sample: sample.options["type"] == "STANDARD"))
def test_generated_histories_of_what_was_redriven(sample: Sample) -> None:
    check(sample, shuffle=None, redrives=2)


def check(sample: Sample, shuffle: int | None, redrives: int = 0) -> None:
    """Run, redrive what can be, shuffle if so wished, import, export, replay."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ours.jsonl"
        with suppress(WaitingError):
            run(sample.definition, sample.input, tasks=sample.world(), store=folder, name="ours", **sample.options)
        result = sfnrun.replay(path)
        while redrives and result.status not in ("SUCCEEDED", "RUNNING"):
            with suppress(WaitingError):
                sfnrun.redrive(path, tasks=sample.world())
            result = sfnrun.replay(path)
            redrives -= 1
        ours = read(path)
        document = aws_document(ours) if shuffle is None else shuffled(ours, random.Random(shuffle))
        document = json.loads(json.dumps(document))
        described = {"executionArn": result.arn, "name": "ours"}
        recording = read(import_execution([document, described], sample.definition, folder, name="theirs"))
        assert aws_document(recording) == document
        replayed = sfnrun.replay(recording.path)
        assert (replayed.status, replayed.error) == (result.status, result.error)
        assert replayed.event_count == result.event_count


def shuffled(recording: Recording, chance: random.Random) -> dict[str, Any]:
    events = aws_document(recording)["events"]
    fibers = [line.get("fiber", "") for line in recording.of_kind("event")]
    order = another_order(events, fibers, chance)
    numbers = {old: new for new, old in enumerate([0, *(events[place]["id"] for place in order)])}
    text = json.dumps([events[place] for place in order])
    renumbered = json.loads(NUMBERED.sub(lambda found: f"{found[1]}{numbers[int(found[2])]}", text))
    for event in renumbered:
        event["id"], event["previousEventId"] = numbers[event["id"]], numbers[event["previousEventId"]]
    return {"events": renumbered}


def another_order(events: list[dict[str, Any]], fibers: list[str], chance: random.Random) -> list[int]:
    """Places of the events in an order in which they could have happened as well, times going on."""
    before = causes(events, fibers)
    left, order = set(range(len(events))), []
    while left:
        now = min(events[place]["timestamp"] for place in left)
        ready = [p for p in left if events[p]["timestamp"] == now and not before[p] & left]
        order.append(chance.choice(sorted(ready)))
        left.discard(order[-1])
    return order


def causes(events: list[dict[str, Any]], fibers: list[str]) -> dict[int, set[int]]:
    """What must have happened before each event: what it points to, its own branch, and for a join all branches."""
    before: dict[int, set[int]] = defaultdict(set)
    for place, (event, fiber) in enumerate(zip(events, fibers, strict=True)):
        if event["previousEventId"]:
            before[place].add(event["previousEventId"] - 1)
        for other in range(place):
            theirs = fibers[other]
            own = theirs == fiber or theirs.startswith(f"{fiber}/") or not fiber
            around = fiber.startswith(f"{theirs}/") or not theirs
            # Failures end everything beside them, so what was told by then was told before.
            ended = "Abort" in event["type"] or event["type"].endswith(("IterationFailed", "StateFailed"))
            if own or around or ended:
                before[place].add(other)
    return before
