"""Two processes hammer one cache while others of their kind are killed: no wrong value, no lost count, no exception.

    python -m tests.cache.hammer disk /tmp/hammer 20000
    python -m tests.cache.hammer redis 6379 20000

A worker asks and writes at random. Values are made from their keys, so that a wrong one shows. After each operation it
says how many it has done, so that after a kill it is known how many may have gone uncounted: a worker writes counters
down by the batch.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from sfnrun.cache.backend import Backend
from sfnrun.cache.backends.disk import DiskBackend
from sfnrun.cache.store import Store

from .conftest import PATIENT, memcached_on, redis_on
from .world import World

ROOT = Path(__file__).resolve().parents[2]
KEYS = 40
COUNTED = {"hits", "misses", "stale", "bypassed"}
TASKS = {
    "GetPrice": {"ttl": "50ms", "key": ["sku"]},
    "PutPrice": {"writes": "GetPrice", "key": ["sku"]},
    "GetStock": {"ttl": "10m", "strategy": "refresh-ahead", "refresh_ahead": 0.99},
}


class Result(NamedTuple):
    """What came of it. `done` operations were finished; of those `doubtful` by workers that were killed."""

    done: int
    doubtful: int
    counted: int
    kills: int
    seconds: float


def backend_of(kind: str, where: str) -> Backend:
    if kind == "disk":
        return DiskBackend(where, size_limit=2_000_000, timeout=PATIENT)
    if kind == "redis":
        return redis_on(int(where), lease_seconds=1)
    return memcached_on(int(where), lease_seconds=1)


def work(kind: str, where: str, seed: int, operations: int) -> None:
    """One worker; a line for each operation, "ok" when all is written down."""
    chance = random.Random(seed)
    folder = Path(tempfile.mkdtemp())
    world = World(backend_of(kind, where), folder, TASKS, "real")
    world.background = lambda key, job: job()
    world.background.close = lambda seconds: None
    world.rule(TASKS)
    began = time.monotonic()
    for done in range(1, operations + 1):
        sku = f"sku-{chance.randrange(KEYS)}"
        world.now = 1_700_000_000_000 + int((time.monotonic() - began) * 1000)
        world.database[sku] = price = sku * chance.choice([1, 10, 8000])  # now and then too large for a row
        task = chance.choice(["GetPrice", "GetPrice", "GetStock", "PutPrice"])
        value = world.ask(task, {"sku": sku, "price": price} if task == "PutPrice" else {"sku": sku}).output.value
        assert value["sku"] == sku, value
        assert value["price"] in {sku, sku * 10, sku * 8000}, value
        print(done, flush=True)
    assert not world.said, world.said
    while not world.store.flush():
        pass
    world.store.close()
    shutil.rmtree(folder)
    print("ok", flush=True)


def hammer(kind: str, where: str, operations: int, kills: int = 6, seed: int = 1) -> Result:
    """Run two workers side by side until they have done all; kill one of a third kind every now and then."""
    began = time.monotonic()
    doubtful = 0
    with ExitStack() as running:
        steady = [running.enter_context(worker(kind, where, seed + n, operations // 2)) for n in range(2)]
        for n in range(kills):
            with worker(kind, where, seed + 100 + n, operations) as victim:
                seen = random.Random(seed + n).randrange(20, 200)
                for _ in range(seen):
                    assert victim.stdout.readline(), victim.stderr.read()
                victim.kill()
                unsaid = 1
                doubtful += seen + len(victim.communicate()[0].splitlines()) + unsaid
        for process in steady:
            said, complaints = process.communicate()
            assert said.endswith("ok\n"), (said[-100:], complaints)
            assert not complaints, complaints
    store = Store(backend_of(kind, where))
    counts = store.backend.counts()
    for stored in store.scan():
        assert stored.text.startswith('{"sku":"sku-'), stored
    store.close()
    counted = sum(count for (_task, name), count in counts.items() if name in COUNTED)
    counted += counts.get(("PutPrice", "calls"), 0)
    return Result(operations // 2 * 2, doubtful, counted, kills, time.monotonic() - began)


@contextmanager
def worker(kind: str, where: str, seed: int, operations: int) -> Iterator[subprocess.Popen]:
    """A worker's process, ended with the block, whatever happens."""
    command = [sys.executable, "-m", "tests.cache.hammer", "work", kind, where, str(seed), str(operations)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def main(arguments: list[str]) -> None:
    if arguments[0] == "work":
        work(arguments[1], arguments[2], int(arguments[3]), int(arguments[4]))
        return
    result = hammer(arguments[0], arguments[1], int(arguments[2]))
    print(result)
    assert result.done <= result.counted <= result.done + result.doubtful


if __name__ == "__main__":
    main(sys.argv[1:])
