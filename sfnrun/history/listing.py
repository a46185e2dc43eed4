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

# So many bytes are read of a file at first, which is the whole of most; and at its end, if it is larger.
_AT_ONCE = 16_384

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
            seen = glance(entry.path)
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


def glance(path: str | Path) -> Glance:
    """What the first and the last line of a history say."""
    first, last = ends_of(path)
    name = os.path.basename(path).removesuffix(".jsonl")
    try:
        start = _first(first)
    except msgspec.DecodeError:
        return Glance(name, "")
    try:
        end = _last(last)
    except msgspec.DecodeError:  # a line of a foreign shape, which is no end
        end = _Last()
    status = _STATUS[end.event] if end.event in ENDS else "RUNNING" if is_held(Path(path)) else "CRASHED"
    return Glance(name, status, start.state_machine_name, start.start_time, end.at, end.error or "")


def ends_of(path: str | Path) -> tuple[bytes, bytes]:
    """The first and the last whole line of a file; empty where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return b"", b""
    try:
        with suppress(OSError):
            return _ends(descriptor)
        return b"", b""
    finally:
        os.close(descriptor)


def _ends(descriptor: int) -> tuple[bytes, bytes]:
    data = os.read(descriptor, _AT_ONCE)
    end = len(data)
    if end == _AT_ONCE:
        end = os.lseek(descriptor, 0, os.SEEK_END)
    while b"\n" not in data and len(data) < end:
        data += _read_at(descriptor, len(data), _AT_ONCE)
    first, newline, rest = data.partition(b"\n")
    if not newline:
        return b"", b""
    tail, started = rest, len(first) + 1
    length = _AT_ONCE
    while len(data) < end:
        begin = max(started, end - length)
        tail = _read_at(descriptor, begin, end - begin)
        if begin == started or tail.count(b"\n") > 1:
            break
        length *= 16
    # What follows the last line's end is what a crash left of another, or nothing.
    return first, tail[: tail.rfind(b"\n") + 1].rstrip(b"\n").rpartition(b"\n")[2]


def _read_at(descriptor: int, begin: int, length: int) -> bytes:
    os.lseek(descriptor, begin, os.SEEK_SET)
    return os.read(descriptor, length)


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
