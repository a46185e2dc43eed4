"""What each backend promises, row by row of the README's table: persistence, eviction, limits, faults, replication."""

import os
import pickle
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sfnrun.cache.backend import ALWAYS, Answer, Asked, Taken, TooLarge, Unavailable
from sfnrun.cache.backends import open_backend
from sfnrun.cache.backends.disk import DiskBackend
from sfnrun.cache.backends.memcached import MemcachedBackend
from sfnrun.cache.backends.memory import MemoryBackend
from sfnrun.cache.backends.redis import RedisBackend
from sfnrun.cache.entry import Entry, Unreadable, decode, encode, head
from sfnrun.cache.store import Store
from sfnrun.config import CacheSettings
from sfnrun.errors import UsageError
from sfnrun.payload import dumps

from .conftest import Clock
from .world import World

KEY, OTHER = "a" * 40, "b" * 40
ROOT = Path(__file__).resolve().parents[2]


# -- what all four do the same ---------------------------------------------------------------------------------------


def test_what_is_put_is_got(place):
    backend = place.backend
    assert backend.take(KEY).value is None
    for value in (b"", b"x", bytes(range(256)) * 4, b"y" * 200_000):
        backend.put(KEY, value, 60)
        assert backend.take(KEY).value == value
    backend.delete(KEY)
    backend.delete(KEY)
    assert backend.take(KEY).value is None


def entry(n: int, expires_at: int | None = None) -> bytes:
    return encode(Entry("value", "T", "S", 0, n, expires_at, id=str(n)), "1")


def test_an_answer_is_stored_only_over_what_was_seen(place):
    backend, first, second = place.backend, entry(1), entry(2)
    assert backend.give(KEY, "", Answer(None, first, None))
    assert not backend.give(KEY, "", Answer(None, second, None))
    assert not backend.give(KEY, "", Answer(head(second), second, None))
    assert backend.take(KEY).value == first
    assert backend.give(KEY, "", Answer(head(first), second, 60))
    assert backend.take(KEY).value == second


def test_of_many_answers_at_once_one_is_stored(place):
    entries = [entry(n) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda each: place.backend.give(KEY, "", Answer(None, each, None)), entries))
    assert sum(won) == 1
    assert place.backend.take(KEY).value == entries[won.index(True)]


def test_the_lease_is_for_what_is_not_there_or_dead(place):
    backend, dies_at_5 = place.backend, entry(1, expires_at=5)
    assert backend.take(KEY) == Taken(None)
    taken = backend.take(KEY, dead=5)
    assert taken.lease is not None
    assert backend.give(KEY, taken.lease, Answer(None, dies_at_5, None))
    assert backend.take(KEY, dead=4) == Taken(dies_at_5)
    for dead in (5, ALWAYS):
        taken = backend.take(KEY, dead=dead)
        assert taken.value == dies_at_5
        assert taken.lease is not None
        assert not backend.give(KEY, taken.lease)
    backend.put(KEY, b"not ours", None)
    taken = backend.take(KEY, dead=0)
    assert taken.lease is not None
    backend.give(KEY, taken.lease)


def test_a_lease_is_had_once(place):
    backend = place.backend
    if isinstance(backend, MemoryBackend):
        assert backend.take(KEY, dead=0).lease == ""  # nobody else can have it
        return
    lease = backend.take(KEY, dead=0).lease
    assert backend.take(KEY, dead=ALWAYS).lease is None
    backend.give(KEY, lease, Answer(None, entry(1), None))
    again = backend.take(KEY, dead=ALWAYS).lease
    assert again is not None
    backend.give(KEY, again)


def test_an_empty_place_is_claimed_with_its_lease(place):
    backend, claim, answer = place.backend, encode(Entry("gone", "T", "", 0, 0), "null"), entry(1)
    lease = backend.take(KEY, dead=0, claim=claim).lease
    assert backend.take(KEY).value == claim
    assert backend.give(KEY, lease, Answer(head(claim), answer, None))
    lease = backend.take(KEY, dead=ALWAYS, claim=claim).lease
    assert backend.take(KEY).value == answer
    backend.give(KEY, lease)


