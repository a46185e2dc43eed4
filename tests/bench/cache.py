"""What a hit costs against the bare library, and the rest of what the cache adds: `python tests/bench/cache.py`.

A server that is not installed is left out. Each figure is the best of 25 rounds, in microseconds of this process's CPU,
with a server by the wall clock.
"""

from __future__ import annotations

import gc
import itertools
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import diskcache
import redis

sys.path.insert(0, str(Path(__file__).parents[2]))

from sfnrun.api.conduct import GC_THRESHOLD
from sfnrun.cache.backend import Backend
from sfnrun.cache.backends.disk import DiskBackend
from sfnrun.cache.backends.memory import MemoryBackend
from sfnrun.cache.backends.redis import RedisBackend
from sfnrun.cache.concurrency import Flights
from sfnrun.cache.key import key_of
from sfnrun.cache.policy import Policy
from sfnrun.cache.store import Store
from sfnrun.effects import Handler, Request, Resource
from sfnrun.payload import Payload
from sfnrun.tasks.cached import Cached, Caching
from tests.cache.conftest import Server

VALUE = {"sku": "a-17", "price": 12.5, "stock": list(range(20))}
Clock = Callable[[], float]
POLICY = Policy("GetPrice", ttl_ms=60_000)


# The fastest handler, so that only the cache is measured.
HANDLER = Handler(lambda request: VALUE)


def request(number: int) -> Request:
    resource = Resource("arn:aws:lambda:us-east-1:1:function:price", "lambda", "lambda", name="price")
    return Request("1", "1", "GetPrice", resource, Payload({"sku": number}), 0, None, {}, at=1_000_000)


def best(
    *actions: Callable[[int], object], count: int, rounds: int = 25, clock: Clock = time.process_time
) -> list[float]:
    """Microseconds of each action; their rounds take turns, so that a busy machine slows all of them."""
    figures = [float("inf")] * len(actions)
    for _ in range(rounds):
        for place, action in enumerate(actions):
            began = clock()
            for number in range(count):
                action(number)
            figures[place] = min(figures[place], (clock() - began) / count * 1e6)
    return figures


def show(name: str, figure: float, limit: float, unit: str = "us") -> None:
    verdict = "ok" if figure <= limit else "OVER"
    print(f"{name:58}{figure:10.1f}{limit:10.1f} {unit}  {verdict}", flush=True)


def kept(backend: Backend, count: int) -> tuple[Callable[[int], object], Callable[[int], object]]:
    """A hit, and a Task of ten that misses; `count` answers are kept."""
    store = Store(backend, print)
    cached = Cached(HANDLER, POLICY, Caching(store, lambda request: POLICY))
    requests = [request(number) for number in range(count)]
    for each in requests:
        cached(each)
    fresh = map(request, itertools.count(count))
    return (
        lambda number: cached(requests[number]),
        lambda number: cached(next(fresh) if number % 10 == 0 else requests[number]),
    )


def bench_disk(folder: str) -> None:
    bare = diskcache.Cache(f"{folder}/bare")
    text = json.dumps(VALUE).encode()
    for number in range(1000):
        bare.set(f"{number:040x}", text)
    hit, mixed = kept(DiskBackend(f"{folder}/cache"), 1000)
    plain, ours, tenth = best(lambda number: json.loads(bare.get(f"{number:040x}")), hit, mixed, count=1000)
    show("a hit on disk; at most twice diskcache.get + json.loads", ours, 2 * plain)
    show("a Task on disk, nine hits and a miss; 10,000/s", tenth, 100)


def bench_redis() -> None:
    with server() as port:
        bare = redis.Redis(port=port)
        bare.set("a", json.dumps(VALUE).encode())
        hit, mixed = kept(RedisBackend(port=port), 1000)
        actions = (lambda number: json.loads(bare.get("a")), hit, mixed)
        plain, ours, tenth = best(*actions, count=1000, clock=time.perf_counter)
        bare.close()
    show("a hit on Redis; at most twice redis.get + json.loads", ours, 2 * plain)
    show("a Task on Redis, nine hits and a miss; 8,000/s", tenth, 125)


@contextmanager
def server() -> Iterator[int]:
    with ExitStack() as stack:
        running = Server("redis", Path(stack.enter_context(tempfile.TemporaryDirectory()))).start()
        stack.callback(running.kill)
        yield running.port


def bench_flight() -> None:
    flights: Flights[int] = Flights()

    def fly(number: int) -> None:
        flight, _leads = flights.enter("key")
        flights.finish("key", flight, number)

    show("single flight, within the process", best(fly, count=5000)[0], 20)
    with tempfile.TemporaryDirectory() as folder:
        backend = DiskBackend(folder)

        def lease(number: int) -> None:
            fly(number)
            held = backend.lookup("key", expired_by=0).lease
            assert held is not None
            backend.release("key", held)

        looking, leased = best(lambda number: backend.lookup("key"), lease, count=5000)
        show("single flight, among processes (disk)", leased - looking, 20)
        backend.close()


def bench_key() -> None:
    payload = {"items": [{"sku": f"a-{n}", "amount": n, "tags": ["x", None, 1.5]} for n in range(3500)]}
    size = len(json.dumps(payload, separators=(",", ":")))
    show(f"the key of {size // 1024} KB", best(lambda number: key_of(POLICY, payload, {}), count=20)[0] / 1000, 2, "ms")


def main() -> None:
    gc.set_threshold(GC_THRESHOLD)  # as in a run
    print(f"{'':58}{'measured':>10}{'limit':>10}")
    with tempfile.TemporaryDirectory() as folder:
        bench_disk(folder)
    show("a hit in memory", best(kept(MemoryBackend(), 1000)[0], count=1000)[0], 50)
    if shutil.which("redis-server"):
        bench_redis()
    bench_flight()
    bench_key()


if __name__ == "__main__":
    main()
