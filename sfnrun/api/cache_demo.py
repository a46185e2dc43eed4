"""Runs the bundled caching example and explains each state with measured times."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from sfnrun.api.caching import CacheOptions, RunCache
from sfnrun.api.run import run
from sfnrun.cache.backend import Backend, Unavailable
from sfnrun.cache.outcome import describe
from sfnrun.config import CacheSettings, FunctionSettings, Project, Settings, load_project
from sfnrun.effects import Answerer, CachedReplies, Handler, Output, Request
from sfnrun.errors import UsageError
from sfnrun.record import Event, Note
from sfnrun.tasks.resolve import Resolver

__all__ = ["cache_demo"]

_EXAMPLE = "statemachines/caching.asl.yaml"
_SEED = 1

# Title and explanation of each state of the example.
_LESSONS = {
    "FirstRead": (
        "A miss makes three trips",
        "Lazy loading: look up the key, query the database, store the result. Only requested values are ever cached.",
    ),
    "SecondRead": (
        "A hit makes one",
        "The payload and the code are the same, so the cached result is returned. The database is not queried.",
    ),
    "ReadAfterExpiry": (
        "A TTL expires",
        "The state machine has waited 61 s, which its virtual clock passes instantly. The entry has expired.",
    ),
    "ChangeBehindTheCache": (
        "A direct write to the database",
        "This Task has no cache rule. It changes the price in the database, but not in the cache.",
    ),
    "ReadTheOldPrice": (
        "A stale read",
        "The cache does not see the write. With lazy loading, the old price is returned until its TTL expires.",
    ),
    "WriteThroughTheCache": (
        "Write-through",
        "The Task that writes also stores its result under the key that the reading Task looks up.",
    ),
    "ReadTheNewPrice": (
        "A correct hit",
        "The reader gets the written price. The database is not queried.",
    ),
}


class Trip(NamedTuple):
    """One thing that was waited for."""

    name: str
    ms: float


class _Timed:
    """A backend whose trips are timed."""

    def __init__(self, backend: Backend, trips: list[Trip]) -> None:
        self._backend = backend
        self._trips = trips

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._backend, name)
        if name not in _TRIPS:
            return found

        def timed(*arguments: Any) -> Any:
            turn = name == "lookup" and arguments[0].startswith("write:")
            with _timing(self._trips, "wait for the write lease" if turn else _TRIPS[name]):
                return found(*arguments)

        return timed


_TRIPS = {"lookup": "look up the key", "put": "store the result", "release": "store the result"}


@contextmanager
def _timing(trips: list[Trip], name: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    except Unavailable:
        name += " (failed)"
        raise
    finally:
        trips.append(Trip(name, (time.perf_counter() - began) * 1000))


class _Teacher:
    """Hears what happens, and explains it."""

    def __init__(self, write: Callable[[str], None], trips: list[Trip]) -> None:
        self._write = write
        self._trips = trips
        self._note: Note | None = None
        self._state = ""
        self.count = 0

    def note(self, note: Note) -> None:
        if note.kind == "cache":
            self._note = note

    def event(self, event: Event) -> None:
        if event.type == "TaskStateEntered":
            self._state, self._note = event.details["name"], None
            self._trips.clear()
        elif event.type == "LambdaFunctionSucceeded" and self._state in _LESSONS:
            self._explain(event.details["output"].value)

    def _explain(self, answer: Any) -> None:
        self.count += 1
        title, why = _LESSONS[self._state]
        told = describe(self._note.details) if self._note else "no cache"
        lines = ["", f"{self.count}. {title}", f"   {why}", f"   {self._state}: {told}"]
        lines += [f"     {trip.name:<24}{trip.ms:>9.2f} ms" for trip in _merged(self._trips)]
        lines += [f"     price {answer['price']}, from the database's call no. {answer['database_calls']}"]
        for line in lines:
            self._write(line)


def _merged(trips: list[Trip]) -> list[Trip]:
    """Trips to the same place that follow one another, as one."""
    return [Trip(name, sum(trip.ms for trip in same)) for name, same in groupby(trips, lambda trip: trip.name)]


def cache_demo(write: Callable[[str], None], backend: str | None = None) -> None:
    """Run the example and explain it, line by line; `backend` as in sfnrun.yaml (default: a temporary directory)."""
    root = _root()
    with tempfile.TemporaryDirectory() as folder:
        project = load_project(root, config=root / "sfnrun.yaml")
        table = FunctionSettings(environment={"PRICE_TABLE": str(Path(folder) / "prices.db")})
        project = replace(project, settings=replace(project.settings, functions={"*": table}))
        settings = CacheSettings(backend=backend or str(Path(folder) / "cache"))
        write(f"Running {_EXAMPLE}: a slow database behind a cache ({backend or 'a directory'}).")
        _lesson(write, root, _with_cache(project, settings))
        write("")
        write("8. An unreachable cache")
        write("   The same run with an unreachable cache. No Task fails; every lookup is a miss.")
        _dead_node(write, root, _with_cache(project, _nobody(Path(folder))))


def _with_cache(project: Project, settings: CacheSettings) -> Project:
    return replace(project, settings=replace(project.settings, cache=settings))


def _lesson(write: Callable[[str], None], root: Path, project: Project) -> None:
    trips: list[Trip] = []
    _execute(root, project, trips, _Teacher(write, trips), write)


def _dead_node(write: Callable[[str], None], root: Path, project: Project) -> None:
    trips: list[Trip] = []
    outcomes: list[str] = []

    class Counting:
        def event(self, event: Event) -> None:
            pass

        def note(self, note: Note) -> None:
            if note.kind == "cache":
                outcomes.append(note.details["outcome"])

    status = _execute(root, project, trips, Counting(), lambda line: write(f"   {line}"))
    failed = [trip.ms for trip in trips if "failed" in trip.name]
    kinds = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in dict.fromkeys(outcomes))
    write(f"   {status}: {kinds}; {len(failed)} failed trips took {sum(failed):.2f} ms in all")


def _execute(root: Path, project: Project, trips: list[Trip], listener: Any, say: Callable[[str], None]) -> str:
    cache = RunCache(project, CacheOptions(), say)
    cache.store.backend = _Timed(cache.store.backend, trips)
    cache.store.tag_version("")  # opens the backend, which is not to be measured
    trips.clear()
    definition = root / _EXAMPLE
    answerer = cache.around(_TimedHandlers(Resolver(project), trips))
    try:
        result = run(
            definition,
            {"sku": "green-tea", "price": 18},
            tasks=lambda request: answerer.for_request(request).call(request),
            config=Settings(),  # the cache is around the tasks already
            listener=listener,
            seed=_SEED,
            keep_events=False,
        )
    finally:
        cache.close()
        answerer.close()
    return result.status


class _TimedHandlers:
    """The same handlers, with their time among the trips."""

    cached_replies: CachedReplies | None = None

    def __init__(self, answerer: Answerer, trips: list[Trip]) -> None:
        self._answerer = answerer
        self._trips = trips

    def close(self) -> None:
        self._answerer.close()

    def for_request(self, request: Request) -> Handler:
        handler = self._answerer.for_request(request)

        def call(request: Request) -> Output:
            with _timing(self._trips, "query the database"):
                return handler.call(request)

        return replace(handler, call=call)


def _root() -> Path:
    """Where the example is: in the package if it was installed, beside it in the repository."""
    package = Path(__file__).parents[1]
    for root in (package / "examples", package.parent):
        if (root / _EXAMPLE).is_file():
            return root
    raise UsageError("The example is not installed.", f"It is {_EXAMPLE} in the repository.")


def _nobody(folder: Path) -> CacheSettings:
    """A server that is not there; without a library to ask one, a folder that cannot be."""
    if find_spec("redis") is None:
        blocked = folder / "blocked"
        blocked.write_text("no folder")
        return CacheSettings(backend=str(blocked / "cache"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return CacheSettings(backend=f"redis://127.0.0.1:{probe.getsockname()[1]}")