def test_a_mark_is_read_in_the_same_trip(place):
    backend = place.backend
    backend.put("gen-x", b"5", None)
    backend.put(KEY, entry(1), None)
    assert backend.take(KEY, mark="gen-x") == Taken(entry(1), b"5")
    assert backend.take(OTHER, mark="gen-x", dead=0).mark == b"5"


def test_counters_add_up_from_many_threads(place):
    def add(n: int) -> None:
        counts = {("Get Price/ä", "hits"): 1, ("Get Price/ä", "saved_ms"): n}
        place.backend.add(counts)
        assert not counts

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(100)))
    assert place.backend.counts() == {("Get Price/ä", "hits"): 100, ("Get Price/ä", "saved_ms"): 4950}


def test_what_was_stored_is_remembered_when_it_is_gone(place):
    backend = place.backend

    def remembered(key: str, task: str) -> tuple:
        taken = backend.take(key, task, dead=0)
        backend.give(key, taken.lease)
        return taken.known, taken.asked

    assert remembered(KEY, "T") == (False, None)
    backend.put(KEY, entry(1), None, Asked("T", 5))
    assert backend.give(OTHER, "", Answer(None, entry(2), None, Asked("T", None)))
    backend.delete(KEY)
    backend.delete(OTHER)
    assert remembered(KEY, "T") == (True, ("T", 5))
    assert remembered(OTHER, "T") == (True, ("T", None))
    assert remembered("c" * 40, "T") == (True, None)
    assert remembered("c" * 40, "U") == (False, None)


def test_scan_and_clear_see_entries_and_nothing_else(place):
    backend = place.backend
    backend.put(KEY, b"1", None, Asked("T", 5))
    backend.put(OTHER, b"2", None)
    backend.put("gen-x", b"3", None)
    backend.add({("T", "hits"): 1})
    lease = backend.take("c" * 40, dead=0).lease
    assert dict(backend.scan()) == {KEY: b"1", OTHER: b"2"}
    backend.give("c" * 40, lease)
    backend.clear()
    assert dict(backend.scan()) == {}
    assert backend.take("gen-x").value is None
    assert backend.counts() == {}
    assert not backend.take(KEY, "T", dead=0).known


def test_what_stays_after_a_restart(place):
    """Disk keeps its entries; memory and memcached do not; Redis as its configuration says, here it does not."""
    backend = place.backend
    backend.put(KEY, b"1", None)
    if isinstance(backend, MemoryBackend):
        assert MemoryBackend().take(KEY).value is None
    elif isinstance(backend, DiskBackend):
        again = DiskBackend(backend.folder)
        assert again.take(KEY).value == b"1"
        again.close()
    else:
        place.server.kill()
        place.server.start()
        assert backend.take(KEY).value is None  # and the broken connection is not noticed
        backend.put(KEY, b"2", None)
        assert backend.take(KEY).value == b"2"


def test_redis_keeps_what_its_configuration_says(server):
    running = server("redis", 9, ("--appendonly", "yes", "--appendfsync", "always"))
    backend = RedisBackend(port=running.port)
    backend.put(KEY, b"1", None)
    running.kill()
    running.start()
    until = time.monotonic() + 10
    while b"loading:1" in (running.say(b"INFO persistence")):
        assert time.monotonic() < until
    assert backend.take(KEY).value == b"1"
    backend.close()


def test_garbage_is_cleared_away_by_the_backend_itself(place):
    """By its own clock, which has no say in how old an answer may be; memory is only bounded."""
    backend = place.backend
    backend.put(KEY, b"1", 0.05)
    backend.put(OTHER, b"2", None)
    until = time.monotonic() + 10
    while not isinstance(backend, MemoryBackend) and backend.take(KEY).value is not None:
        assert time.monotonic() < until
    assert backend.take(OTHER).value == b"2"


