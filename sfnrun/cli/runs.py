"""Resolve RUN and RUN:PLACE on the command line to the history of an execution and a place in it."""

from __future__ import annotations

from collections.abc import Iterable
from glob import glob
from pathlib import Path
from typing import NamedTuple

from sfnrun.addresses import RunAddress, parse_address, parse_place, parse_run
from sfnrun.errors import UsageError, did_you_mean

__all__ = ["Visit", "histories_of", "history_of", "recorded", "split_address", "store_of", "visit_at"]

_GLOB = "*?["


class Visit(NamedTuple):
    """What a PLACE leaves open is None: the state, its visit and attempt (from 1), the items around it (from 0)."""

    state: str
    visit: int | None = None
    attempt: int | None = None
    item: str | None = None


def store_of(given: str | None) -> Path:
    """The directory of recorded executions: `--store`, else the project's."""
    if given is not None:
        return Path(given)
    from sfnrun.config import load_project

    store = load_project().store
    return store.relative_to(Path.cwd()) if store.is_relative_to(Path.cwd()) else store


def recorded(store: Path) -> list[Path]:
    """The histories of a directory, newest first."""
    try:
        found = [(path.stat().st_mtime_ns, path) for path in store.glob("*.jsonl")]
    except OSError:
        return []
    return [path for _, path in sorted(found, reverse=True)]


def history_of(run: str | RunAddress, store: Path) -> Path:
    """The history of RUN. Raises UsageError."""
    address = parse_run(run) if isinstance(run, str) else run
    if address.children:
        raise UsageError(f"execution '{address}' not found", "run `sfnrun trace list` to list executions")
    files = recorded(store)
    if address.kind == "last":
        if len(files) <= address.back:
            raise UsageError(f"no recorded executions in {store}", "run one with `sfnrun execute MACHINE`")
        return files[address.back]
    name = address.name.rpartition(":")[2] if address.kind == "arn" else address.name
    for path in (store / f"{name}.jsonl", Path(name).expanduser()):
        if path.is_file():
            return path
    if not files:
        raise UsageError(f"no recorded executions in {store}", "run one with `sfnrun execute MACHINE`")
    hint = did_you_mean(name, [file.stem for file in files], "run `sfnrun trace list` to list executions")
    raise UsageError(f"execution not found: no '{name}' in {store}, and no file of that name", hint)


def histories_of(runs: Iterable[str], store: Path) -> list[Path]:
    """The histories of runs and of glob patterns of files. Raises UsageError."""
    paths: list[Path] = []
    for run in runs:
        if any(character in run for character in _GLOB) and not Path(run).exists():
            found = sorted(glob(run, recursive=True))
            if not found:
                raise UsageError(f"no history file matches {run}", "patterns match files, such as 'histories/*.jsonl'")
            paths += map(Path, found)
        else:
            paths.append(history_of(run, store))
    return paths


def split_address(address: str, store: Path) -> tuple[Path, str | None]:
    """The history of RUN[:PLACE], and the place as text."""
    run, place = parse_address(address)
    return history_of(run, store), place


def visit_at(place: str, states: Iterable[str]) -> Visit:
    """The visit that a PLACE names. Raises UsageError."""
    steps = parse_place(place, set(states)).steps
    items = [str(step.item) for step in steps[:-1] if step.item is not None]
    last = steps[-1]
    return Visit(last.state, last.visit, last.attempt, "/".join(items) or None)
