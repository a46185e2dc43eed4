"""Fifty Map items, or two processes, that ask for the same key call the handler once; the dead hold nothing."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sfnrun.cache.backend import ANY_AGE
from sfnrun.cache.backends.disk import DiskBackend
from sfnrun.cache.backends.memory import MemoryBackend
from sfnrun.cache.backends.redis import RedisBackend
from sfnrun.effects import Handler

from .conftest import PATIENT, Server, memcached_on, redis_on
from .world import World

KEY = "a" * 40
ROOT = Path(__file__).resolve().parents[2]


class Slow(World):
    """A world whose handler takes until it is told to go on."""

    def __post_init__(self):
        super().__post_init__()
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)

    def call(self, request):
        self.entered.release()
        assert self.gate.wait(PATIENT)
        return super().call(request)


def test_fifty_items_call_once(place, tmp_path):
    world = Slow(place.backend, tmp_path, {"GetPrice": "60s"}, "real", database={"a": 5})
    with ThreadPoolExecutor(50) as pool:
        answers = [pool.submit(world.ask, "GetPrice", {"sku": "a"}) for _ in range(50)]
        assert world.entered.acquire(timeout=PATIENT)
        world.gate.set()
        replies = [answer.result(PATIENT) for answer in answers]
    assert world.calls == {"GetPrice": 1}
    assert [reply.output.value["price"] for reply in replies] == [5] * 50
    assert sorted(reply.note["outcome"] for reply in replies) == ["hit"] * 49 + ["miss"]


def test_those_who_wait_get_the_failure_too(tmp_path):
    world = Slow(MemoryBackend(), tmp_path, {"GetPrice": "60s"}, "real", failing={"GetPrice": "Broken"})
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(world.ask, "GetPrice", {"sku": "a"})
        assert world.entered.acquire(timeout=PATIENT)
        second = pool.submit(world.ask, "GetPrice", {"sku": "a"})
        world.gate.set()
        assert {first.result(PATIENT).failure.name, second.result(PATIENT).failure.name} == {"Broken"}


def test_a_bug_in_a_handler_frees_those_who_wait(tmp_path):
    world = Slow(MemoryBackend(), tmp_path, {"GetPrice": "60s"}, "real", database={"a": 5})
    blown = iter([RuntimeError("a bug")])

    def explode(request):
        world.entered.release()
        assert world.gate.wait(PATIENT)
        for error in blown:
            raise error
        return World.call(world, request)

    handler = Handler(explode)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(world.ask, "GetPrice", {"sku": "a"}, handler)
        assert world.entered.acquire(timeout=PATIENT)
        second = pool.submit(world.ask, "GetPrice", {"sku": "a"}, handler)
        world.gate.set()
        with pytest.raises(RuntimeError, match="a bug"):
            first.result(PATIENT)
        assert second.result(PATIENT).output.value["price"] == 5


def test_under_the_virtual_clock_the_second_takes_as_long_as_the_first_has_left(tmp_path):
    world = World(MemoryBackend(), tmp_path, {"GetPrice": "60s"}, takes_ms=2000, database={"a": 5})
    assert world.ask("GetPrice", {"sku": "a"}).duration_ms == 2000
    world.now += 500
    joined = world.ask("GetPrice", {"sku": "a"})
    assert (joined.duration_ms, joined.note["reason"], joined.note["saved_ms"]) == (
        1500,
        "joined a call under way",
        500,
    )
    world.now += 1500 + 60_000
    assert world.ask("GetPrice", {"sku": "a"}).note["reason"] == "expired 0ms ago"
    assert world.calls == {"GetPrice": 2}


def test_a_task_that_asks_itself_is_no_deadlock(tmp_path):
    world = World(MemoryBackend(), tmp_path, {"GetPrice": "60s"}, database={"a": 5})
    inner = []

    def ask_again(request):
        if not inner:
            inner.append(world.ask("GetPrice", {"sku": "a"}))
        return World.call(world, request)

    handler = Handler(ask_again, time_limit=3.0)
    assert world.ask("GetPrice", {"sku": "a"}, handler).note["outcome"] == "miss"
    assert inner[0].note["outcome"] == "bypass"


PROCESS = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from tests.cache.test_single_flight import backend_of, one_process
one_process({kind!r}, {where!r})
"""