class Endless(bytes):
    """Bytes that say they are more than anybody takes."""

    def __len__(self) -> int:
        return 2**40


@pytest.mark.parametrize("kind", ["memory", "disk", "redis"])  # memcached packs it first
def test_what_is_too_large_is_refused_before_it_is_sent(kind, place_of):
    backend = place_of(kind).backend
    with pytest.raises(TooLarge):
        backend.put(KEY, Endless(b"x"), None)
    assert backend.take(KEY).value is None


@pytest.mark.parametrize(
    ("address", "library", "extra"), [("rediss://x", "redis", "redis"), ("memcached://x", "pymemcache", "memcached")]
)
def test_a_library_that_is_not_installed_is_named(address, library, extra, monkeypatch):
    monkeypatch.delitem(sys.modules, f"sfnrun.cache.backends.{extra}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=library) as caught:
        open_backend(CacheSettings(address))
    assert caught.value.hint == f"pip install 'sfnrun[{extra}]'"


def test_a_hung_server_costs_its_timeout_once(place_of):
    for kind in ("redis", "memcached"):
        place = place_of(kind)
        place.backend.put(KEY, b"1", None)
        place.server.hang()
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"timed out|Timeout"):
            place.backend.take(KEY)
        first = time.monotonic() - began
        assert 0.15 < first < 1.5
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(Unavailable):
                place.backend.take(KEY)
        assert time.monotonic() - began < 5  # the breaker is open, or it would be 20
        place.server.wake()
        with pytest.raises(Unavailable):
            place.backend.take(KEY)
        place.clock.seconds += 1
        assert place.backend.take(KEY).value == b"1"


# -- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("memory://", "memory"),
        ("redis://127.0.0.1", "redis 127.0.0.1:6379/0"),
        ("redis://me:secret%40@cache.local:7000/3?prefix=x:&replica=other:7001&timeout=1s", "redis cache.local:7000/3"),
        ("rediss://cache.local/1", "redis cache.local:6379/1"),
        ("memcached://one,two:11212?timeout=50ms", "memcached one:11211,two:11212"),
    ],
)
def test_addresses(address, label):
    backend = open_backend(CacheSettings(address))
    assert backend.label == label
    assert backend.may_lag == ("replica" in address)
    backend.close()


@pytest.mark.parametrize(
    "address", ["ftp://x", "redis://x:port", "redis://x/?colour=red", "memcached://x?colour=red", "nonsense"]
)
def test_addresses_that_make_no_sense(address):
    with pytest.raises(UsageError) as caught:
        open_backend(CacheSettings(address))
    assert "memory://" in caught.value.hint


def test_a_password_is_not_told():
    with pytest.raises(UsageError) as caught:
        open_backend(CacheSettings("redis://me:secret@x/?colour=red"))
    assert "secret" not in caught.value.message


def test_a_password_is_used(server):
    running = server("redis", 3, ("--requirepass", "sesame"))
    told = f"redis://:sesame@127.0.0.1:{running.port}/0"
    backend = open_backend(CacheSettings(told))
    backend.put(KEY, b"1", None)
    assert backend.take(KEY).value == b"1"
    backend.close()
    backend = open_backend(CacheSettings(f"redis://127.0.0.1:{running.port}/0"))
    with pytest.raises(Unavailable, match=r"[Aa]uth"):
        backend.take(KEY)
    backend.close()


@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_prefixes_keep_projects_apart(kind, server):
    port = server(kind).port
    settings = [CacheSettings(f"{kind}://127.0.0.1:{port}?prefix={prefix}") for prefix in ("a:", "b *[é] c%25")]
    one, two = (open_backend(each) for each in settings)
    one.put(KEY, b"1", None)
    two.put(KEY, b"2", None)
    assert (one.take(KEY).value, two.take(KEY).value) == (b"1", b"2")
    assert dict(two.scan()) == {KEY: b"2"}
    two.clear()
    assert (one.take(KEY).value, two.take(KEY).value) == (b"1", None)
    one.close()
    two.close()


