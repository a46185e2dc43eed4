"""What outliving its process costs an execution; run it: `python tests/bench/durable.py`.

A replay against the run that it replays, what a history takes of a run's time and of the disk, how long an execution of
20,000 events takes to be resumed, and a list of 10,000 executions to be shown by the command line.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import TASK, answer, counter, mapped

import sfnrun
from sfnrun.history.recording import read


def best(*works: Callable[[], object], times: int = 3) -> list[float]:
    """Seconds of the fastest of a few, of each; they take turns, so a slow moment of the machine is everybody's."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for work, seconds in zip(works, taken, strict=True):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return [min(seconds) for seconds in taken]


def told(what: str, figure: float, target: float, unit: str) -> None:
    """One line: the figure, and what it should not exceed."""
    print(f"{what:52}{figure:10.2f} {unit:8} target {target:g}{'' if figure <= target else '  MISSED'}", flush=True)


def main() -> None:
    """Measure everything in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        against_runs(folder)
        resumed(folder)
        listed(folder)


def against_runs(folder: Path) -> None:
    """Replays and histories, for a machine that only counts and one that only asks."""
    machines: tuple[tuple[str, Any, Any], ...] = (
        ("20,000 states", counter(10_000), {"n": 0}),
        ("1,000 tasks", mapped(TASK), list(range(1000))),
    )
    for what, definition, input in machines:
        options: dict[str, Any] = {"tasks": answer, "limits": False, "seed": 1}
        number = iter(range(100))

        def recorded() -> Path:
            result = sfnrun.run(definition, input, store=folder, name=f"{what.split()[1]}-{next(number)}", **options)  # noqa: B023
            assert result.history is not None
            return result.history

        path = recorded()
        run, replay, bare = best(
            recorded,
            lambda: sfnrun.replay(path),  # noqa: B023
            lambda: sfnrun.run(definition, input, **options),  # noqa: B023
            times=9,
        )
        told(f"replay of {what}, of the time of the run", replay / run, 1, "")
        told(f"history of {what}, of the time of the run", (run - bare) / run, 0.3, "")
        data = sum(len(str(line.get(name) or "")) for line in read(path).lines for name in ("input", "output"))
        events = sum(1 for _ in read(path).of_kind("event"))
        told(f"history of {what}, beside the data", (path.stat().st_size - data) / events, 400, "B/event")


def resumed(folder: Path) -> None:
    """An execution of 20,000 events that was killed near its end."""
    result = sfnrun.run(counter(5_000), {"n": 0}, limits=False, store=folder, name="killed", seed=1)
    assert result.history is not None
    whole = result.history.read_bytes().splitlines(keepends=True)

    def again() -> None:
        path = folder / "killed.jsonl"
        path.write_bytes(b"".join(whole[:-20]))
        assert sfnrun.resume(path).status == "SUCCEEDED"

    told(f"resume of {result.event_count:,} events", best(again)[0], 1, "s")


def listed(folder: Path) -> None:
    """Ten thousand executions, listed for the first time and again."""
    many = folder / "many"
    machine = sfnrun.load({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    for number in range(10_000):
        sfnrun.run(machine, store=many, name=f"e{number}", seed=1, keep_events=False)
    command = [sys.executable, "-m", "sfnrun", "trace", "list", "--history", str(many)]
    for what in ("first time", "again"):
        times = 1 if what != "again" else 3
        (seconds,) = best(lambda: subprocess.run(command, check=True, capture_output=True), times=times)
        told(f"trace list of 10,000 executions, {what}", seconds, 0.5, "s")


if __name__ == "__main__":
    main()
