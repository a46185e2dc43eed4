"""Summaries of the executions of a directory, from the first and the last line of each history.

An index beside the histories makes listing ten thousand executions as fast as listing a hundred: it has the summary of
every execution that has ended, valid while the size and the modification time of its file match. The index can be
deleted at any time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from sfnrun.history.lock import is_held
from sfnrun.record import STATUS_OF

__all__ = ["ENDED", "STATUSES", "ExecutionStatus", "Summary", "ends_of", "summaries", "summary_of"]

INDEX = ".index"
INDEX_FORMAT = 2

# Most histories are smaller; of a larger one, this many bytes are read at its start and at its end.
_CHUNK = 16_384

ExecutionStatus = Literal[
    "RUNNING", "WAITING", "CRASHED", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE", "UNREADABLE"
]

ENDED = frozenset(STATUS_OF.values())

# What a listing can be filtered by.
STATUSES: tuple[ExecutionStatus, ...] = ("RUNNING", "WAITING", "CRASHED", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


class _First(Struct):
    """The members of a start line that a summary needs."""

    sfnrun: int
    start_time: int
    arn: str = ""
    state_machine_name: str = ""
    type: Literal["STANDARD", "EXPRESS"] = "STANDARD"
    clock: Literal["virtual", "real"] = "real"
    imported: Any = None


class _Last(Struct):
    """The members of the last line that a summary needs."""

    at: int = 0
    event: str = ""
    error: str | None = None
    cause: str | None = None


class Summary(Struct, frozen=True, array_like=True):
    """One execution in a listing, as DescribeExecution describes it.

    `status` is AWS's, or one of sfnrun's: WAITING (running, and a task token is open), CRASHED (its process is gone, so
    it can be resumed), UNREADABLE (not a history; the other fields are empty). `place` is the address of the state that
    failed or waits. `started` and `ended` are UTC, by the clock of the execution.
    """

    name: str
    arn: str = ""
    machine: str = ""
    type: Literal["STANDARD", "EXPRESS"] = "STANDARD"
    status: ExecutionStatus = "UNREADABLE"
    started: datetime = datetime.fromtimestamp(0, UTC)
    ended: datetime | None = None
    took: timedelta = timedelta()
    clock: Literal["virtual", "real"] = "real"
    parent: str | None = None
    place: str | None = None
    error: str | None = None
    cause: str | None = None


class _Indexed(Struct, array_like=True):
    """A summary in the index, and the file that it was made of. Only executions that have ended are indexed."""

    size: int
    changed: int
    summary: Summary
    # When the execution was started, in milliseconds since the Unix epoch; None if only `changed` says so.
    started: int | None


class _Index(Struct):
    format: int
    files: dict[str, _Indexed]


def summaries(folder: Path) -> list[Summary]:
    """All executions of a directory, the one that was started last first. An unreadable directory is empty."""
    index = _read_index(folder)
    found: list[tuple[float, str, Summary]] = []
    kept: dict[str, _Indexed] = {}
    fresh = False
    for entry in _entries(folder):
        stat = entry.stat()
        known = index.get(entry.name)
        if known is None or known.size != stat.st_size or known.changed != stat.st_mtime_ns:
            summary, started = _read(entry.path)
            known = _Indexed(stat.st_size, stat.st_mtime_ns, summary, started)
            fresh = fresh or summary.status in ENDED
        moment = stat.st_mtime_ns / 1_000_000 if known.started is None else known.started
        found.append((moment, known.summary.name, known.summary))
        if known.summary.status in ENDED:
            kept[entry.name] = known
    if fresh:
        _write_index(folder, kept)
    found.sort(key=lambda one: one[:2], reverse=True)
    return [summary for _, _, summary in found]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.name.endswith(".jsonl"))


def summary_of(path: str | Path) -> Summary:
    """The summary of one history."""
    return _read(path)[0]


def _read(path: str | Path) -> tuple[Summary, int | None]:
    """The summary of a history, and when its execution was started, if the history says so.

    The start time of a virtual clock is simulated, and that of an import is AWS's.
    """
    first, last = ends_of(path)
    name = os.path.basename(path).removesuffix(".jsonl")
    try:
        start = _first(first)
    except msgspec.DecodeError:
        return Summary(name), None
    try:
        end = _last(last)
    except msgspec.DecodeError:  # a line that sfnrun did not write, so not the end of the execution
        end = _Last()
    status: ExecutionStatus = STATUS_OF.get(end.event) or ("RUNNING" if is_held(Path(path)) else "CRASHED")
    summary = Summary(
        name=name,
        arn=start.arn,
        machine=start.state_machine_name,
        type=start.type,
        status=status,
        started=_moment(start.start_time),
        ended=_moment(start.start_time + end.at) if status in ENDED else None,
        took=timedelta(milliseconds=end.at),
        clock=start.clock,
        error=end.error,
        cause=end.cause,
    )
    return summary, start.start_time if start.clock == "real" and start.imported is None else None


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def ends_of(path: str | Path) -> tuple[bytes, bytes]:
    """The first and the last whole line of a file; empty if there is none."""
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
    data = os.read(descriptor, _CHUNK)
    end = len(data)
    if end == _CHUNK:
        end = os.lseek(descriptor, 0, os.SEEK_END)
    while b"\n" not in data and len(data) < end:
        data += _read_at(descriptor, len(data), _CHUNK)
    first, newline, rest = data.partition(b"\n")
    if not newline:
        return b"", b""
    tail, started = rest, len(first) + 1
    length = _CHUNK
    while len(data) < end:
        begin = max(started, end - length)
        tail = _read_at(descriptor, begin, end - begin)
        if begin == started or tail.count(b"\n") > 1:
            break
        length *= 16
    # A crash can leave a torn line after the last whole one.
    return first, tail[: tail.rfind(b"\n") + 1].rstrip(b"\n").rpartition(b"\n")[2]


def _read_at(descriptor: int, begin: int, length: int) -> bytes:
    os.lseek(descriptor, begin, os.SEEK_SET)
    return os.read(descriptor, length)


def _read_index(folder: Path) -> dict[str, _Indexed]:
    try:
        index = _index((folder / INDEX).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return index.files if index.format == INDEX_FORMAT else {}


def _write_index(folder: Path, files: dict[str, _Indexed]) -> None:
    """Write the index, unless the directory is read-only."""
    draft = folder / f"{INDEX}.{os.getpid()}"
    with suppress(OSError):
        draft.write_bytes(msgspec.json.encode(_Index(INDEX_FORMAT, files)))
        draft.replace(folder / INDEX)


_first = msgspec.json.Decoder(_First).decode
_last = msgspec.json.Decoder(_Last).decode
_index = msgspec.json.Decoder(_Index).decode
