"""The parts of the cache alone: bytes of entries, keys, policies, the code behind handlers, breakers, imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfnrun.api.caching import CacheOptions, compile_key, open_cache
from sfnrun.cache.backend import Unavailable
from sfnrun.cache.concurrency import BackgroundJobs, Breaker
from sfnrun.cache.entry import Entry, Unreadable, decode, encode
from sfnrun.cache.key import canonical, code_files, key_of
from sfnrun.cache.outcome import describe
from sfnrun.cache.policy import Policies, Policy, expiry
from sfnrun.config import Project
from sfnrun.effects import Request
from sfnrun.errors import ConfigError, UsageError
from sfnrun.payload import Payload, dumps
from sfnrun.tasks.cached.fingerprint import CodeFingerprints
from sfnrun.tasks.callables import from_callables
from sfnrun.tasks.mocks import PENDING_HANDLER, static_result, with_duration
from sfnrun.tasks.resolve import Resolver, TaskNames

from .world import config_of, lambda_of

TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


# -- entries ---------------------------------------------------------------------------------------------------------


@given(JSON, TEXT, st.none() | st.integers(0, 2**53), st.none() | st.dictionaries(TEXT, TEXT, max_size=4))
def test_what_is_written_is_read(value, name, expires_at, code):
    entry = Entry("value", "T", "S", 1, 2, expires_at, code=code, key_text=dumps(name), id="x")
    data = encode(entry, dumps(value))
    assert decode(data) == (entry, dumps(value))
    assert json.loads(data)[6] == json.loads(dumps(value))  # an entry is JSON that anybody can read


def test_the_text_comes_out_as_it_went_in():
    text = '{"b" : 1.0, "a":\n[1e3 , 10000000000000000000000], "\\ud800": "\u2028"}'
    assert decode(encode(Entry("value", "T", "S", 1, 2), text))[1] == text


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_flipped_bit_goes_unseen(place, bits):
    data = bytearray(encode(Entry("value", "T", "S", 1, 2, 3), '{"price": 5}'))
    data[place % len(data)] ^= bits
    with pytest.raises(Unreadable):
        decode(bytes(data))


@given(st.binary(max_size=200), st.integers(0, 100))
def test_no_bytes_break_the_reader(data, cut):
    for candidate in (data, b'["sfnrun cache",2,"' + data, encode(Entry("value", "T", "S", 1, 2), "1")[:cut]):
        with pytest.raises(Unreadable):
            decode(candidate)


@pytest.mark.parametrize("member", [("kind", "other"), ("called_at", "now"), ("task", None), ("code", []), ("id", 5)])
def test_a_right_checksum_does_not_make_it_ours(member):
    import msgspec

    from sfnrun.cache import entry as module

    meta = json.dumps({**msgspec.to_builtins(Entry("value", "T", "S", 1, 2)), member[0]: member[1]}).encode()
    rest = b'",%15d,%8d,%b,%b]' % (0, len(meta), meta, b"1")
    with pytest.raises(Unreadable, match="foreign"):
        decode(module._OPENING + module._sum(rest) + rest)


# -- keys ------------------------------------------------------------------------------------------------------------


@given(st.dictionaries(TEXT, JSON, max_size=5), st.randoms())
def test_the_order_of_members_makes_no_other_key(payload, chance):
    items = list(payload.items())
    chance.shuffle(items)
    assert key_of(Policy("T"), payload, {}) == key_of(Policy("T"), dict(items), {})


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0, None), ("1", 1), ([], {}), ([1, 2], [2, 1]), ({"a": None}, {}), ([[1], 2], [[1, 2]])],
)
def test_what_differs_has_another_key(one, other):
    assert key_of(Policy("T"), one, {}) != key_of(Policy("T"), other, {})


def test_tasks_environment_and_resources_are_kept_apart():
    keys = [
        key_of(Policy("T"), "x", {}),
        key_of(Policy("U"), "x", {}),
        key_of(Policy("T", vary=("A",)), "x", {}),
        key_of(Policy("T", vary=("A",)), "x", {"A": ""}),
        key_of(Policy("T", vary=("B",)), "x", {"B": ""}),
        key_of(Policy("T", by_resource=True), "x", {}, "arn"),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of(Policy("T"), "x", {"A": "1"}, "arn") == keys[0]


def test_values_that_orjson_refuses_have_keys():
    deep: list = []
    for _ in range(400):
        deep = [deep]
    for value in (2**70, deep, "\ud800"):
        assert canonical(value)


# -- policies --------------------------------------------------------------------------------------------------------


def test_jitter_only_shortens_and_spreads(tmp_path):
    policy = Policy("T", ttl_ms=1000, jitter=0.5)
    ends = {expiry(policy, key_of(policy, n, {}), 0) for n in range(200)}
    assert min(ends) >= 500
    assert max(ends) <= 1000
    assert len(ends) > 100


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ({"Put": {"cache": {"writes": "Get"}}}, "refers to Get, which has no cache rule"),
        ({"Put": {"cache": {"invalidates": ["Get"]}}, "Get": {"cache": False}}, "refers to Get, which has no"),
        ({"Put": {"cache": {"strategy": "write-through"}}}, "requires `writes`"),
        ({"Put": {"cache": {"writes": "sns:*"}}, "sns:*": {"cache": True}}, "matches several tasks"),
    ],
)
def test_rules_that_make_no_sense(tasks, says, tmp_path):
    with pytest.raises(UsageError, match=says):
        Policies(config_of(tasks, tmp_path), compile_key)


@pytest.mark.parametrize("key", ["$.[", "{% ( %}"])
def test_keys_that_do_not_compile(key, tmp_path):
    with pytest.raises(ConfigError, match="key"):
        Policies(config_of({"Get": {"cache": {"key": key}}}, tmp_path), compile_key)


def request_of(state: str, function: str) -> Request:
    return Request("1", "1", state, lambda_of(function), Payload({}), 0, None, {})


def test_a_rule_speaks_of_a_state_else_a_function_else_a_resource(tmp_path):
    tasks = {"State": {"cache": 1}, "function": {"cache": 2}, "arn:aws:lambda:*": {"cache": 3}, "Off": {"cache": False}}
    policies = Policies(config_of(tasks, tmp_path), compile_key)
    found = {
        (state, function): policies(request_of(state, function))
        for state, function in [("State", "function"), ("Other", "function"), ("Other", "another"), ("Off", "function")]
    }
    assert [policy and (policy.task, policy.ttl_ms) for policy in found.values()] == [
        ("State", 1000), ("function", 2000), ("arn:aws:lambda:*", 3000), None,
    ]  # fmt: skip


def test_no_rule_no_cache(tmp_path):
    assert open_cache(Project(), CacheOptions(), print) is None
    assert open_cache(config_of({"A": {"cache": False}}, tmp_path), CacheOptions(), print) is None
    cache = open_cache(Project(), CacheOptions(everything=True, ttl_ms=5), print)
    cache.close()
    policies = Policies(Project(), compile_key, default=None)
    assert policies(request_of("A", "b")) is None


# -- the code behind handlers ----------------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path):
    """Files by their names; gives the folder."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("handler", "files"),
    [
        ("", ["handler.py"]),
        ("import os, json, helper", ["handler.py", "helper.py"]),
        ("from helper import x", ["handler.py", "helper.py"]),
        ("import shop.prices", ["handler.py", "shop/init.py", "shop/prices.py", "shop/tax.py"]),
        ("from shop import prices", ["handler.py", "shop/init.py", "shop/prices.py", "shop/tax.py"]),
        ("def f():\n    import helper", ["handler.py", "helper.py"]),
        ("import importlib\nimportlib.import_module('helper')", ["handler.py", "helper.py"]),
        ("import loop_a", ["handler.py", "loop_a.py", "loop_b.py"]),
        ("import nothing.of.the.kind", ["handler.py"]),
        ("def (", ["handler.py"]),
    ],
)
def test_the_files_behind_a_handler(handler, files, sources):
    home = sources(
        handler=handler, helper="", other="", loop_a="import loop_b", loop_b="import loop_a",
        shop__init="", shop__prices="from . import tax", shop__tax="",
    )  # fmt: skip
    (home / "shop/init.py").rename(home / "shop/__init__.py")
    found = code_files(home / "handler.py", (), home)
    assert list(found) == [file.replace("/init", "/__init__") for file in files]
    before = dict(found)
    for path in home.rglob("*.py"):
        path.write_text(path.read_text() + "\n# changed")
        changed = path.relative_to(home).as_posix()
        after = code_files(home / "handler.py", (), home)
        assert {name for name in after if after[name] != before.get(name)} == {changed} & set(found)
        before = dict(after)


