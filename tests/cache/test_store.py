"""The store in front of a backend: what it remembers of failed writes, of its own writes and of counters."""

import pytest

from sfnrun.cache.backend import Unavailable
from sfnrun.cache.backends.memory import MemoryBackend
from sfnrun.cache.entry import Entry
from sfnrun.cache.policy import Policy, judge, retention_seconds
from sfnrun.cache.store import Store

KEY = "a" * 40


class Failing(MemoryBackend):
    """Fails the methods that are named in `failing`; as a replica it returns what `old` holds."""

    def __init__(self, *failing: str, may_lag: bool = False) -> None:
        super().__init__()
        self.failing = set(failing)
        self.may_lag = may_lag
        self.old: dict[str, bytes] = {}

    def _try(self, name: str) -> None:
        if name in self.failing:
            raise Unavailable("lost")

    def lookup(self, key, *more):
        self._try("lookup")
        found = super().lookup(key, *more)
        return type(found)(self.old[key]) if key in self.old else found

    def put(self, *given):
        self._try("put")
        super().put(*given)

    def add(self, counts):
        self._try("add")
        super().add(counts)


def entry(stored_at: int = 0, **more) -> Entry:
    return Entry("value", "T", "S", stored_at, stored_at, **more)


# -- writes that fail --------------------------------------------------------------------------------------------------


def test_a_value_that_a_failed_write_should_have_replaced_is_not_read_again():
    backend = Failing()
    store = Store(backend)
    assert store.put(KEY, entry(), "1")
    backend.failing = {"put"}
    assert not store.put(KEY, entry(1), "2")
    for _ in range(2):
        found = store.lookup(KEY, "T")
        assert (found.entry, found.lease, found.problem) == (None, "", "the cache is unavailable")
    assert store.lookup_many([(KEY, "T", False)]) == [None]
    backend.failing = set()
    found = store.lookup(KEY, "T")
    assert (found.entry.kind, found.entry.written_by) == ("tombstone", "S")
    assert Store(backend).lookup(KEY, "T").entry.kind == "tombstone"


def test_entries_that_a_failed_invalidation_should_have_dropped_are_not_read_again():
    backend = Failing()
    store = Store(backend)
    version = store.tag_version("T")
    store.put(KEY, entry(tag_version=version), "1")
    backend.failing = {"put"}
    assert not store.invalidate_all("T")
    assert store.lookup(KEY, "T", tagged=True).problem == "the cache is unavailable"
    assert store.lookup_many([(KEY, "T", True)]) == [None]
    assert store.lookup(KEY, "Other").payload.value == 1
    backend.failing = set()
    found = store.lookup(KEY, "T", tagged=True)
    assert found.tag_version not in (None, version)
    assert judge(found.entry, Policy("T", tagged=True), 0, {}, "", found.tag_version).freshness == "unusable"


# -- replicas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second", "lagging"), [(1, 2, True), (2, 2, True), (3, 2, False)])
def test_a_replica_lags_if_it_returns_what_was_written_no_later(first, second, lagging):
    """Two writes can have the same millisecond; an entry that is newer than the own write is another process's."""
    backend = Failing(may_lag=True)
    store = Store(backend)
    store.put(KEY, entry(first), "1")
    backend.old[KEY] = backend._values[KEY]
    store.put(KEY, entry(second), "2")
    assert store.lookup(KEY).lagging == lagging
    backend.old.clear()
    assert not store.lookup(KEY).lagging


# -- counters ----------------------------------------------------------------------------------------------------------


def test_counters_that_cannot_be_written_are_written_the_next_time():
    backend = Failing("add")
    store = Store(backend)
    store.count("T", hits=1)
    assert not store.flush()
    store.count("T", hits=2, calls=1)
    backend.failing = set()
    assert store.flush()
    assert backend.counts() == {("T", "hits"): 3, ("T", "calls"): 1, ("", "faults"): 1}
    assert store.flush()
    assert backend.counts()["T", "hits"] == 3


def test_counters_are_written_by_the_batch():
    backend = MemoryBackend()
    store = Store(backend)
    store._flushed_at += 3600  # the clock has no say here
    for _ in range(1023):
        store.count("T", hits=1)
    assert backend.counts() == {}
    store.count("T", hits=1)
    assert backend.counts() == {("T", "hits"): 1024}


# -- policies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead_ms", "reason"), [(0, ""), (1000, ""), (1001, "stored at a later time")])
def test_an_entry_from_the_future_is_unusable(ahead_ms, reason):
    """Clocks of two machines may differ by a second."""
    verdict = judge(entry(5000 + ahead_ms), Policy("T"), 5000, {}, "", "")
    assert (verdict.freshness, verdict.reason) == ("unusable" if reason else "fresh", reason)


@pytest.mark.parametrize(
    ("policy", "failed", "seconds"),
    [
        ({}, False, None),
        ({"ttl_ms": 60_000}, False, 3660.0),
        ({"ttl_ms": 60_000, "stale_while_revalidate_ms": 30_000}, False, 3690.0),
        ({"ttl_ms": 60_000, "stale_if_error_ms": 40_000, "stale_while_revalidate_ms": 30_000}, False, 3700.0),
        ({"ttl_ms": 60_000, "negative_ttl_ms": 5000}, True, 3605.0),
        ({"negative_ttl_ms": 5000}, True, 3605.0),
    ],
)
def test_retention_covers_the_ttl_its_windows_and_an_hour(policy, failed, seconds):
    assert retention_seconds(Policy("T", **policy), failed=failed) == seconds
