"""What checking costs: milliseconds for our examples, for 1,000 states, and for 10,000 problems.

python tests/bench/validating.py

A typical file is to cost less than 1 ms after the first one, and 1,000 states of 200 KB less than 300 ms.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from sfnrun.asl.rules import check
from sfnrun.asl.source import from_text, load

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "statemachines").glob("*.asl.*"))


def many_states(count: int) -> str:
    """Tasks in a row."""
    states = {
        f"State {number}": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "charge", "Payload": {"order.$": f"$.order.part{number}"}},
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}],
            "Next": f"State {number + 1}",
        }
        for number in range(count)
    }
    return json.dumps({"StartAt": "State 0", "States": states | {f"State {count}": {"Type": "Succeed"}}}, indent=1)


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(rounds):
            work()
        best = min(best, (time.perf_counter() - start) / rounds)
    return best * 1000


def main() -> None:
    for path in EXAMPLES:
        source = load(path)
        start = time.perf_counter()
        check(source)
        first = (time.perf_counter() - start) * 1000
        print(f"{path.name:28}{first:8.2f} ms first{milliseconds(lambda s=source: check(s), 50):8.2f} ms")
    large = from_text(many_states(1000))
    print(f"{'1,000 states':28}{milliseconds(lambda: check(large), 1):8.1f} ms  ({len(large.text):,} characters)")
    slips = ", ".join(f'"S{number}": {{"Type": "Pass", "Nxet": "S{number + 1}"}}' for number in range(10_000))
    broken = from_text(f'{{"StartAt": "S0", "States": {{{slips}}}}}')
    print(f"{'10,000 problems':28}{milliseconds(lambda: check(broken), 1):8.1f} ms  ({len(check(broken)):,} found)")


if __name__ == "__main__":
    main()
