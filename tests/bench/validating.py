"""What `sfnrun validate` costs: the process as a whole, a check in a running one, many files, and hostile ones.

    python tests/bench/validating.py

Wanted: a small file in at most 1.8 times `python -c "import typer"`; a typical one in 1 ms in a running process; 1,000
states (200 KB) in 0.4 s; 1,000 files in 2 s; whatever is hostile in a second and 200 MB.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sfnrun.asl.lint.rulebook import check
from sfnrun.asl.text.source import from_text

GB = 1024**3


def machine(states: int) -> dict[str, Any]:
    """Tasks in a row, written as people write them."""
    return {
        "StartAt": "State 0",
        "States": {
            f"State {number}": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": "charge", "Payload.$": "$.order"},
                "ResultPath": "$.charged",
                **({"End": True} if number == states - 1 else {"Next": f"State {number + 1}"}),
            }
            for number in range(states)
        },
    }


def laughs() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines)


def write_hostile(folder: Path) -> list[str]:
    """Files that nobody should write, by what they are."""
    with (folder / "1 GB.asl.json").open("wb") as file:
        file.truncate(GB)
    (folder / "binary.asl.json").write_bytes(os.urandom(3_000_000))
    (folder / "deep.asl.json").write_text('{"StartAt": ' + "[" * 500_000)
    (folder / "deep.asl.yaml").write_text("a: " + "[" * 500_000)
    (folder / "laughs.asl.yaml").write_text(laughs())
    states = ", ".join(f'"S{n}": {{"Type": "Pass", "Nxt": "S{n + 1}"}}' for n in range(10_000))
    (folder / "10,000 problems.asl.json").write_text(f'{{"StartAt": "S0", "States": {{{states}}}}}')
    (folder / "one line of 1 MB.asl.json").write_text(
        '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "' + "x" * 1_040_000 + '", "Nxt": 1}}}'
    )
    return sorted(path.name for path in folder.iterdir())


def process(*arguments: str, folder: Path, times: int = 5) -> tuple[float, int]:
    """Milliseconds of the best of some runs, and the exit code."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    best, code = float("inf"), 0
    for _ in range(times):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, check=False
        )
        best = min(best, (time.perf_counter() - began) * 1000)
        code = done.returncode
    return best, code


def in_process(work: Callable[[], object], times: int = 50) -> float:
    work()
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best * 1000


def told(name: str, took: float, wanted: float, unit: str = "ms") -> None:
    print(f"{name:52}{took:9.2f} {unit}   wanted {wanted:g} {unit}{'' if took <= wanted else '   MISSED'}")


def main() -> None:
    validate = ("-m", "sfnrun", "validate")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "small.asl.json").write_text(json.dumps(machine(5), indent=2))
        (folder / "large.asl.json").write_text(json.dumps(machine(1000)))
        broken = machine(5)
        broken["States"]["State 2"]["Next"] = "Nowhere"
        (folder / "broken.asl.json").write_text(json.dumps(broken, indent=2))

        for label, file in (("small file", "small.asl.json"), ("small file with a problem", "broken.asl.json")):
            # In turns, so that both meet the same weather.
            pairs = [
                (
                    process("-c", "import typer", folder=folder, times=1)[0],
                    process(*validate, file, folder=folder, times=1)[0],
                )
                for _ in range(10)
            ]
            base, took = (min(times) for times in zip(*pairs, strict=True))
            told(f"{label}: {took:.0f} ms, import typer: {base:.0f} ms", took / base, 1.8, "x ")
        size = (folder / "large.asl.json").stat().st_size // 1000
        took, _ = process(*validate, "large.asl.json", folder=folder)
        told(f"1,000 states, {size} KB, whole process", took, 400)

        small = (folder / "small.asl.json").read_text()
        told("typical file, in process", in_process(lambda: check(from_text(small))), 1)

        many = folder / "many"
        many.mkdir()
        for number in range(1000):
            (many / f"{number}.asl.json").write_text(json.dumps(machine(5 + number % 7), indent=2) + "\n" * number)
        took, _ = process(*validate, "many", folder=folder, times=1)
        told("1,000 files", took, 2000)

        hostile = folder / "hostile"
        hostile.mkdir()
        for file in write_hostile(hostile):
            took, code = process(*validate, file, folder=hostile, times=2)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # the highest so far
            told(f"hostile: {file} (exit {code}, {peak:.0f} MB)", took, 1000)
        told("the most memory that any of these took", peak, 200, "MB")


if __name__ == "__main__":
    main()
