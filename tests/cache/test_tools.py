"""What can be done with a cache from outside: figures, lists that keep secrets, clearing, carrying, warming, a demo."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

import sfnrun
from sfnrun.api.cache_demo import cache_demo
from sfnrun.api.cache_tools import inventory, now_ms, warm
from sfnrun.api.caching import CacheOptions
from sfnrun.cache.admin import CacheAdmin
from sfnrun.cli.cache import app
from sfnrun.config import CacheSettings, FunctionSettings, load_project
from sfnrun.errors import UnavailableError, UsageError
from sfnrun.view.tables import ENTRY_COLUMNS

from .world import World

ROOT = Path(__file__).resolve().parents[2]
RULES = {
    "GetPrice": {"ttl": "60s", "key": ["sku"]},
    "PutPrice": {"writes": "GetPrice", "key": ["sku"]},
    "GetStock": {"ttl": "10s"},
}


@pytest.fixture
def world(place, tmp_path) -> World:
    return World(place.backend, tmp_path, RULES, takes_ms=1500, database={"a": 5, "b": 6}, redact=("token",))


def test_figures_by_task(world):
    world.price("a")
    world.now += 1500
    world.price("a")
    world.price("b")
    world.ask("PutPrice", {"sku": "a", "price": 7})
    world.ask("GetStock", {"sku": "a"})
    world.now += 10_000
    stats = CacheAdmin(world.store).stats(world.now)
    found = {task.task: task for task in stats.tasks}
    price = found["GetPrice"]
    assert (price.entries, price.hits, price.misses, price.saved_ms) == (2, 1, 2, 1500)
    assert price.hit_rate == pytest.approx(1 / 3)
    assert price.oldest_ms == 8500
    assert found["PutPrice"].stores == 1
    assert found["PutPrice"].hit_rate is None
    assert (stats.label, stats.faults) == (world.backend.label, 0)
    assert price.bytes > 200


def test_lists_keep_secrets(world):
    world.ask("GetStock", {"sku": "a", "token": "sesame", "more": [{"token": "sesame"}]})
    world.now += 1500 + 10_000
    world.price("a")
    world.now += 1500
    entries = CacheAdmin(world.store).entries(world.now)
    assert [line.task for line in entries] == ["GetPrice", "GetStock"]
    assert entries[1].key_text == '{"more":[{"token":"•••"}],"sku":"a","token":"•••"}'
    assert entries[1].expires_in_ms == -1500
    assert entries[0].expires_in_ms == 60_000
    assert [line.task for line in CacheAdmin(world.store).entries(world.now, "GetStock")] == ["GetStock"]


def test_show_masks_unless_asked(world):
    world.price("a")
    key = world.ask("GetPrice", {"sku": "a"}).note["key"]
    found = CacheAdmin(world.store)
    assert found.show(key).value == {"sku": "•••", "price": "•••"}
    assert found.show(key[:6], reveal=True).value == {"sku": "a", "price": 5}
    with pytest.raises(UsageError, match="no entry matches the key prefix 'x'"):
        found.show("x")
    world.price("b")
    with pytest.raises(UsageError, match="2 entries"):
        found.show("")


def test_clear_one_task_what_expired_or_all(world):
    for _ in range(2):
        world.price("a")
        world.ask("GetStock", {"sku": "a"})
        world.now += 1500
    found = CacheAdmin(world.store)
    assert found.clear(expired_at=world.now) == 0
    world.now += 10_000
    assert found.clear(expired_at=world.now) == 1
    assert [line.task for line in found.entries(world.now)] == ["GetPrice"]
    assert found.clear(task="GetStock") == 0
    assert found.clear(task="GetPrice") == 1
    world.price("a")
    assert found.clear() == 1
    world.store.flush()
    assert found.entries(world.now) == []
    assert world.ask("GetPrice", {"sku": "a"}).note["outcome"] == "miss"


def test_what_is_exported_can_be_imported_elsewhere(world, tmp_path, place_of):
    world.database["a"] = "ä\n\u2028 1.0"
    world.price("a")
    world.price("b")
    lines = list(CacheAdmin(world.store).export())
    other = World(place_of("memory").backend, tmp_path, RULES, now=world.now + 1500)
    assert CacheAdmin(other.store).import_lines(lines) == 2
    assert other.price("a") == world.database["a"]
    assert other.price("b") == 6
    assert other.calls == {}


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"key":"../x","entry":{},"text":"1"}'])
def test_a_foreign_import_is_refused_as_a_whole(world, line):
    world.price("a")
    lines = [*CacheAdmin(world.store).export(), line]
    CacheAdmin(world.store).clear()
    with pytest.raises(UsageError, match="line 2 is not an exported cache entry"):
        CacheAdmin(world.store).import_lines(lines)
    assert CacheAdmin(world.store).entries(world.now) == []


# -- from the command line -------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a function, an sfnrun.yaml and a machine."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/get_price.py").write_text(
        "calls = []\n\ndef handler(event, context):\n    calls.append(1)\n"
        "    if event['sku'] == 'bad':\n        raise ValueError('bad')\n"
        "    return {'price': 5, 'calls': len(calls)}\n"
    )
    (tmp_path / "sfnrun.yaml").write_text("tasks: {GetPrice: {cache: {ttl: 1h, key: [sku]}}}\n")
    return tmp_path


def sfn_cache(*arguments: str, stdin: str | None = None):
    return CliRunner().invoke(app, arguments, input=stdin)


def test_warm_and_look(project):
    (project / "prices.jsonl").write_text(
        '{"task": "GetPrice", "payload": {"sku": "a"}}\n\n'
        '{"task": "GetPrice", "payload": {"sku": "b"}, "value": 1.50}\n'
    )
    assert sfn_cache("warm", "prices.jsonl").stderr == "1 stored from values, 1 computed by handlers, 0 failed\n"
    listed = [line.split("\t") for line in sfn_cache("list").stdout.splitlines()]
    assert [(row[1], row[-1]) for row in listed] == [("GetPrice", '{"sku":"b"}'), ("GetPrice", '{"sku":"a"}')]
    assert {len(row) for row in listed} == {len(ENTRY_COLUMNS)}
    limited = sfn_cache("list", "-n", "1")
    assert (len(limited.stdout.splitlines()), limited.stderr) == (1, "1 of 2\n")
    entries = json.loads(sfn_cache("list", "GetPrice", "--json").stdout)
    assert json.loads(sfn_cache("show", entries[0]["key"]).stdout)["value"] == "•••"
    assert json.loads(sfn_cache("show", entries[0]["key"], "--reveal").stdout)["value"] == 1.5
    stats = json.loads(sfn_cache("stats", "--json").stdout)
    assert (stats["tasks"][0]["task"], stats["tasks"][0]["entries"]) == ("GetPrice", 2)
    shown = sfn_cache("stats")
    assert shown.stdout.split("\t")[:3] == ["GetPrice", "-", "0"]
    assert shown.stderr.startswith("disk ")
    for name in ("get-price", "Get*", "GetPrice"):
        assert len(sfn_cache("list", name).stdout.splitlines()) == 2
    assert sfn_cache("list", "Other").stdout == ""
    exported = sfn_cache("export").stdout
    assert sfn_cache("clear", "GetPrice").stderr == "2 entries removed\n"
    assert sfn_cache("list").stderr == f"no cached results in {project}/.sfnrun/cache\n"
    assert sfn_cache("import", "-", stdin=exported).stderr == "2 entries imported\n"
    assert sfn_cache("clear", "--expired").stderr == "0 entries removed\n"
    assert sfn_cache("clear", "--all").stderr == "2 entries removed\n"


def test_an_empty_cache_is_named(project):
    told = f"no cached results in {project}/.sfnrun/cache\n"
    for command in (["stats"], ["list"]):
        assert sfn_cache(*command).stderr == told
    assert json.loads(sfn_cache("stats", "--json").stdout)["tasks"] == []
    assert sfn_cache("export").stdout == ""
    assert sfn_cache("clear", "--all").stderr == "0 entries removed\n"
    assert sfn_cache("list", "GetPrice").stderr == f"no cached results for GetPrice in {project}/.sfnrun/cache\n"
    assert not list(project.rglob(".sfnrun"))  # who only looks makes no folder


def test_warmed_answers_are_hits(project):
    config = load_project(project)
    warmed = warm(
        config, ['{"task": "GetPrice", "payload": {"sku": "a"}}', '{"task":"GetPrice","payload":{"sku":"bad"}}']
    )
    assert warmed == (0, 1, 1)
    with inventory(config) as found:
        (line,) = found.entries(now_ms())
        assert line.key_text == '{"sku":"a"}'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("x", "line 1"),
        ('{"task": "GetPrice"}', "payload"),
        ('{"task": "Other", "payload": {}}', "no cache rule"),
        ('{"task": "GetPrice", "payload": {}}', "no key 'sku'"),
        ('{"task": "GetPrice", "payload": {}, "colour": 1}', "colour"),
    ],
)
def test_lines_that_warm_nothing(project, line, says):
    with pytest.raises(UsageError, match=says):
        warm(load_project(project), [line])


def test_clear_wants_to_know_what(project):
    assert isinstance(sfn_cache("clear").exception, UsageError)
    assert isinstance(sfn_cache("clear", "--all", "--expired").exception, UsageError)


def test_a_cache_out_of_reach_is_told(project):
    (project / "sfnrun.yaml").write_text("cache: {backend: 'redis://127.0.0.1:1'}\n")
    failed = sfn_cache("stats").exception
    assert isinstance(failed, UnavailableError)
    assert failed.message.startswith("cannot reach the cache: redis 127.0.0.1:1")


# -- the example -----------------------------------------------------------------------------------------------------


def test_the_demo_measures_what_it_says():
    lines: list[str] = []
    cache_demo(lines.append)
    text = "\n".join(lines)
    for told in (
        "FirstRead: MISS (first time)",
        "SecondRead: HIT age 0ms, expires in 1m, saved ",
        "ReadAfterExpiry: MISS (expired 1s ago)",
        "ChangeBehindTheCache: no cache",
        "ReadTheOldPrice: HIT",
        "WriteThroughTheCache: STORE for GetPrice",
        "price 14, from the database's call no. 2",
        "price 18, from the database's call no. 4",
        "cache unavailable",
        "SUCCEEDED: 5 miss, 1 store;",
    ):
        assert told in text, text
    assert text.index("no. 1") < text.index("no. 2")
    assert "PRICE_TABLE" not in os.environ


@pytest.fixture
def installed(tmp_path):
    """The package as a wheel lays it out, in a folder that no repository is above."""
    site = tmp_path / "site-packages"
    shutil.copytree(ROOT / "sfnrun", site / "sfnrun", ignore=shutil.ignore_patterns("__pycache__"))
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source, destination in wheel["force-include"].items():
        (site / destination).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, site / destination)
    return site


def test_the_installed_demo_runs_its_own_functions_in_any_folder(installed, tmp_path):
    project = tmp_path / "project"
    (project / "functions").mkdir(parents=True)
    for name in ("get_price", "put_price", "change_price"):
        (project / "functions" / f"{name}.py").write_text(
            "open('called', 'w').close()\nhandler = lambda *given: 1 / 0\n"
        )
    done = subprocess.run(
        [sys.executable, "-m", "sfnrun", "cache", "demo"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "price 18, from the database's call no. 4" in done.stdout + done.stderr
    assert [path.name for path in project.iterdir()] == ["functions"]


def test_the_example_runs_without_a_cache(tmp_path):
    project = load_project(Path("statemachines"))
    table = FunctionSettings(environment={"PRICE_TABLE": str(tmp_path / "prices.db")})
    cache = CacheSettings(backend=str(tmp_path / "none"))
    settings = replace(project.settings, cache=cache, functions={"*": table})
    with sfnrun.Session(replace(project, settings=settings), cache=CacheOptions(off=True)) as session:
        result = session.run("statemachines/caching.asl.yaml", {"sku": "tea-cup", "price": 11})
    assert {place.name for place in tmp_path.iterdir()} == {"prices.db", "none"}
    assert result.status == "SUCCEEDED"
    assert {name: answer["price"] for name, answer in result.output.items() if isinstance(answer, dict)} == {
        "first": 9, "second": 9, "after_expiry": 9, "changed": 10, "old": result.output["old"]["price"], "written": 11,
        "new": 11,
    }  # fmt: skip