def test_fingerprints_of_handlers(tmp_path):
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / "get_price.py").write_text("import pricing\ndef handler(event, context): ...")
    (functions / "pricing.py").write_text("")
    resolver = Resolver(config_of({"Slow": {"result": 1, "duration": "1s"}}, tmp_path))
    fingerprint_of = CodeFingerprints(tmp_path).of
    handler = resolver.find(TaskNames("GetPrice", "GetPrice", lambda_of("GetPrice")))
    fingerprint = fingerprint_of(handler)
    assert list(fingerprint) == ["functions/get_price.py", "functions/pricing.py"]
    assert fingerprint_of(handler) is fingerprint, "read once"
    assert list(fingerprint_of(with_duration(static_result(1), 5))) == ["its fixed result"]
    assert fingerprint_of(static_result(1)) != fingerprint_of(static_result(2))
    assert fingerprint_of(PENDING_HANDLER) is None
    callables = from_callables({"GetPrice": lambda request: 1, "Size": len})
    mine = fingerprint_of(callables.find(TaskNames("GetPrice", None, lambda_of("GetPrice"))))
    assert any(name.endswith("tests/cache/test_parts.py") for name in mine)
    assert fingerprint_of(callables.find(TaskNames("Size", None, lambda_of("Size")))) == {}


