"""What a hit costs against the bare library, and the rest of what the cache adds: `python tests/bench/cache.py`.

A server that is not installed is left out. Each figure is the best of 15 rounds, in microseconds.
"""

from __future__ import annotations

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

from sfnrun.asl.model import Resource
from sfnrun.cache.backend import Backend
from sfnrun.cache.backends.disk import DiskBackend
from sfnrun.cache.backends.memory import MemoryBackend
from sfnrun.cache.backends.redis import RedisBackend
from sfnrun.cache.flight import Flights
from sfnrun.cache.key import key_of
from sfnrun.cache.policy import Policy
from sfnrun.cache.store import Store
from sfnrun.engine.effects import Failed, Request
from sfnrun.payload import Payload
from sfnrun.tasks.cached import Cached, Caching
from tests.cache.conftest import Server

VALUE = {"sku": "a-17", "price": 12.5, "stock": list(range(20))}
POLICY = Policy("GetPrice", ttl_ms=60_000)


class Handler:
    """The fastest there is, so that only the cache is measured."""

    time_limit = None

    def __call__(self, request: Request) -> object:
        return VALUE

    def timed_out(self, request: Request) -> Failed:
        return Failed("States.Timeout")


def request(number: int) -> Request:
    resource = Resource("arn:aws:lambda:us-east-1:1:function:price", "lambda", "lambda", name="price")
    return Request("1", "1", "GetPrice", resource, Payload({"sku": number}), 0, None, {}, at=1_000_000)


def best(action: Callable[[int], object], count: int, rounds: int = 15) -> float:
    """Microseconds of one action."""

    def one_round() -> float:
        began = time.perf_counter()
        for number in range(count):
            action(number)
        return (time.perf_counter() - began) / count * 1e6

    return min(one_round() for _ in range(rounds))


def show(name: str, figure: float, limit: float, unit: str = "us") -> None:
    verdict = "ok" if figure <= limit else "OVER"
    print(f"{name:58}{figure:10.1f}{limit:10.1f} {unit}  {verdict}", flush=True)


def hits(backend: Backend, count: int = 2000) -> tuple[float, float]:
    """Microseconds of a hit, and of a Task of ten that misses."""
    store = Store(backend, print)
    cached = Cached(Handler(), POLICY, Caching(store, lambda request: POLICY))
    for number in range(count):
        cached(request(number))
    hit = best(lambda number: cached(request(number)), count)
    fresh = iter(range(count, 10**9))
    mixed = best(lambda number: cached(request(next(fresh) if number % 10 == 0 else number)), count)
    store.close()
    return hit, mixed


def bench_disk(folder: str) -> None:
    bare = diskcache.Cache(f"{folder}/bare")
    text = json.dumps(VALUE).encode()
    for number in range(2000):
        bare.set(f"{number:040x}", text)
    plain = best(lambda number: json.loads(bare.get(f"{number:040x}")), 2000)
    asking = best(request, 2000)
    hit, mixed = hits(DiskBackend(f"{folder}/cache"))
    show("a hit on disk; at most twice diskcache.get + json.loads", hit - asking, 2 * plain)
    show("a Task on disk, nine hits and a miss; 10,000/s", mixed, 100)


def bench_redis() -> None:
    with server() as port:
        bare = redis.Redis(port=port)
        bare.set("a", json.dumps(VALUE).encode())
        plain = best(lambda number: json.loads(bare.get("a")), 1000)
        hit, mixed = hits(RedisBackend(port=port), 1000)
        bare.close()
    show("a hit on Redis; at most twice redis.get + json.loads", hit, 2 * plain)
    show("a Task on Redis, nine hits and a miss; 8,000/s", mixed, 125)


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
        flights.land("key", flight, number)

    show("single flight, within the process", best(fly, 5000), 20)
    with tempfile.TemporaryDirectory() as folder:
        backend = DiskBackend(folder)

        def lease(number: int) -> None:
            fly(number)
            held = backend.take("key", dead=0).lease
            assert held is not None
            backend.give("key", held)

        show("single flight, among processes (disk)", best(lease, 5000), 20)
        backend.close()


def bench_key() -> None:
    payload = {"items": [{"sku": f"a-{n}", "amount": n, "tags": ["x", None, 1.5]} for n in range(3500)]}
    size = len(json.dumps(payload, separators=(",", ":")))
    show(f"the key of {size // 1024} KB", best(lambda number: key_of(POLICY, payload, {}), 20) / 1000, 2, "ms")


def main() -> None:
    print(f"{'':58}{'measured':>10}{'limit':>10}")
    with tempfile.TemporaryDirectory() as folder:
        bench_disk(folder)
    show("a hit in memory", hits(MemoryBackend())[0], 50)
    if shutil.which("redis-server"):
        bench_redis()
    bench_flight()
    bench_key()


if __name__ == "__main__":
    main()
