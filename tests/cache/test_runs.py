"""The cache in whole runs: the same every time under a seed, and right whatever becomes of its server meanwhile."""

import itertools
from pathlib import Path

import pytest
import yaml

import sfnrun
from sfnrun.api.caching import CacheOptions
from sfnrun.cache.outcome import saved_ms

from .conftest import PATIENT

PRICES = {
    "StartAt": "All",
    "States": {
        "All": {
            "Type": "Map",
            "ItemProcessor": {
                "StartAt": "GetPrice",
                "States": {
                    "GetPrice": {
                        "Type": "Task",
                        "Resource": "arn:aws:lambda:us-east-1:123456789012:function:GetPrice",
                        "End": True,
                    }
                },
            },
            "End": True,
        }
    },
}


class Watching:
    """Keeps the notes of the cache, as the trace gets them."""

    def __init__(self) -> None:
        self.notes: list = []

    def event(self, event) -> None:
        pass

    def note(self, note) -> None:
        if note.kind == "cache":
            self.notes.append(note.details)

    def outcomes(self) -> list[str]:
        return [note["outcome"] for note in self.notes]


def settings(folder: Path, backend: str) -> Path:
    path = folder / "sfnrun.yaml"
    cache = {"backend": backend, "timeout": f"{PATIENT}s"}
    path.write_text(yaml.safe_dump({"cache": cache, "tasks": {"GetPrice": {"cache": {"ttl": "60s"}}}}))
    return path


def test_a_seeded_run_is_the_same_to_the_last_byte_however_long_its_handlers_take(tmp_path, monkeypatch):
    config, watching, histories = settings(tmp_path, "memory://"), [], []
    for milliseconds in (7, 1300):
        ticks = itertools.count(0, milliseconds / 1000)
        monkeypatch.setattr("sfnrun.tasks.cached.shared.time.perf_counter", lambda ticks=ticks: next(ticks))
        watching.append(Watching())
        done = sfnrun.run(
            PRICES,
            [{"sku": "a"}, {"sku": "b"}, {"sku": "a"}],
            tasks={"GetPrice": lambda request: {"price": 5}},
            config=config,
            seed=1,
            name="same",
            store=tmp_path / str(milliseconds),
            listener=watching[-1],
            cache=CacheOptions(),
        )
        histories.append(done.history.read_bytes())
    assert histories[0] == histories[1]
    assert [watcher.outcomes() for watcher in watching] == [["miss", "miss", "hit"]] * 2
    assert [saved_ms(watcher.notes[-1]) for watcher in watching] == [7, 1300]  # who watches sees what was saved


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("kind", ["redis", "memcached"])
def test_a_server_that_is_killed_in_the_middle_of_a_run_is_said_once(kind, clock, server, tmp_path):
    running, said, watching = server(kind), [], Watching()

    def price(request):
        if request.payload == 30:
            running.kill()
        return request.payload

    done = sfnrun.run(
        PRICES,
        [*range(40), *range(40)],
        tasks={"GetPrice": price},
        config=settings(tmp_path, f"{kind}://127.0.0.1:{running.port}"),
        clock=clock,
        listener=watching,
        cache=CacheOptions(),
        warn=said.append,
    )
    assert done.output == [*range(40), *range(40)]
    assert watching.outcomes().count("miss") >= 40
    assert len(said) == 1
    assert said[0].startswith("cache unavailable")
