"""Resolve the address of a run to a store, and the name of an execution in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from sfnrun.addresses import RunAddress, parse_run
from sfnrun.errors import HistoryError, did_you_mean
from sfnrun.history.store import FolderStore, Store, open_store

__all__ = ["LocatedRun", "RunHandle", "RunLike", "locate", "project_store"]


class LocatedRun(NamedTuple):
    """An execution: the store that it is recorded in, and its name there."""

    store: Store
    name: str


@runtime_checkable
class RunHandle(Protocol):
    """An Execution or a Result: it knows where it is recorded."""

    def located(self) -> LocatedRun:
        """The store of the execution, and its name. Raises HistoryError if it is not recorded."""
        ...


# RUN: the address of a run, the path of its file, or a handle or Result of it.
RunLike = str | Path | RunHandle


def project_store(store: Store | str | Path | None = None) -> Store:
    """The store that was passed, or that of the project of the working directory."""
    if store is not None:
        return open_store(store)
    from sfnrun.config import load_project

    return open_store(load_project().store)


def locate(run: RunLike | RunAddress, store: Store | str | Path | None = None) -> LocatedRun:
    """Find a run in a store, by default the project's, or by its file. Raises HistoryError."""
    if isinstance(run, RunAddress | str):
        address = parse_run(run) if isinstance(run, str) else run
        found = _FINDERS[address.kind](address, store)
        if address.children:
            message = f"execution '{found.name}' has no child '{address.children[0]}'"
            raise HistoryError(message, f"run `sfnrun trace list {found.name}` to list its children")
        return found
    return _in_file(run) if isinstance(run, Path) else run.located()


def _in_file(path: Path) -> LocatedRun:
    if path.suffix != ".jsonl":
        raise HistoryError(f"not an execution history: {path}", "pass a FILE.jsonl")
    return LocatedRun(FolderStore(path.parent), path.stem)


def _by_file(address: RunAddress, store: Store | str | Path | None) -> LocatedRun:
    path = Path(address.name).expanduser()
    # An execution can have such a name too: `--name refund.jsonl`.
    if not path.exists() and path.name == address.name:
        there = project_store(store)
        if any(each.name == path.name for each in there.list()):
            return LocatedRun(there, path.name)
    return _in_file(path)


def _by_name(address: RunAddress, store: Store | str | Path | None) -> LocatedRun:
    there = project_store(store)
    try:
        there.describe(address.name)
    except HistoryError:
        names = [each.name for each in there.list()]
        if address.name in names:
            raise
        hint = did_you_mean(address.name, names, "run `sfnrun trace list` to list executions")
        raise HistoryError(f"execution not found: '{address.name}'", hint) from None
    return LocatedRun(there, address.name)


def _by_arn(address: RunAddress, store: Store | str | Path | None) -> LocatedRun:
    there = project_store(store)
    for each in there.list():
        if each.arn == address.name:
            return LocatedRun(there, each.name)
    raise HistoryError(f"execution not found: '{address.name}'", "run `sfnrun trace list` to list executions")


def _last(address: RunAddress, store: Store | str | Path | None) -> LocatedRun:
    there = project_store(store)
    found = [each for each in there.list() if each.parent is None and each.status != "UNREADABLE"]
    if len(found) <= address.back:
        count = f"only {len(found)} executions are" if found else "no executions are"
        raise HistoryError(f"{count} recorded in {there}", "run `sfnrun execute` to record one")
    return LocatedRun(there, found[address.back].name)


_FINDERS: dict[str, Callable[[RunAddress, Store | str | Path | None], LocatedRun]] = {
    "arn": _by_arn,
    "file": _by_file,
    "last": _last,
    "name": _by_name,
}
