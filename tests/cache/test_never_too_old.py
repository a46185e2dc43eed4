"""With any interleaving of reads, writes, expiries and faults no answer is older than its policy allows.

Interleavings are made on one thread: whatever another thread could do while a handler is at work is done within it,
after it has read or written the database and before it answers. So every order is reproducible, and shrinks.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sfnrun.cache.backend import Unavailable
from sfnrun.cache.backends.memory import MemoryBackend
from sfnrun.errors import TaskFailed

from .world import World

SKUS = ("a", "b")


class FaultyBackend(MemoryBackend):
    """Fails when told to: before it has done anything, or after, as when an answer is lost on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[str] = []

    def _either(self, action, *arguments):
        fault = self.plan.pop(0) if self.plan else "works"
        if fault == "before":
            raise Unavailable("lost on the way there")
        result = action(*arguments)
        if fault == "after":
            raise Unavailable("lost on the way back")
        return result

    def lookup(self, *arguments):
        return self._either(super().lookup, *arguments)

    def release(self, *arguments):
        return self._either(super().release, *arguments)

    def put(self, *arguments):
        return self._either(super().put, *arguments)


@dataclass
class History:
    """What the database held, version by version: versions only grow, so an older value is a smaller number."""

    now: int = 0
    current: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SKUS, 0))
    replaced_at: dict[tuple[str, int], int] = field(default_factory=dict)
    completed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SKUS, 0))
    version: int = 0

    def write(self, sku: str) -> int:
        self.version += 1
        self.replaced_at[sku, self.current[sku]] = self.now
        self.current[sku] = self.version
        return self.version

    def age(self, sku: str, version: int) -> int:
        """For how long the database has held something newer."""
        return self.now - self.replaced_at.get((sku, version), self.now)


class AtOnce:
    """What would be fetched beside the execution is fetched before it goes on."""

    def __call__(self, key, job):
        job()

    def close(self, seconds):
        pass


class Interleaved(World):
    """Handlers during which other things happen."""

    def rule(self, tasks, **options):
        self.background = AtOnce()
        super().rule(tasks, **options)

    def call(self, request):
        sku = request.payload["sku"]
        during, fails, takes = self.scripts.pop() if self.scripts else ([], False, 0)
        written = self.history.write(sku) if request.state == "PutPrice" else self.history.current[sku]
        self.open.append((request.state, sku))
        self.run(during)
        self.open.pop()
        self.now += takes
        self.history.now = self.now
        if fails:
            raise TaskFailed("Broken")
        return {"version": written}

    def run(self, operations: list[Any]) -> None:
        for name, *arguments in operations:
            getattr(self, name)(*arguments)

    def wait(self, ms):
        self.now += ms
        self.history.now = self.now

    def write_directly(self, sku):
        if self.lazy:
            self.history.write(sku)

    def faults(self, plan):
        self.backend.plan.extend(plan)

    def flush(self):
        self.backend.clear()

    def read(self, sku, during, fails, takes):
        owed = self.history.completed[sku]
        version = self.ask_within("GetPrice", {"sku": sku}, (during, fails, takes))
        if version is not None:
            self.check(sku, version, owed)

    def write(self, sku, during, fails, takes):
        if ("PutPrice", sku) in self.open:
            return  # another thread would have to wait for this one
        version = self.ask_within("PutPrice", {"sku": sku}, (during, fails, takes))
        if version is not None:
            self.history.completed[sku] = max(self.history.completed[sku], version)

    def ask_within(self, task, payload, script):
        self.scripts.append(script)
        depth = len(self.scripts)
        try:
            reply = self.ask(task, payload)
        except TaskFailed:  # of a Task without a rule
            return None
        finally:
            del self.scripts[depth - 1 :]
        output = reply if isinstance(reply, dict) else None if reply.failure is not None else reply.output.value
        return output and output["version"]


HAPPENINGS = [
    st.tuples(st.just("wait"), st.sampled_from([1, 500, 999, 1000, 1001, 2500])),
    st.tuples(st.just("write_directly"), st.sampled_from(SKUS)),
    st.tuples(st.just("faults"), st.lists(st.sampled_from(["works", "before", "after"]), max_size=5)),
    st.tuples(st.just("flush")),
]


