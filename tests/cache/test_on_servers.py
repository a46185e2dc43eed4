"""What Redis and Memcached promise beyond what all backends do: limits, eviction, replicas, nodes that die."""

import os
import resource
import threading
import time
from pathlib import Path

import pytest

from sfnrun.cache.backend import Replacement, TooLarge
from sfnrun.cache.backends import open_backend, redis
from sfnrun.cache.entry import Entry, Unreadable, decode, encode, etag
from sfnrun.cache.store import Store
from sfnrun.payload import dumps

from .conftest import Clock, memcached_on, patient, redis_on
from .world import World

KEY, OTHER = "a" * 40, "b" * 40
ROOT = Path(__file__).resolve().parents[2]


# -- redis -------------------------------------------------------------------------------------------------------------


def test_redis_that_is_full_keeps_what_it_has(server, tmp_path):
    running = server("redis", 4, ("--maxmemory", "3mb", "--maxmemory-policy", "noeviction"))
    world = World(redis_on(running.port), tmp_path, {"GetPrice": "60s"})
    world.database |= {"a": 5} | {str(n): "x" * 200_000 for n in range(20)}
    world.price("a")
    kept = [world.ask("GetPrice", {"sku": str(n)}).note["kept"] for n in range(20)]
    assert kept[0]
    assert not kept[-1]
    assert world.ask("GetPrice", {"sku": "a"}).note["outcome"] == "hit"
    assert len(world.said) == 1
    assert "maxmemory" in world.said[0]
    world.store.close()


@pytest.mark.parametrize(
    "rules",
    [
        {"GetPrice": "60s"},
        {"GetPrice": {"ttl": "60s", "key": ["sku"]}, "PutPrice": {"writes": "GetPrice", "key": ["sku"]}},
        {"GetPrice": "60s", "PutPrice": {"invalidates": ["GetPrice"]}},
    ],
    ids=["lazy", "written", "tagged"],
)
def test_a_hit_is_one_trip_and_a_miss_two(rules, server, tmp_path, monkeypatch):
    trips, answer = [], redis._answer

    def counted(connection, command):
        trips.append(command)
        return answer(connection, command)

    def trips_of(sku: str) -> tuple[str, int]:
        trips.clear()
        outcome = world.ask("GetPrice", {"sku": sku}).note["outcome"]
        return outcome, len(trips)

    monkeypatch.setattr(redis, "_answer", counted)
    world = World(redis_on(server("redis").port), tmp_path, rules)
    world.price("first")  # which also brings the scripts there, and the mark of the task
    assert [trips_of("a"), trips_of("b"), trips_of("a")] == [("miss", 2), ("miss", 2), ("hit", 1)]
    world.now += 60_000
    assert trips_of("a") == ("miss", 2)  # expired
    trips.clear()
    looks = world.store.lookup_many([(f"{n:040x}", "GetPrice", False) for n in range(40)])
    assert (looks, len(trips)) == ([None] * 40, 1)
    world.store.close()


def test_redis_evicts_as_it_is_told(server, tmp_path):
    running = server("redis", 5, ("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"))
    world = World(redis_on(running.port), tmp_path, {"GetPrice": "60s"})
    world.database |= {str(n): "x" * 200_000 for n in range(20)}
    assert all(world.ask("GetPrice", {"sku": str(n)}).note["kept"] for n in range(20))
    assert world.backend.info().evictions > 5
    assert world.backend.info().eviction_policy == "allkeys-lru"
    world.store.close()


def test_a_replica_that_is_behind_is_a_stale_read(server, tmp_path):
    primary, replica = server("redis", 6), server("redis", 7)
    answered = replica.say(f"REPLICAOF 127.0.0.1 {primary.port}".encode())
    assert answered.startswith(b"+OK")
    backend = open_backend(patient(f"redis://127.0.0.1:{primary.port}?replica=127.0.0.1:{replica.port}"))
    tasks = {"GetPrice": {"ttl": "60s", "key": ["sku"]}, "PutPrice": {"writes": "GetPrice"}}
    world = World(backend, tmp_path, tasks, database={"a": 5})
    until = time.monotonic() + 60
    while b"master_link_status:up" not in replica_info(replica.port):
        assert time.monotonic() < until
    world.price("a")
    copied = Store(redis_on(replica.port))
    while not list(copied.scan()):  # asynchronous, that is the point
        assert time.monotonic() < until
    copied.close()
    replica.say(b"REPLICAOF NO ONE")  # cut off, as if its link were slow
    world.now += 1000
    assert world.ask("PutPrice", {"sku": "a", "price": 6}).note["outcome"] == "store"
    behind = world.ask("GetPrice", {"sku": "a"})
    assert (behind.note["outcome"], behind.note["reason"]) == ("stale", "the replica is behind")
    assert behind.output.value["price"] == 5
    replica.kill()  # then the primary answers
    assert world.ask("GetPrice", {"sku": "a"}).output.value["price"] == 6
    replica.start()
    world.store.close()


