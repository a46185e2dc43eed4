"""Executions at a glance: what the first and the last line of each history say, and whether a process is at it.

To glance at ten thousand takes no longer than at a hundred: what was seen of a file is kept in an index beside the
histories, as long as the file has the size and the time that it had. The index can be deleted at any time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from sfnrun.history.file import ENDS
from sfnrun.history.lock import is_held

__all__ = ["Glance", "ends_of", "glance", "glances"]

INDEX = ".index"
INDEX_FORMAT = 1

# The last line is looked for in so many bytes at the end first, and then in more.
_TAIL = 4_096

_STATUS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}


class _First(Struct):
    """What the list needs of a start line."""

    sfnrun: int
    start_time: int
    state_machine_name: str = ""


class _Last(Struct):
    """What the list needs of the last line."""

    at: int = 0
    event: str = ""
    error: str | None = None


class Glance(Struct, frozen=True, array_like=True):
    """One execution. `started` is in milliseconds since 1970, `took` in milliseconds of its own clock.

    `status` is AWS's, where RUNNING has a living process, or CRASHED: its process died, so it can be resumed. "" is a
    file that is no history.
    """

    name: str
    status: str
    machine: str = ""
    started: int = 0
    took: int = 0
    error: str = ""


class _Known(Struct, array_like=True):
    """An entry of the index: what was seen, and of which file. Only ends are kept, which last."""

    size: int
    changed: int
    seen: Glance


class _Index(Struct):
    format: int
    files: dict[str, _Known]


def glances(folder: Path) -> list[Glance]:
    """All executions of a folder, the one that was written last first. Unreadable folders are empty."""
    index = _read_index(folder)
    found: list[tuple[int, Glance]] = []
    kept: dict[str, _Known] = {}
    fresh = False
    for entry in _entries(folder):
        stat = entry.stat()
        known = index.get(entry.name)
        if known is None or known.size != stat.st_size or known.changed != stat.st_mtime_ns:
            seen = glance(Path(entry.path))
            known = _Known(stat.st_size, stat.st_mtime_ns, seen)
            fresh = fresh or seen.status in ENDED
        found.append((stat.st_mtime_ns, known.seen))
        if known.seen.status in ENDED:
            kept[entry.name] = known
    if fresh:
        _write_index(folder, kept)
    found.sort(key=lambda one: (one[0], one[1].name), reverse=True)
    return [seen for _, seen in found]


ENDED = frozenset(_STATUS.values())


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.name.endswith(".jsonl"))


def glance(path: Path) -> Glance:
    """What the first and the last line of a history say."""
    first, last = ends_of(path)
    try:
        start = _first(first)
    except msgspec.DecodeError:
        return Glance(path.stem, "")
    try:
        end = _last(last)
    except msgspec.DecodeError:  # a line of a foreign shape, which is no end
        end = _Last()
    status = _STATUS[end.event] if end.event in ENDS else "RUNNING" if is_held(path) else "CRASHED"
    return Glance(path.stem, status, start.state_machine_name, start.start_time, end.at, end.error or "")


def ends_of(path: Path) -> tuple[bytes, bytes]:
    """The first and the last whole line of a file; empty where there is none."""
    try:
        with open(path, "rb") as file:
            first = file.readline()
            start, end = file.tell(), file.seek(0, os.SEEK_END)
            tail = _TAIL
            while True:
                file.seek(max(start, end - tail))
                lines = file.read().split(b"\n")
                # The last piece is what a crash left of a line, or nothing; the first one may lack its beginning.
                if len(lines) > 2 or end - tail <= start:
                    return first, lines[-2] if len(lines) > 1 else b""
                tail *= 16
    except OSError:
        return b"", b""


def _read_index(folder: Path) -> dict[str, _Known]:
    try:
        index = _index((folder / INDEX).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return index.files if index.format == INDEX_FORMAT else {}


def _write_index(folder: Path, files: dict[str, _Known]) -> None:
    """Keep the index for the next time, where something can be kept."""
    draft = folder / f"{INDEX}.{os.getpid()}"
    with suppress(OSError):
        draft.write_bytes(msgspec.json.encode(_Index(INDEX_FORMAT, files)))
        draft.replace(folder / INDEX)


_first = msgspec.json.Decoder(_First).decode
_last = msgspec.json.Decoder(_Last).decode
_index = msgspec.json.Decoder(_Index).decode