# -- disk ------------------------------------------------------------------------------------------------------------


def test_the_folder_is_nobody_elses(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o755)
    backend = DiskBackend(folder)
    backend.put(KEY, b"1" * 50_000, None)
    backend.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


class Touch:
    """A pickle that leaves a trace if anybody opens it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def planted(folder: Path, **columns: object) -> None:
    """A row of the attacker's in the folder."""
    with sqlite3.connect(folder / "cache.db") as connection:
        names = ", ".join(columns)
        connection.execute(f"INSERT INTO Cache ({names}) VALUES ({', '.join('?' * len(columns))})", [*columns.values()])
    connection.close()


def test_a_planted_pickle_is_not_opened(tmp_path):
    folder, trace = tmp_path / "cache", tmp_path / "owned"
    DiskBackend(folder).put(OTHER, b"1", None)
    bomb = pickle.dumps(Touch(trace))
    (folder / "bomb.val").write_bytes(bomb)
    now = time.time()
    planted(folder, key=KEY, raw=1, mode=4, value=bomb, store_time=now, access_time=now)
    planted(folder, key="c" * 40, raw=1, mode=4, filename="bomb.val", store_time=now, access_time=now)
    planted(folder, key=bomb, raw=0, mode=1, value=b"1", store_time=now, access_time=now)
    backend = DiskBackend(folder)
    assert backend.take(KEY).value == b""
    assert backend.take("c" * 40).value == b""
    assert not backend.give(KEY, "", Answer(None, b"x", None))
    assert dict(backend.scan())[OTHER] == b"1"
    backend.put(KEY, b"2", None)
    assert backend.take(KEY).value == b"2"
    backend.clear()
    backend.close()
    assert not trace.exists()
    pickle.loads(bomb).close()  # the bomb is a real one
    assert trace.exists()


@pytest.mark.parametrize("filename", ["../precious", "/tmp/x.val", "ab/cd/../../../precious"])
def test_planted_file_names_lead_nowhere(filename, tmp_path):
    folder, precious = tmp_path / "cache", tmp_path / "precious"
    precious.write_bytes(b"precious")
    DiskBackend(folder).put(OTHER, b"1", None)
    planted(folder, key=KEY, raw=1, mode=2, filename=filename, store_time=1.0, access_time=1.0)
    backend = DiskBackend(folder)
    assert backend.take(KEY).value == b""
    backend.put(KEY, b"2", None)
    backend.clear()
    backend.close()
    assert precious.read_bytes() == b"precious"


def test_settings_of_others_are_refused(tmp_path):
    DiskBackend(tmp_path).put(OTHER, b"1", None)
    with sqlite3.connect(tmp_path / "cache.db") as connection:
        connection.execute("INSERT INTO Settings VALUES ('get', 'owned')")
        connection.execute("UPDATE Settings SET value = 'nonsense' WHERE key = 'eviction_policy'")
    connection.close()
    backend = DiskBackend(tmp_path)
    with pytest.raises(Unavailable, match="settings of another program: get"):
        backend.take(OTHER)
    backend.clear()
    backend.put(OTHER, b"2", None)
    assert backend.take(OTHER).value == b"2"
    backend.close()


def test_a_broken_database_is_out_of_reach_until_cleared(tmp_path):
    (tmp_path / "cache.db").write_bytes(b"no database at all" * 100)
    (tmp_path / "notes.txt").write_text("mine")
    backend = DiskBackend(tmp_path)
    with pytest.raises(Unavailable, match="not a database"):
        backend.take(KEY)
    backend.clear()
    backend.put(KEY, b"1", None)
    assert backend.take(KEY).value == b"1"
    assert (tmp_path / "notes.txt").read_text() == "mine"
    backend.close()