def replica_info(port: int) -> bytes:
    backend = redis_on(port)
    info = backend._primary.calls.info("replication")
    backend.close()
    return f"master_link_status:{info.get('master_link_status')}".encode()


# -- memcached ---------------------------------------------------------------------------------------------------------


def test_memcached_takes_large_values_that_can_be_compressed(server):
    backend = memcached_on(server("memcached").port)
    entry = Entry("value", "T", "S", 0, 0)
    value = encode(entry, dumps(["the same again"] * 200_000))
    assert len(value) > 3_000_000
    backend.put(KEY, value, None)
    assert backend.lookup(KEY).value == value
    assert backend.release(KEY, "", Replacement(etag(value), b"x", None))
    with pytest.raises(TooLarge, match="1 MB"):
        backend.put(KEY, os.urandom(1_100_000), None)
    backend.put(KEY, b"zgarbage", None)
    with pytest.raises(Unreadable):
        decode(backend.lookup(KEY).value)
    backend.close()


def test_memcached_throws_out_the_least_recently_used(server, tmp_path):
    world = World(memcached_on(server("memcached", 4, ("-m", "8")).port), tmp_path, {"GetPrice": "60s"})
    world.database |= {str(n): os.urandom(200_000).hex() for n in range(40)}
    assert all(world.price(str(n)) == world.database[str(n)] for n in range(40))
    assert world.backend.info().evictions > 5
    assert world.ask("GetPrice", {"sku": "39"}).note["outcome"] == "hit"
    assert world.ask("GetPrice", {"sku": "0"}).note["outcome"] == "miss"
    world.store.close()


def test_an_answer_too_large_is_given_and_not_kept(server, tmp_path):
    world = World(memcached_on(server("memcached").port), tmp_path, {"GetPrice": "60s"})
    world.database["a"] = os.urandom(1_100_000).hex()
    assert world.ask("GetPrice", {"sku": "a"}).note["kept"] is False
    assert world.price("a") == world.database["a"]
    assert world.calls == {"GetPrice": 2}
    assert len(world.said) == 1
    assert "1 MB" in world.said[0]
    world.store.close()


def test_one_node_of_three_dies_and_its_keys_alone_are_misses(server, tmp_path):
    nodes = [server("memcached", n) for n in (1, 2, 3)]
    clock = Clock()
    backend = memcached_on(*(node.port for node in nodes), clock=clock)
    world = World(backend, tmp_path, {"GetPrice": "60s"}, database={str(n): n for n in range(60)})
    for n in range(60):
        world.price(str(n))
    nodes[0].kill()
    outcomes = [world.ask("GetPrice", {"sku": str(n)}).note["outcome"] for n in range(60)]
    assert 5 < outcomes.count("miss") < 40
    assert outcomes.count("hit") == 60 - outcomes.count("miss")
    assert len(world.said) == 1
    nodes[0].start()
    clock.seconds += 60
    again = [world.ask("GetPrice", {"sku": str(n)}).note["outcome"] for n in range(60)]
    assert again == outcomes  # the same keys: none moved to another node meanwhile
    assert [world.ask("GetPrice", {"sku": str(n)}).note["outcome"] for n in range(60)] == ["hit"] * 60
    assert len(list(world.store.scan())) == 60
    world.store.close()


def test_every_hit_right_while_servers_die_and_come_back(place_of, tmp_path):
    for kind in ("redis", "memcached"):
        place = place_of(kind)
        place.backend._renewer.close()
        world = World(place.backend, tmp_path, {"GetPrice": "60s"}, database={str(n): n for n in range(10)})
        stop = threading.Event()

        def shake(place=place, stop=stop) -> None:
            while not stop.is_set():
                place.server.kill()
                place.server.start()
                place.clock.seconds += 60

        shaker = threading.Thread(target=shake)
        shaker.start()
        try:
            for n in range(300):
                assert world.price(str(n % 10)) == n % 10
        finally:
            stop.set()
            shaker.join()
        assert len(world.said) <= 1


def test_limits_of_this_process_are_as_they_were():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 400_000
