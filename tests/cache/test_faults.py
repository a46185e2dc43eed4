"""Every strategy through every fault, on every backend and under both clocks: answers stay right, nothing is fatal."""

import pytest

from .conftest import PLACES
from .test_scenarios import plant
from .world import World

STRATEGIES = {
    "lazy": {},
    "refresh-ahead": {"strategy": "refresh-ahead", "refresh_ahead": 0.01},
    "stale_while_revalidate": {"stale_while_revalidate": "30s"},
    "stale_if_error": {"stale_if_error": "30s", "negative_ttl": "10s"},
    "write-through": {"write": {"strategy": "write-through", "writes": "GetPrice"}},
    "invalidates": {"write": {"invalidates": ["GetPrice"]}},
}

# What happens, the outcomes of the two lookups after it, and the warning.
UNAVAILABLE = ("miss", "the cache is unavailable")
HIT = ("hit", "")
FAULTS = {
    "down": (["down"], [UNAVAILABLE, UNAVAILABLE], "unavailable"),
    "down and up again": (["down", "ask", "up"], [("miss", ""), HIT], "unavailable"),
    "restarted": (["down", "up"], [("miss", ""), HIT], ""),
    "flushed": (["flush"], [("miss", ""), HIT], ""),
    "damaged": (["damaged"], [("miss", "the entry is damaged"), HIT], "is damaged"),
    "newer": (["newer"], [("miss", "the entry is of another format"), HIT], "of another format"),
    "foreign": (["pickle"], [("miss", "the entry is foreign"), HIT], "is foreign"),
    "slow": (["hang"], [UNAVAILABLE, UNAVAILABLE], "unavailable"),
    "slow and quick again": (["hang", "ask", "wake"], [HIT, HIT], "unavailable"),
}
SERVERS = ("redis", "memcached")


# What is in this process or in its folder is not slow.
HURT = [(kind, fault) for kind in PLACES for fault in FAULTS if kind in SERVERS or "hang" not in FAULTS[fault][0]]


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("kind", "fault"), HURT)
def test_fault(kind, strategy, fault, clock, place_of, tmp_path):
    happenings, expected, said = FAULTS[fault]
    rule = dict(STRATEGIES[strategy])
    tasks = {"PutPrice": {**rule.pop("write"), "key": ["sku"]}} if "write" in rule else {}
    place = place_of(kind)
    world = World(place.backend, tmp_path, {"GetPrice": {"ttl": "60s", "key": ["sku"], **rule}, **tasks}, clock)
    world.database["a"] = 5
    if tasks:
        world.ask("PutPrice", {"sku": "a", "price": 6})
    price = world.database["a"]
    assert world.price() == price
    assert world.ask("GetPrice", {"sku": "a"}).note["outcome"] == "hit"
    for what in happenings:
        happen(world, place, what, price)
    for outcome, reason in expected:
        reply = world.ask("GetPrice", {"sku": "a"})
        assert reply.output.value["price"] == price
        assert reply.note["outcome"] == outcome, reply.note
        assert reason in reply.note.get("reason", "")
    assert len(world.said) == bool(said), world.said
    assert said in "".join(world.said)


def happen(world: World, place, what: str, price: int) -> None:
    if what == "ask":
        assert world.price() == price
    elif what in ("damaged", "newer", "pickle"):
        plant(world, what)
    else:
        getattr(place, what)()