# -- the rest --------------------------------------------------------------------------------------------------------


def fail(breaker: Breaker, tried: list[int], second: int) -> None:
    with breaker:
        tried.append(second)
        raise OSError("refused")


def test_a_breaker_opens_longer_each_time_and_closes_at_once():
    now = [0.0]
    breaker = Breaker("node", (OSError,), lambda: now[0])

    def fails() -> str:
        with pytest.raises(Unavailable) as caught, breaker:
            raise OSError("refused")
        return str(caught.value)

    tried = []
    for second in range(100):
        now[0] = float(second)
        with pytest.raises(Unavailable, match="node: refused"):
            fail(breaker, tried, second)
    assert tried == [0, 1, 3, 7, 15, 31, 61, 91]
    now[0] = 1000.0
    with breaker:
        pass
    assert fails() == "node: refused"
    now[0] += 1
    with breaker:
        pass
    with pytest.raises(ValueError, match="ours"), breaker:
        raise ValueError("ours")


def test_what_nobody_waits_for_is_done_once_at_a_time():
    import threading

    gate, done = threading.Event(), []
    background = BackgroundJobs()
    for n in range(5):
        background("key", lambda n=n: (gate.wait(10), done.append(n)))
    background.close(0.01)
    assert done == []
    gate.set()
    background.close(10)
    assert done == [0]


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ({"outcome": "hit", "age_ms": 12_000, "expires_in_ms": 48_000, "saved_ms": 1300},
         "HIT age 12s, expires in 48s, saved 1.3 s"),
        ({"outcome": "hit", "age_ms": 0, "expires_in_ms": None, "saved_ms": 0}, "HIT age 0ms"),
        ({"outcome": "miss", "reason": "first time", "kept": True}, "MISS (first time)"),
        ({"outcome": "miss", "reason": "expired 3s ago", "kept": False}, "MISS (expired 3s ago), not cached"),
        ({"outcome": "store", "to": "GetPrice", "kept": True, "expires_in_ms": 60_000},
         "STORE for GetPrice, expires in 1m"),
        ({"outcome": "stale", "reason": "the replica is behind", "age_ms": 5, "saved_ms": 20},
         "STALE age 5ms (the replica is behind), saved 20 ms"),
        ({"outcome": "bypass", "reason": "--no-cache"}, "BYPASS (--no-cache)"),
    ],
)  # fmt: skip
def test_outcomes_in_words(note, told):
    assert describe(note) == told


def test_no_library_is_imported_before_it_is_used():
    program = (
        "import sys, sfnrun.api.caching, sfnrun.tasks.cached, sfnrun.cache.policy, sfnrun.cache.backends\n"
        "print(sorted({'diskcache', 'redis', 'pymemcache', 'sqlite3', 'socket'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