def operations(most: int, *within: int) -> st.SearchStrategy[list[Any]]:
    """Up to so many operations, and within each call of a handler up to so many more."""
    during = operations(*within) if within else st.just([])
    calls = [
        st.tuples(st.just(name), st.sampled_from(SKUS), during, st.booleans(), st.sampled_from([0, 700]))
        for name in ("read", "write")
    ]
    return st.lists(st.one_of(*HAPPENINGS, *calls), max_size=most)


OPERATIONS = operations(6, 3, 2)
ENOUGH = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

# A write that does not reach the cache, and a read after it.
LOST_WRITE = [
    ("read", "a", [], False, 0),
    ("faults", ["works", "before"]),
    ("write", "a", [], False, 0),
    ("read", "a", [], False, 0),
]
# All are made stale, which does not reach the cache either.
LOST_INVALIDATION = [("read", "a", [], False, 0), ("faults", ["before"]), *LOST_WRITE[2:]]


def run(world: Interleaved, operations: list[Any], lazy: bool) -> None:
    world.history, world.scripts, world.open, world.lazy = History(), [], [], lazy
    world.now = world.history.now = 1_000_000
    world.run(operations)


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ({"ttl": "1s"}, 1000),
        ({"ttl": "1s", "jitter": 0.5}, 1000),
        ({"ttl": "1s", "strategy": "refresh-ahead"}, 1000),
        ({"ttl": "1s", "stale_while_revalidate": "1s"}, 2000),
        ({"ttl": "1s", "stale_if_error": "500ms"}, 1500),
        ({"ttl": "1s", "stale_if_error": "500ms", "stale_while_revalidate": "1s", "negative_ttl": "1s"}, 2000),
    ],
    ids=str,
)
def test_lazy_is_never_older_than_ttl_and_windows(rule, allowed, tmp_path):
    @ENOUGH
    @given(OPERATIONS)
    def check(operations):
        world = Interleaved(FaultyBackend(), tmp_path, {"GetPrice": {**rule, "key": ["sku"]}}, "real")

        def not_too_old(sku, version, owed):
            # What happens while a handler is at work is not the cache's doing: its answer is as old as that already.
            assert world.history.age(sku, version) <= allowed + world.longest, (sku, version, world.history)

        world.check, world.longest = not_too_old, 0
        world.longest = total_of(operations)
        run(world, operations, lazy=True)

    check()


def total_of(operations: list[Any]) -> int:
    """The longest that a handler is at work in these operations."""
    longest = 0
    for operation in operations:
        if operation[0] in ("read", "write"):
            inner = sum(span(each) for each in operation[2]) + operation[4]
            longest = max(longest, inner, total_of(operation[2]))
    return longest


def span(operation: Any) -> int:
    if operation[0] == "wait":
        return operation[1]
    if operation[0] in ("read", "write"):
        return sum(map(span, operation[2])) + operation[4]
    return 0


@pytest.mark.parametrize("rule", [{"ttl": "1s"}, {}, {"ttl": "1s", "stale_while_revalidate": "1m"}], ids=str)
@pytest.mark.parametrize("writes", [{"writes": "GetPrice"}, {"invalidates": [{"task": "GetPrice", "key": ["sku"]}]}])
def test_write_through_is_never_older_than_the_last_completed_write(rule, writes, tmp_path):
    @ENOUGH
    @given(OPERATIONS)
    @example(LOST_WRITE)
    @example(LOST_INVALIDATION)
    def check(operations):
        tasks = {"GetPrice": {**rule, "key": ["sku"]}, "PutPrice": {"key": ["sku"], **writes}}
        world = Interleaved(FaultyBackend(), tmp_path, tasks, "real")

        def not_older_than_written(sku, version, owed):
            assert version >= owed, (sku, version, owed)

        world.check = not_older_than_written
        run(world, operations, lazy=False)

    check()


def test_invalidating_all_is_never_older_than_the_last_completed_write(tmp_path):
    @ENOUGH
    @given(OPERATIONS)
    @example(LOST_INVALIDATION)
    def check(operations):
        tasks = {"GetPrice": {"key": ["sku"]}, "PutPrice": {"invalidates": ["GetPrice"]}}
        world = Interleaved(FaultyBackend(), tmp_path, tasks, "real")

        def not_older_than_written(sku, version, owed):
            assert version >= owed, (sku, version, owed)

        world.check = not_older_than_written
        run(world, operations, lazy=False)

    check()
