"""A Map of 10,000 items, nine of ten answered from the cache, through the whole engine.

    python tests/bench/cached_map.py

On each backend and under both clocks, against the same Map without a cache: what the cache adds, and what the driver
takes anyway. Each figure is the best of five runs: items in a second by the wall clock, and us of an item, by the wall
clock and of this process's CPU, which a busy machine disturbs less. A server that is not installed is left out.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

import sfnrun
from sfnrun.api.caching import CacheOptions
from sfnrun.config import Project, load_project
from sfnrun.world.world import Clock
from tests.cache.conftest import Server

ITEMS = 10_000
NEW = ITEMS // 10
ROUNDS = 5
TARGETS = {"disk": 10_000, "redis": 8_000}
MAP = {
    "StartAt": "Prices",
    "States": {
        "Prices": {
            "Type": "Map",
            "MaxConcurrency": 40,
            "ItemProcessor": {
                "StartAt": "GetPrice",
                "States": {
                    "GetPrice": {
                        "Type": "Task",
                        "Resource": "arn:aws:lambda:us-east-1:123456789012:function:GetPrice",
                        "End": True,
                    }
                },
            },
            "ResultPath": None,
            "End": True,
        }
    },
}


def price(request: Any) -> Any:
    """The fastest handler there is, so that everything else is measured."""
    return {"sku": request.payload, "price": 12.5}


class Took(NamedTuple):
    """Seconds by the wall clock, and of the CPU."""

    wall: float
    cpu: float


def took(numbers: list[int], clock: Clock, config: Project | None) -> Took:
    began = Took(time.perf_counter(), time.process_time())
    done = sfnrun.run(
        MAP,
        numbers,
        tasks={"GetPrice": price},
        config=config,
        clock=clock,
        cache=None if config is None else CacheOptions(),
        limits=False,
        keep_events=False,
    )
    assert done.status == "SUCCEEDED", done.cause
    return Took(time.perf_counter() - began.wall, time.process_time() - began.cpu)


def best(runs: Iterable[Took]) -> Took:
    walls, cpus = zip(*runs, strict=True)
    return Took(min(walls), min(cpus))


def backends(stack: ExitStack, folder: Path) -> Iterator[tuple[str, str]]:
    """Each kind with its address."""
    yield "disk", "disk"
    for kind, program in (("redis", "redis-server"), ("memcached", "memcached")):
        if shutil.which(program):
            place = folder / kind
            place.mkdir()
            running = Server(kind, place).start()
            stack.callback(running.kill)
            yield kind, f"{kind}://127.0.0.1:{running.port}"


def measure(clock: Clock, address: str, folder: Path) -> Took:
    """A run in which every tenth number is new."""
    folder.mkdir(parents=True)
    path = folder / "sfnrun.yaml"
    path.write_text(f"cache: {{backend: '{address}', dir: kept}}\ntasks: {{GetPrice: {{cache: {{ttl: 1h}}}}}}\n")
    config = load_project(folder, config=path)
    took(list(range(ITEMS)), clock, config)

    def mixed(turn: int) -> list[int]:
        return [(turn * ITEMS if number % 10 == 0 else 0) + number for number in range(ITEMS)]

    return best(took(mixed(turn), clock, config) for turn in range(1, ROUNDS + 1))


def show(clock: str, kind: str, figure: Took, target: int | None = None) -> None:
    rate = ITEMS / figure.wall
    verdict = "" if target is None else f"  at least {target:,}: {'ok' if rate >= target else 'MISSED'}"
    each = [f"{seconds / ITEMS * 1e6:8.0f}" for seconds in figure]
    print(f"{clock:9}{kind:12}{rate:10,.0f} items/s{each[0]} us{each[1]} us of CPU{verdict}", flush=True)


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = list(backends(stack, folder))
        clocks: tuple[Clock, ...] = ("virtual", "real")
        for clock in clocks:
            show(clock, "no cache", best(took(list(range(ITEMS)), clock, None) for _ in range(ROUNDS)))
            for kind, address in places:
                show(clock, kind, measure(clock, address, folder / clock / kind), TARGETS.get(kind))


if __name__ == "__main__":
    main()