def test_a_read_only_folder_is_out_of_reach(tmp_path):
    """Root writes everywhere but into /proc."""
    folder = Path("/proc/sfnrun") if os.geteuid() == 0 else tmp_path / "fast" / "cache"
    if os.geteuid():
        folder.parent.mkdir(mode=0o500)
    backend = DiskBackend(folder)
    world = World(backend, tmp_path, {"GetPrice": "60s"}, database={"a": 5})
    assert world.price() == 5
    assert world.price() == 5
    assert len(world.said) == 1
    assert world.calls == {"GetPrice": 2}


FULL = """
import resource, signal, sys
sys.path[:0] = [{root!r}]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
from pathlib import Path
from sfnrun.cache.backends.disk import DiskBackend
from tests.cache.world import World
import tempfile
backend = DiskBackend({folder!r})
database = {{str(n): "x" * 20_000 for n in range(60)}}
world = World(backend, Path(tempfile.mkdtemp()), {{"GetPrice": "60s"}}, database=database)
for n in range(60):
    assert world.price(str(n)) == "x" * 20_000
for n in range(60):
    assert world.price(str(n)) == "x" * 20_000
assert world.calls["GetPrice"] > 60
print(len(world.said), world.said)
"""


def test_a_full_disk_is_no_error(tmp_path):
    """A file may not grow beyond 400 KB; the answers are right all the same, and it is said once."""
    program = FULL.format(root=str(ROOT), folder=str(tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 "), done.stdout


@pytest.mark.parametrize(("eviction", "survivor"), [("lru", "used last"), ("lfu", "used often")])
@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_bounded_and_the_least_used_go_first(kind, eviction, survivor, tmp_path):
    limit = 600_000
    backend = MemoryBackend(limit, eviction) if kind == "memory" else DiskBackend(tmp_path, limit, eviction)
    keys = {name: f"{n:040x}" for n, name in enumerate(["used often", "used last"])}
    for key in keys.values():
        backend.put(key, b"x" * 40_000, None)
    for name, times in (("used often", 9), ("used last", 1)):
        for _ in range(times):
            backend.take(keys[name])
    for n in range(100, 140):
        if eviction == "lru":
            backend.take(keys["used last"])
        backend.put(f"{n:040x}", b"x" * 40_000, None)
    assert backend.take(keys[survivor]).value is not None
    assert len(dict(backend.scan())) < 20
    facts = backend.facts()
    assert facts.evictions >= 25
    assert facts.limit_bytes == limit
    assert facts.size_bytes <= limit + 40_000
    with pytest.raises(TooLarge):
        backend.put(KEY, b"x" * (limit + 1), None)
    backend.close()


def test_a_miss_can_say_evicted(tmp_path):
    backend = DiskBackend(tmp_path / "cache", 400_000)
    world = World(backend, tmp_path, {"GetPrice": "60s"}, database={str(n): "x" * 40_000 for n in range(30)})
    for n in range(30):
        world.price(str(n))
    assert world.ask("GetPrice", {"sku": "0"}).note["reason"] == "evicted"
    backend.close()


def test_a_lock_that_is_held_costs_a_store_and_no_hit(tmp_path):
    backend = DiskBackend(tmp_path / "cache", timeout=0.05)
    world = World(backend, tmp_path, {"GetPrice": "60s"}, database={"a": 5, "b": 6})
    world.price("a")
    other = sqlite3.connect(tmp_path / "cache" / "cache.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert world.ask("GetPrice", {"sku": "a"}).note["outcome"] == "hit"
    assert world.ask("GetPrice", {"sku": "b"}).note["kept"] is False
    other.execute("ROLLBACK")
    other.close()
    backend.close()


# -- redis -----------------------------------------------------------------------------------------------------------


def test_redis_that_is_full_keeps_what_it_has(server, tmp_path):
    running = server("redis", 4, ("--maxmemory", "3mb", "--maxmemory-policy", "noeviction"))
    world = World(RedisBackend(port=running.port), tmp_path, {"GetPrice": "60s"})
    world.database |= {"a": 5} | {str(n): "x" * 200_000 for n in range(20)}
    world.price("a")
    kept = [world.ask("GetPrice", {"sku": str(n)}).note["kept"] for n in range(20)]
    assert kept[0]
    assert not kept[-1]
    assert world.ask("GetPrice", {"sku": "a"}).note["outcome"] == "hit"
    assert len(world.said) == 1
    assert "maxmemory" in world.said[0]
    world.store.close()


def test_redis_evicts_as_it_is_told(server, tmp_path):
    running = server("redis", 5, ("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"))
    world = World(RedisBackend(port=running.port), tmp_path, {"GetPrice": "60s"})
    world.database |= {str(n): "x" * 200_000 for n in range(20)}
    assert all(world.ask("GetPrice", {"sku": str(n)}).note["kept"] for n in range(20))
    assert world.backend.facts().evictions > 5
    assert world.backend.facts().eviction_policy == "allkeys-lru"
    world.store.close()


def test_a_replica_that_is_behind_is_a_stale_read(server, tmp_path):
    primary, replica = server("redis", 6), server("redis", 7)
    answered = replica.say(f"REPLICAOF 127.0.0.1 {primary.port}".encode())
    assert answered.startswith(b"+OK")
    backend = open_backend(CacheSettings(f"redis://127.0.0.1:{primary.port}?replica=127.0.0.1:{replica.port}"))
    tasks = {"GetPrice": {"ttl": "60s", "key": ["sku"]}, "PutPrice": {"writes": "GetPrice"}}
    world = World(backend, tmp_path, tasks, database={"a": 5})
    until = time.monotonic() + 10
    while b"master_link_status:up" not in replica_info(replica.port):
        assert time.monotonic() < until
    world.price("a")
    copied = Store(RedisBackend(port=replica.port))
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
    backend = RedisBackend(port=port)
    info = backend._primary.calls.info("replication")
    backend.close()
    return f"master_link_status:{info.get('master_link_status')}".encode()


# -- memcached -------------------------------------------------------------------------------------------------------


def test_memcached_takes_large_values_that_can_be_compressed(server):
    backend = MemcachedBackend([("127.0.0.1", server("memcached").port)])
    entry = Entry("value", "T", "S", 0, 0)
    value = encode(entry, dumps(["the same again"] * 200_000))
    assert len(value) > 3_000_000
    backend.put(KEY, value, None)
    assert backend.take(KEY).value == value
    assert backend.give(KEY, "", Answer(head(value), b"x", None))
    with pytest.raises(TooLarge, match="1 MB"):
        backend.put(KEY, os.urandom(1_100_000), None)
    backend.put(KEY, b"zgarbage", None)
    with pytest.raises(Unreadable):
        decode(backend.take(KEY).value)
    backend.close()


def test_memcached_throws_out_the_least_recently_used(server, tmp_path):
    world = World(
        MemcachedBackend([("127.0.0.1", server("memcached", 4, ("-m", "8")).port)]), tmp_path, {"GetPrice": "60s"}
    )
    world.database |= {str(n): os.urandom(200_000).hex() for n in range(40)}
    assert all(world.price(str(n)) == world.database[str(n)] for n in range(40))
    assert world.backend.facts().evictions > 5
    assert world.ask("GetPrice", {"sku": "39"}).note["outcome"] == "hit"
    assert world.ask("GetPrice", {"sku": "0"}).note["outcome"] == "miss"
    world.store.close()


def test_an_answer_too_large_is_given_and_not_kept(server, tmp_path):
    world = World(MemcachedBackend([("127.0.0.1", server("memcached").port)]), tmp_path, {"GetPrice": "60s"})
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
    backend = MemcachedBackend([("127.0.0.1", node.port) for node in nodes], clock=clock)
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
        place.backend._keeper.close()
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