def backend_of(kind: str, where: str):
    if kind == "disk":
        return DiskBackend(where, timeout=PATIENT)
    if kind == "redis":
        return redis_on(int(where), lease_seconds=2)
    return memcached_on(int(where), lease_seconds=2)


def one_process(kind: str, where: str) -> None:
    """Hold the lease of a key, say so, and live until told otherwise."""
    backend = backend_of(kind, where)
    lease = backend.lookup(KEY, expired_by=ANY_AGE).lease
    print("held" if lease else "refused", flush=True)
    if sys.stdin.readline() == "release\n":
        backend.release(KEY, lease)
        print("released", flush=True)


@pytest.fixture(params=["disk", "redis", "memcached"])
def shared(request, server, tmp_path) -> tuple[str, str]:
    """A place that processes share: its kind, and where it is."""
    if request.param == "disk":
        return "disk", str(tmp_path / "cache")
    running: Server = server(request.param)
    return request.param, str(running.port)


def start(kind: str, where: str) -> subprocess.Popen:
    program = PROCESS.format(root=str(ROOT), tests=str(ROOT / "tests"), kind=kind, where=where)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout.readline() == "held\n"
    return process


def time_to_live(backend) -> float:
    """How long the lease of KEY still is, as the server has it."""
    if isinstance(backend, RedisBackend):
        return backend._primary.call("PTTL", backend._lease(KEY)) / 1000
    name = backend._name(f"lease:{KEY}")
    (answer,) = backend._call(name, lambda calls: calls.raw_command(f"mg {name} t")).splitlines()
    return float(answer.removeprefix(b"HD t"))


def see_it_renewed(backend) -> None:
    """Time alone only shortens a lease."""
    last = time_to_live(backend)
    until = time.monotonic() + 60
    while (now := time_to_live(backend)) <= last:
        assert time.monotonic() < until, "nobody renews the lease"
        last = now
        time.sleep(0.01)


def test_one_process_waits_for_the_other(shared, tmp_path):
    """The owner has it however long it takes; then the next."""
    backend = backend_of(*shared)
    owner = start(*shared)
    world = World(backend, tmp_path, {"GetPrice": "60s"}, "real", database={"a": 5})
    waited = []

    def pause(seconds: float) -> None:
        if not waited:
            if not isinstance(backend, DiskBackend):  # whose locks have no end
                see_it_renewed(backend)
                assert backend.lookup(KEY, expired_by=ANY_AGE).lease is None
            owner.stdin.write("release\n")
            owner.stdin.flush()
            assert owner.stdout.readline() == "released\n"
        waited.append(seconds)

    world.caching.pause = pause
    try:
        lease = world.caching.patiently(lambda: backend.lookup(KEY, expired_by=ANY_AGE).lease)
        assert lease is not None
        assert len(waited) == 1
        backend.release(KEY, lease)
    finally:
        end(owner)
        backend.close()


def test_a_dead_process_holds_nothing(shared):
    backend = backend_of(*shared)
    owner = start(*shared)
    try:
        assert backend.lookup(KEY, expired_by=ANY_AGE).lease is None
    finally:
        end(owner)
    until = time.monotonic() + 60
    while (lease := backend.lookup(KEY, expired_by=ANY_AGE).lease) is None:
        assert time.monotonic() < until, "a dead owner still holds the key"
        time.sleep(0.01)
    backend.release(KEY, lease)
    backend.close()


def end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_an_owner_that_hangs_is_not_waited_for_for_ever(tmp_path):
    backend = DiskBackend(tmp_path / "cache")
    world = World(backend, tmp_path, {"GetPrice": "60s"}, "real", database={"a": 5})
    waited = []
    world.caching.pause = waited.append
    key = next(iter([world.ask("GetPrice", {"sku": "a"}).note["key"]]))
    stored = next(stored for stored in world.store.scan() if stored.key.startswith(key))
    backend.delete(stored.key)
    lease = backend.lookup(stored.key, expired_by=ANY_AGE).lease
    assert world.ask("GetPrice", {"sku": "a"}).note["outcome"] == "miss"
    assert 30 <= sum(waited) < 31
    backend.release(stored.key, lease)
    backend.close()
