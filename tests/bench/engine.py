"""Transitions per second of the engine, history written to disk; run it: `python tests/bench/engine.py`.

A transition is a state entered. The figures of the peers are of a two-core machine, whole process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import sfnrun

Definition = dict[str, Any]


class Bench(NamedTuple):
    """One figure: `unit` of work per second, what it should reach, and what the best peer reaches (0: not measured)."""

    name: str
    definition: Definition
    input: Any
    count: int
    target: float
    peer: float = 0
    options: Mapping[str, Any] = MappingProxyType({})


def main() -> None:
    """Run every bench, best of three."""
    only = sys.argv[1:]
    print(f"{'':44}{'per second':>12}{'target':>10}{'of target':>10}{'of peer':>9}")
    for bench in BENCHES:
        if only and not any(word in bench.name for word in only):
            continue
        rate = max(measure(bench) for _ in range(3))
        peer = f"{rate / bench.peer:.1f}" if bench.peer else "-"
        print(f"{bench.name:44}{rate:12,.0f}{bench.target:10,.0f}{rate / bench.target:10.2f}{peer:>9}", flush=True)


def measure(bench: Bench) -> float:
    """Units of work per second of one run."""
    machine = sfnrun.load(bench.definition)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = sfnrun.run(
            machine, bench.input, limits=False, store=folder, keep_events=False, seed=1, name="bench", **bench.options
        )
        elapsed = time.perf_counter() - began
    assert result.status == "SUCCEEDED", (result.error, result.cause)
    return bench.count / elapsed


def counter(turns: int) -> Definition:
    """Counts up with a Choice and an intrinsic function."""
    return {
        "StartAt": "More",
        "States": {
            "More": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.n", "NumericLessThan": turns, "Next": "Add"}],
                "Default": "Done",
            },
            "Add": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "More"},
            "Done": {"Type": "Succeed"},
        },
    }


def jsonata_counter(turns: int) -> Definition:
    """The same with JSONata and a variable."""
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Start",
        "States": {
            "Start": {"Type": "Pass", "Assign": {"n": 0}, "Next": "More"},
            "More": {
                "Type": "Choice",
                "Choices": [{"Condition": f"{{% $n < {turns} %}}", "Next": "Add"}],
                "Default": "Done",
            },
            "Add": {"Type": "Pass", "Assign": {"n": "{% $n + 1 %}"}, "Next": "More"},
            "Done": {"Type": "Succeed"},
        },
    }


def chain(length: int, **fields: Any) -> Definition:
    """Pass states in a row, each with these fields."""
    states: dict[str, Any] = {f"S{i}": {"Type": "Pass", **fields, "Next": f"S{i + 1}"} for i in range(length)}
    return {"StartAt": "S0", "States": {**states, f"S{length}": {"Type": "Succeed"}}}


def mapped(processor: Definition) -> Definition:
    """A Map over the input."""
    return {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": processor, "End": True}}}


def parallel(branches: int, branch: Definition) -> Definition:
    """The same branch, so many times."""
    renamed = [rename(branch, f"B{i}") for i in range(branches)]
    return {"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": renamed, "End": True}}}


def rename(branch: Definition, name: str) -> Definition:
    """A one-state branch under another name."""
    (state,) = branch["States"].values()
    return {"StartAt": name, "States": {name: state}}


PASSES = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "End": True}}}
TASK = {
    "StartAt": "T",
    "States": {"T": {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "End": True}},
}
LARGE = {"items": [{"id": i, "name": f"item {i}", "price": i * 1.5, "tags": ["a", "b"]} for i in range(3200)]}


def answer(request: sfnrun.Request) -> Any:
    """A trivial task."""
    return 1


REAL: Callable[[], dict[str, Any]] = lambda: {"tasks": answer, "clock": "real"}  # noqa: E731

BENCHES = (
    Bench("counter loop", counter(20_000), {"n": 0}, 40_001, 100_000, 43_000),
    Bench("JSONata counter loop", jsonata_counter(2_000), {}, 4_002, 50_000, 18_000),
    Bench("1,000 Pass in a row", chain(1_000), {}, 1_001, 100_000),
    Bench("Map of 10,000 items by 2 Pass", mapped(PASSES), list(range(10_000)), 20_001, 100_000, 28_000),
    Bench("200 KB through 100 states, passed on", chain(100), LARGE, 101, 20_000),
    Bench("200 KB through 100 states, each edits it", chain(100, Result=1, ResultPath="$.n"), LARGE, 101, 2_000, 224),
    Bench("100 branches of a task, virtual", parallel(100, TASK), {}, 100, 20_000, 0, {"tasks": answer}),
    Bench("Map of 1,000 tasks, virtual", mapped(TASK), list(range(1_000)), 1_000, 20_000, 0, {"tasks": answer}),
    Bench("Map of 1,000 tasks, real", mapped(TASK), list(range(1_000)), 1_000, 5_000, 0, REAL()),
)

if __name__ == "__main__":
    main()
