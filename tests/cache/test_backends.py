"""What each backend promises, row by row of the README's table: persistence, eviction, limits, faults, replication."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sfnrun.cache import backends
from sfnrun.cache.backend import ANY_AGE, MissHint, RawLookup, Replacement, TooLarge, Unavailable
from sfnrun.cache.backends import open_backend
from sfnrun.cache.backends.disk import DiskBackend
from sfnrun.cache.backends.memory import MemoryBackend
from sfnrun.cache.entry import Entry, encode, etag
from sfnrun.config import CacheSettings
from sfnrun.config.scalars import CACHE_ADDRESSES
from sfnrun.errors import UnavailableError, UsageError

from .conftest import nodes_of, patient, redis_on

KEY, OTHER = "a" * 40, "b" * 40
ROOT = Path(__file__).resolve().parents[2]


# -- what all four do the same -----------------------------------------------------------------------------------------


def test_what_is_put_is_got(place):
    backend = place.backend
    assert backend.lookup(KEY).value is None
    for value in (b"", b"x", bytes(range(256)) * 4, b"y" * 200_000):
        backend.put(KEY, value, 60)
        assert backend.lookup(KEY).value == value
    backend.delete(KEY)
    backend.delete(KEY)
    assert backend.lookup(KEY).value is None


def entry(n: int, expires_at: int | None = None) -> bytes:
    return encode(Entry("value", "T", "S", 0, n, expires_at, id=str(n)), "1")


def test_an_answer_is_stored_only_over_what_was_seen(place):
    backend, first, second = place.backend, entry(1), entry(2)
    assert backend.release(KEY, "", Replacement(None, first, None))
    assert not backend.release(KEY, "", Replacement(None, second, None))
    assert not backend.release(KEY, "", Replacement(etag(second), second, None))
    assert backend.lookup(KEY).value == first
    assert backend.release(KEY, "", Replacement(etag(first), second, 60))
    assert backend.lookup(KEY).value == second


def test_of_many_answers_at_once_one_is_stored(place):
    entries = [entry(n) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda each: place.backend.release(KEY, "", Replacement(None, each, None)), entries))
    assert sum(won) == 1
    assert place.backend.lookup(KEY).value == entries[won.index(True)]


def test_the_lease_is_for_what_is_not_there_or_dead(place):
    backend, dies_at_5 = place.backend, entry(1, expires_at=5)
    assert backend.lookup(KEY) == RawLookup(None)
    taken = backend.lookup(KEY, expired_by=5)
    assert taken.lease is not None
    assert backend.release(KEY, taken.lease, Replacement(None, dies_at_5, None))
    assert backend.lookup(KEY, expired_by=4) == RawLookup(dies_at_5)
    for expired_by in (5, ANY_AGE):
        taken = backend.lookup(KEY, expired_by=expired_by)
        assert taken.value == dies_at_5
        assert taken.lease is not None
        assert not backend.release(KEY, taken.lease)
    backend.put(KEY, b"not ours", None)
    taken = backend.lookup(KEY, expired_by=0)
    assert taken.lease is not None
    backend.release(KEY, taken.lease)


def test_a_lease_is_had_once(place):
    backend = place.backend
    if isinstance(backend, MemoryBackend):
        assert backend.lookup(KEY, expired_by=0).lease == ""  # nobody else can have it
        return
    lease = backend.lookup(KEY, expired_by=0).lease
    assert backend.lookup(KEY, expired_by=ANY_AGE).lease is None
    backend.release(KEY, lease, Replacement(None, entry(1), None))
    again = backend.lookup(KEY, expired_by=ANY_AGE).lease
    assert again is not None
    backend.release(KEY, again)


def test_an_empty_place_is_claimed_with_its_lease(place):
    backend, claim, answer = place.backend, encode(Entry("tombstone", "T", "", 0, 0), "null"), entry(1)
    lease = backend.lookup(KEY, expired_by=0, claim=claim).lease
    assert backend.lookup(KEY).value == claim
    assert backend.release(KEY, lease, Replacement(etag(claim), answer, None))
    lease = backend.lookup(KEY, expired_by=ANY_AGE, claim=claim).lease
    assert backend.lookup(KEY).value == answer
    backend.release(KEY, lease)


def test_many_are_looked_for_at_once(place):
    keys = [f"{n:040x}" for n in range(50)]
    for key in keys[::2]:
        place.backend.put(key, f"value {key}".encode(), 60)
    found = place.backend.lookup_many(keys)
    assert list(found) == [f"value {key}".encode() if n % 2 == 0 else None for n, key in enumerate(keys)]


def test_a_mark_is_read_in_the_same_trip(place):
    backend = place.backend
    backend.put("gen-x", b"5", None)
    backend.put(KEY, entry(1), None)
    assert backend.lookup(KEY, tag="gen-x") == RawLookup(entry(1), b"5")
    assert backend.lookup(OTHER, tag="gen-x", expired_by=0).tag == b"5"


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
        taken = backend.lookup(key, task, expired_by=0)
        backend.release(key, taken.lease)
        return taken.task_known, taken.hint

    assert remembered(KEY, "T") == (False, None)
    backend.put(KEY, entry(1), None, MissHint("T", 5))
    assert backend.release(OTHER, "", Replacement(None, entry(2), None, MissHint("T", None)))
    backend.delete(KEY)
    backend.delete(OTHER)
    assert remembered(KEY, "T") == (True, ("T", 5))
    assert remembered(OTHER, "T") == (True, ("T", None))
    assert remembered("c" * 40, "T") == (True, None)
    assert remembered("c" * 40, "U") == (False, None)


def test_scan_and_clear_see_entries_and_nothing_else(place):
    backend = place.backend
    backend.put(KEY, b"1", None, MissHint("T", 5))
    backend.put(OTHER, b"2", None)
    backend.put("gen-x", b"3", None)
    backend.add({("T", "hits"): 1})
    lease = backend.lookup("c" * 40, expired_by=0).lease
    assert dict(backend.scan()) == {KEY: b"1", OTHER: b"2"}
    backend.release("c" * 40, lease)
    backend.clear()
    assert dict(backend.scan()) == {}
    assert backend.lookup("gen-x").value is None
    assert backend.counts() == {}
    assert not backend.lookup(KEY, "T", expired_by=0).task_known


def test_an_empty_backend_has_evicted_nothing(place):
    info = place.backend.info()
    assert info.evictions == 0
    if isinstance(place.backend, MemoryBackend | DiskBackend):
        assert (info.size_bytes is not None, info.eviction_policy) == (True, "lru")


def test_what_stays_after_a_restart(place):
    """Disk keeps its entries; memory and memcached do not; Redis as its configuration says, here it does not."""
    backend = place.backend
    backend.put(KEY, b"1", None)
    if isinstance(backend, MemoryBackend):
        assert MemoryBackend().lookup(KEY).value is None
    elif isinstance(backend, DiskBackend):
        again = DiskBackend(backend.folder)
        assert again.lookup(KEY).value == b"1"
        again.close()
    else:
        place.server.kill()
        place.server.start()
        assert backend.lookup(KEY).value is None  # and the broken connection is not noticed
        backend.put(KEY, b"2", None)
        assert backend.lookup(KEY).value == b"2"


def test_redis_keeps_what_its_configuration_says(server):
    running = server("redis", 9, ("--appendonly", "yes", "--appendfsync", "always"))
    backend = redis_on(running.port)
    backend.put(KEY, b"1", None)
    running.kill()
    running.start()
    until = time.monotonic() + 60
    while b"loading:1" in (running.say(b"INFO persistence")):
        assert time.monotonic() < until
    assert backend.lookup(KEY).value == b"1"
    backend.close()


def test_garbage_is_cleared_away_by_the_backend_itself(place):
    """By its own clock, which has no say in how old an answer may be; memory is only bounded."""
    backend = place.backend
    backend.put(KEY, b"1", 0.05)
    backend.put(OTHER, b"2", None)
    until = time.monotonic() + 60
    while not isinstance(backend, MemoryBackend) and backend.lookup(KEY).value is not None:
        assert time.monotonic() < until
    assert backend.lookup(OTHER).value == b"2"


class Endless(bytes):
    """Bytes that say they are more than anybody takes."""

    def __len__(self) -> int:
        return 2**40


@pytest.mark.parametrize("kind", ["memory", "disk", "redis"])  # memcached packs it first
def test_what_is_too_large_is_refused_before_it_is_sent(kind, place_of):
    backend = place_of(kind).backend
    with pytest.raises(TooLarge):
        backend.put(KEY, Endless(b"x"), None)
    assert backend.lookup(KEY).value is None


@pytest.mark.parametrize(
    ("address", "library", "extra"), [("rediss://x", "redis", "redis"), ("memcached://x", "pymemcache", "memcached")]
)
def test_a_library_that_is_not_installed_is_named(address, library, extra, monkeypatch):
    monkeypatch.delitem(sys.modules, f"sfnrun.cache.backends.{extra}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UnavailableError, match=library) as caught:
        open_backend(CacheSettings(backend=address))
    assert caught.value.hint == f"pip install 'sfnrun[{extra}]'"


@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_a_hung_server_costs_its_timeout_once(kind, place_of, monkeypatch):
    module = sys.modules[f"sfnrun.cache.backends.{kind}"]
    trips, answer = [], module._answer
    monkeypatch.setattr(module, "_answer", lambda *given: (trips.append(given), answer(*given))[1])
    place = place_of(kind)
    place.backend.put(KEY, b"1", None)
    place.hang()
    trips.clear()
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"timed out|Timeout"):
        place.backend.lookup(KEY)
    assert time.monotonic() - began > 0.15
    for _ in range(100):
        with pytest.raises(Unavailable):
            place.backend.lookup(KEY)
    assert len(trips) == 1  # the breaker is open
    place.wake(seconds=0)
    with pytest.raises(Unavailable):
        place.backend.lookup(KEY)
    assert len(trips) == 1
    place.clock.seconds += 1
    assert place.backend.lookup(KEY).value == b"1"


@pytest.mark.parametrize(
    ("address", "seconds"),
    [("redis://x", 0.2), ("redis://x?timeout=1s", 1.0), ("memcached://x", 0.2), ("memcached://x?timeout=50ms", 0.05)],
)
def test_the_timeout_is_that_of_the_settings_or_of_the_address(address, seconds):
    backend = open_backend(CacheSettings(backend=address))
    (node,) = nodes_of(backend)
    if address.startswith("redis"):
        connection = node.calls.connection_pool.make_connection()
        assert (connection.socket_timeout, connection.socket_connect_timeout) == (seconds, seconds)
    else:
        connection = node._connection()
        assert (connection.timeout, connection.connect_timeout) == (seconds, seconds)
    backend.close()


# -- addresses ---------------------------------------------------------------------------------------------------------


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
    backend = open_backend(CacheSettings(backend=address))
    assert backend.label == label
    assert backend.may_lag == ("replica" in address)
    backend.close()


@pytest.mark.parametrize(
    "address",
    [
        "ftp://x",
        "redis://x:port",
        "redis://x/?colour=red",
        "redis://x/?decode_responses=1",
        "memcached://x?colour=red",
        "sqlite:///x",
    ],
)
def test_addresses_that_make_no_sense(address):
    with pytest.raises(UsageError) as caught:
        open_backend(CacheSettings(backend=address))
    assert "memory://" in caught.value.hint


def test_a_password_is_not_told():
    with pytest.raises(UsageError) as caught:
        open_backend(CacheSettings(backend="redis://me:secret@x/?colour=red"))
    assert "secret" not in caught.value.message
    assert "'redis://x/?colour=red'" in caught.value.message


def test_a_password_is_used(server):
    running = server("redis", 3, ("--requirepass", "sesame"))
    told = f"redis://:sesame@127.0.0.1:{running.port}/0"
    backend = open_backend(patient(told))
    backend.put(KEY, b"1", None)
    assert backend.lookup(KEY).value == b"1"
    backend.close()
    backend = open_backend(patient(f"redis://127.0.0.1:{running.port}/0"))
    with pytest.raises(Unavailable, match=r"[Aa]uth"):
        backend.lookup(KEY)
    backend.close()


@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_prefixes_keep_projects_apart(kind, server):
    port = server(kind).port
    settings = [patient(f"{kind}://127.0.0.1:{port}?prefix={prefix}") for prefix in ("a:", "b *[é] c%25")]
    one, two = (open_backend(each) for each in settings)
    one.put(KEY, b"1", None)
    two.put(KEY, b"2", None)
    assert (one.lookup(KEY).value, two.lookup(KEY).value) == (b"1", b"2")
    assert dict(two.scan()) == {KEY: b"2"}
    two.clear()
    assert (one.lookup(KEY).value, two.lookup(KEY).value) == (b"1", None)
    one.close()
    two.close()


def test_every_address_of_the_settings_can_be_opened_and_no_other():
    assert backends._OPEN.keys() == CACHE_ADDRESSES.keys()
