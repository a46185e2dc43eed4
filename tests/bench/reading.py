"""What reading a definition costs, in milliseconds: a file of 200 KB with 500 states, beside `json.loads`.

python tests/bench/reading.py

Reading is to cost less than 5 ms, and the position of every value less than 150 ms.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import yaml

from sfnrun.asl.text.json_problems import syntax_problems
from sfnrun.asl.text.source import Source, from_text


def definition(function: str) -> str:
    """500 Tasks, written as people write them."""
    states = {
        f"State {number}": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": function, "Payload": {"order.$": "$.order", "number": number}},
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}],
            "Next": f"State {number + 1}",
        }
        for number in range(500)
    }
    return json.dumps({"StartAt": "State 0", "States": states}, indent=2)


def locate_all(source: Source) -> int:
    """The number of values, each of them located."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), source.value)]
    count = 0
    while waiting:
        pointer, value = waiting.pop()
        source.locate(pointer)
        count += 1
        if isinstance(value, dict):
            waiting += [((*pointer, key), child) for key, child in value.items()]
        elif isinstance(value, list):
            waiting += [((*pointer, index), child) for index, child in enumerate(value)]
    return count


def milliseconds(work: Callable[[], object], times: int = 7) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best * 1000


def main() -> None:
    plain, with_placeholders = definition("charge"), definition("${Charge}")
    as_yaml = yaml.safe_dump(json.loads(plain), sort_keys=False)
    broken = plain[:-2] + ",}"
    rows: list[tuple[str, Callable[[], object]]] = [
        ("json.loads", lambda: json.loads(plain)),
        ("JSON", lambda: from_text(plain)),
        ("JSON, 500 placeholders", lambda: from_text(with_placeholders, substitutions={"Charge": "charge"})),
        ("JSON, every value located", lambda: locate_all(from_text(plain))),
        ("JSON, a comma too many at its end", lambda: syntax_problems(broken)),
        (f"YAML, {len(as_yaml) // 1000} KB, with places", lambda: from_text(as_yaml, format="yaml")),
    ]
    print(f"{len(plain) // 1000} KB, {locate_all(from_text(plain)):,} values")
    for name, work in rows:
        print(f"{name:36}{milliseconds(work):8.2f} ms")


if __name__ == "__main__":
    main()
