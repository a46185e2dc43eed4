"""Measure execution environments: `python tests/bench/functions.py`.

Each figure stands beside its target; figures are the best of several rounds, because other work only slows them down.
With awslambdaric installed, its round trip is measured beside ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sfnrun
from sfnrun.config import Settings
from sfnrun.tasks.lambdas.environments import Environments
from sfnrun.tasks.lambdas.find import FunctionFolder
from sfnrun.tasks.lambdas.process_runtime import ProcessRuntime
from sfnrun.tasks.lambdas.runtime import Function, Invocation

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
ID = "12345678-1234-4234-a234-123456789012"
ECHO = "def handler(event, context): return event\n"
PIDS = "import os, time\ndef handler(event, context):\n    time.sleep(event)\n    return os.getpid()\n"


# As after an installation: the bytecode of sfnrun is there.
ENV = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def show(name: str, figure: float, target: float, unit: str, *, at_least: bool = False) -> None:
    """Print a figure and whether it meets its target."""
    meets = figure >= target if at_least else figure <= target
    print(
        f"{name:52}{figure:10.2f} {'>=' if at_least else '<='} {target:8.2f} {unit:8} {'' if meets else 'OVER'}",
        flush=True,
    )


def function(folder: Path, text: str, environments: Environments) -> ProcessRuntime:
    (folder / "f.py").write_text(text)
    code = FunctionFolder(folder).find("f")
    assert code is not None
    return ProcessRuntime(Function("f", code, timeout=60), environments)


def invoke(runtime: ProcessRuntime, event: object = 1) -> object:
    return runtime.invoke(Invocation(ID, json.dumps(event), ARN, "us-east-1", 0, print))


def milliseconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def cold_and_warm(folder: Path) -> None:
    colds, warms = [], []
    for _ in range(25):
        environments = Environments()
        runtime = function(folder, ECHO, environments)
        colds.append(milliseconds(lambda runtime=runtime: invoke(runtime)))
        warms.append(min(milliseconds(lambda runtime=runtime: invoke(runtime)) for _ in range(100)))
        environments.close()
    show("cold start of a trivial module, median", statistics.median(colds[1:]), 10, "ms")
    show("warm invocation, one after the other", min(warms), 0.15, "ms")


def one_task(folder: Path) -> None:
    """A whole process with one Task beside one without, in turns."""
    functions = folder / "functions"
    functions.mkdir(exist_ok=True)
    (functions / "f.py").write_text(ECHO)
    states = {"task": {"Type": "Task", "Resource": ARN, "End": True}, "none": {"Type": "Pass", "End": True}}
    command = [sys.executable, "-m", "sfnrun", "execute", "-q", "--no-history"]
    took: dict[str, list[float]] = {name: [] for name in states}
    for name, state in states.items():
        (folder / f"{name}.json").write_text(json.dumps({"StartAt": "S", "States": {"S": state}}))
    for _ in range(12):
        for name in states:
            run = [*command, str(folder / f"{name}.json")]
            took[name].append(
                milliseconds(lambda run=run: subprocess.run(run, capture_output=True, env=ENV, check=True))
            )
    show("a workflow with one Task over one with none", min(took["task"]) - min(took["none"]), 30, "ms")


def a_map(folder: Path) -> None:
    """A thousand trivial Tasks, forty at a time, with the cold starts."""
    (folder / "f.py").write_text(ECHO)
    task = {"Type": "Task", "Resource": ARN, "End": True}
    processor = {"StartAt": "T", "States": {"T": task}}
    each = {"Type": "Map", "MaxConcurrency": 40, "ItemProcessor": processor, "End": True}
    machine = sfnrun.load({"StartAt": "M", "States": {"M": each}})
    config = Settings(functions_dir=folder)
    for clock in ("real", "virtual"):
        best = 0.0
        for _ in range(5):
            items = list(range(1000))
            took = milliseconds(lambda: sfnrun.run(machine, items, config=config, clock=clock))  # noqa: B023
            best = max(best, 1000 / took * 1000)
        show(f"Map of 1,000 Tasks, {clock} clock", best, 4000 if clock == "real" else 2000, "tasks/s", at_least=True)


def memory(folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    environments = Environments()
    runtime = function(folder, PIDS, environments)
    with ThreadPoolExecutor(40) as pool:
        pids = set(pool.map(lambda _: int(invoke(runtime, 0.5)), range(40)))  # type: ignore[call-overload]
    megabytes = sum(map(proportional_kb, pids)) / 1024
    show(f"memory of {len(pids)} environments (proportional)", megabytes, 120, "MB")
    environments.close()


def proportional_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


PROGRAM = """
import sys; sys.path[:0] = {path!r}
from pathlib import Path
from tests.bench.functions import *
environments = Environments()
runtime = function(Path({folder!r}), PIDS, environments)
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(5) as pool:
    pids = set(pool.map(lambda _: int(invoke(runtime, 0.3)), range(5)))
    print(*pids, flush=True)
    list(pool.map(lambda _: invoke(runtime, 60), range(5)))
"""


def kill(folder: Path) -> None:
    """How long environments live after `kill -9` of their sfnrun."""
    worst = 0.0
    for _ in range(5):
        program = PROGRAM.format(path=[str(Path(__file__).parents[2]), *filter(None, sys.path)], folder=str(folder))
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        pids = [int(pid) for pid in process.stdout.readline().split()]
        time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        began = time.perf_counter()
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            time.sleep(0.0005)
        worst = max(worst, (time.perf_counter() - began) * 1000)
        process.wait()
        process.stdout.close()
    show("all dead after kill -9 of sfnrun, worst of 5", worst, 50, "ms")


def cold_starts_in_a_row(folder: Path, count: int = 200) -> None:
    environments = Environments()
    runtime = function(folder, "import os\ndef handler(event, context): os._exit(0)\n", environments)
    descriptors = len(os.listdir("/proc/self/fd"))

    def start() -> None:
        for _ in range(count):
            with contextlib.suppress(Exception):
                invoke(runtime)

    show(f"{count} cold starts in a row, each", milliseconds(start) / count, 6, "ms")
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 3
    environments.close()


def main() -> None:
    for measure in (cold_and_warm, one_task, a_map, memory, kill, cold_starts_in_a_row):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            measure(Path(folder))


if __name__ == "__main__":
    main()
