r"""One append-only JSONL file for each execution: what was started, then events, notes and answers as they happen.

    {"sfnrun": 1, "version": …, "definition": …, "input": …, "seed": …, …}  the start: format, and all that it takes
    {"value": 7, "json": {…}}                                               a large JSON text, referred to by number
    {"event": "PassStateEntered", "at": 12, "previous": 2, "name": "A", "input": "{\"x\":1}"}
    {"event": "PassStateExited", "at": 12, "previous": 3, "name": "A", "output": 7}
    {"note": "retry", "at": 12, "state": "A", …}                              told to people, no event of AWS's
    {"answer": "Succeeded", "at": 15, "key": ":1", "output": "…"}             what the world said

Times are milliseconds since the start. Payloads are JSON text in a string, or the number of a value line. An answer is
on disk before anything acts on it; events in between are written when the next answer is, or a few hundred have come.
A torn last line, which a crash leaves, is dropped on reading.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import FileIO
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from sfnrun.errors import HistoryError
from sfnrun.history.lock import take
from sfnrun.payload import Json, Payload, dumps, loads

__all__ = ["FORMAT", "HistoryFile", "Recording", "read"]

FORMAT = 1

# Texts up to this length stand in their line; longer ones get a line of their own and are written once.
INLINE = 256

# So many lines are kept back while nothing is answered.
BATCH = 512


class HistoryFile:
    """Writes the history of one execution, which it owns while it is open. Raises HistoryError where the disk does."""

    def __init__(self, path: Path, start: Mapping[str, Json], *, fsync: bool = False) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "xb", buffering=0)  # noqa: SIM115
            with suppress(OSError):  # it is new, so nobody else has it; where there are no locks it cannot be resumed
                take(file)
            if fsync:
                _sync_folder(path.parent)
        except FileExistsError as error:
            if not path.exists():  # then it is a folder on the way there that exists, and is a file
                raise _failure(path, error) from None
            raise HistoryError(f"An execution is recorded as {path} already.", "Choose another --name.") from None
        except OSError as error:
            raise _failure(path, error) from None
        self._own(path, file, start, fsync, {})
        self._lines.append(dumps({"sfnrun": FORMAT, **start}) + "\n")
        self.flush()

    @classmethod
    def reopen(cls, path: Path, *, fsync: bool = False) -> tuple[HistoryFile, Recording]:
        """A history to go on with, without what a crash left of its last line; and what it says so far.

        Raises HistoryError if another process owns it.
        """
        try:
            file = open(path, "r+b", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            raise _missing(path) from None
        except OSError as error:
            raise _failure(path, error) from None
        try:
            if not take(file):
                raise HistoryError(f"Another process runs the execution {path.stem}.", "Wait for it, or stop it.")
            data = _whole_lines(file.readall() or b"")
            values: dict[int, str] = {}
            recording = _recording(path, data, values)
            file.truncate(len(data))
            file.seek(len(data))
        except OSError as error:
            file.close()
            raise _failure(path, error) from None
        except HistoryError:
            file.close()
            raise
        history = cls.__new__(cls)
        history._own(path, file, recording.start, fsync, {text: number for number, text in values.items()})
        return history, recording

    def _own(self, path: Path, file: FileIO, start: Mapping[str, Json], fsync: bool, values: dict[str, int]) -> None:
        self.path = path
        self._file = file
        self._fsync = fsync
        self._lines: list[str] = []
        self._start_time: int = start["start_time"]
        self._values = len(values)
        # The texts that a resumed history has already: what is replayed has no marks.
        self._known = values

    def event(self, id: int, previous: int, at: int, type: str, fiber: str, details: Mapping[str, Any]) -> None:
        """Add an event; its `id` is its number among the events, so it is not written."""
        # One string that grows: half the time of a list that is joined, and this is the busiest line of all.
        line = f'{{"event":"{type}","at":{at - self._start_time},"previous":{previous}'
        if fiber:
            line += f',"fiber":"{fiber}"'
        for name, value in details.items():
            kind = value.__class__
            if kind is Payload:
                line += f',"{name}":{self._payload(value)}'
            elif kind is str:
                line += f',"{name}":{encode_basestring(value)}'
            elif kind is int:
                line += f',"{name}":{value}'
            else:
                line += f',"{name}":{self._member(value)}'
        self._lines.append(line + "}\n")
        if len(self._lines) >= BATCH:
            self.flush()

    def note(self, kind: str, at: int, fiber: str, state: str, details: Mapping[str, Any]) -> None:
        """Add a note."""
        line = {"note": kind, "at": at - self._start_time, "fiber": fiber, "state": state, "details": details}
        self._lines.append(dumps(line) + "\n")

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        """Add an answer (its time, its key, and what it says), and have it on disk when this returns."""
        at, key, what = answered
        line = f'{{"answer":"{what.__class__.__name__}","at":{at - self._start_time},"key":"{key}"'
        for name, value in zip(what._fields, what, strict=True):
            if value is not None:
                line += f',"{name}":{self._payload(value) if isinstance(value, Payload) else dumps(value)}'
        self._lines.append(line + "}\n")
        self.flush()

    def _member(self, value: Any) -> str:
        if isinstance(value, dict) and any(isinstance(one, Payload) for one in value.values()):
            return "{" + ",".join(f"{encode_basestring(k)}:{self._payload(v)}" for k, v in value.items()) + "}"
        return dumps(value)

    def _payload(self, payload: Payload) -> str:
        mark = payload.mark
        if mark is not None and mark[0] is self:
            return str(mark[1])
        text = payload.text
        if len(text) <= INLINE:
            return encode_basestring(text)
        if self._known and text in self._known:  # hashing a large text takes its time
            payload.mark = (self, self._known[text])
            return str(payload.mark[1])
        self._values += 1
        payload.mark = (self, self._values)
        # A text on one line can be read as it is, and found with grep; one with line breaks has to be quoted.
        member = f'"json":{text}' if "\n" not in text and "\r" not in text else f'"text":{encode_basestring(text)}'
        self._lines.append(f'{{"value":{self._values},{member}}}\n')
        return str(self._values)

    def flush(self) -> None:
        """Hand everything to the operating system, and with `fsync` to the disk."""
        if not self._lines:
            return
        rest = memoryview(_encoded("".join(self._lines)))
        self._lines.clear()
        try:
            while rest:  # a disk that fills up takes a part before it takes none
                rest = rest[self._file.write(rest) :]
            if self._fsync:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise _failure(self.path, error) from None

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._file.close()


def _failure(path: Path, error: OSError) -> HistoryError:
    return HistoryError(
        f"The history {path} cannot be written: {error.strerror or error}.",
        "Make room, or put it elsewhere with --history DIR.",
    )


def _sync_folder(folder: Path) -> None:
    """Have the folder's new entry on the disk too, where folders can be synced."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # lone surrogates, which JSON may have
        return text.encode("utf-8", "surrogatepass")


class Recording(Struct, frozen=True):
    """A history as read back: the start line, and the other lines with payloads resolved to their texts.

    `complete` is False for one without an end: the process that wrote it was killed, or is still running.
    """

    path: Path
    start: Mapping[str, Json]
    lines: tuple[Mapping[str, Json], ...]

    @property
    def complete(self) -> bool:
        return bool(self.lines) and str(self.lines[-1].get("event", "")) in ENDS

    def of_kind(self, kind: str) -> Iterator[Mapping[str, Json]]:
        """The lines that are events, notes or answers."""
        return (line for line in self.lines if kind in line)


ENDS = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"})

# Members that hold payloads, which may be the number of a value line instead.
PAYLOADS = ("input", "output", "parameters")


def read(path: Path) -> Recording:
    """Read a history back. Raises HistoryError for one that is missing, foreign, damaged or too new."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise HistoryError(f"The history {path} cannot be read: {error.strerror or error}.") from None
    return _recording(path, _whole_lines(data) or data, {})


def _whole_lines(data: bytes) -> bytes:
    """All but what a crash left of the last line."""
    return data[: data.rfind(b"\n") + 1]


def _recording(path: Path, data: bytes, values: dict[int, str]) -> Recording:
    """The recording that whole lines hold; `values` is filled with its large texts by number."""
    try:
        # A history that git checked out on Windows has other line ends.
        raw_lines = data.decode("utf-8", "surrogatepass").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise HistoryError(f"The history {path} cannot be read: {error}.") from None
    last = raw_lines.pop()
    if not raw_lines:
        raise _foreign(path, last)
    start = _parsed(path, 1, raw_lines[0])
    _check_start(path, start, raw_lines[0])
    return Recording(path, start, tuple(_resolved(path, raw_lines, values)))


def _missing(path: Path) -> HistoryError:
    return HistoryError(f"There is no history {path}.", "See `sfnrun trace list`.")


def _check_start(path: Path, start: Mapping[str, Json], text: str) -> None:
    version = start.get("sfnrun")
    if not isinstance(version, int):
        raise _foreign(path, text)
    if version > FORMAT:
        raise HistoryError(
            f"The history {path} has format {version}; this sfnrun reads up to {FORMAT}.", "Upgrade sfnrun."
        )


def _foreign(path: Path, text: str) -> HistoryError:
    what = "is empty" if not text.strip() else "is not a history of sfnrun"
    return HistoryError(f"The file {path} {what}.", 'A history begins with a line {"sfnrun": 1, …}.')


def _parsed(path: Path, number: int, text: str) -> dict[str, Json]:
    try:
        line = loads(text)
    except ValueError as error:
        if number == 1:
            raise _foreign(path, text) from None
        raise HistoryError(f"The history {path} is damaged: line {number} is not JSON ({error}).") from None
    if not isinstance(line, dict):
        raise HistoryError(f"The history {path} is damaged: line {number} is not an object.")
    return line


def _resolved(path: Path, raw_lines: list[str], values: dict[int, str]) -> Iterator[dict[str, Json]]:
    for number, line in enumerate(_all_parsed(path, raw_lines[1:]), 2):
        if "value" in line:
            text = raw_lines[number - 1]
            prefix = f'{{"value":{line["value"]},"json":'
            values[line["value"]] = text[len(prefix) : -1] if text.startswith(prefix) else line["text"]
            continue
        try:
            _resolve(line, values)
        except KeyError as error:
            raise HistoryError(f"The history {path} is damaged: line {number} refers to no value {error}.") from None
        yield line


def _all_parsed(path: Path, texts: list[str]) -> list[dict[str, Json]]:
    """The lines' objects: parsed all at once, which is much faster, or one by one if that fails."""
    try:
        lines: list[Json] = msgspec.json.decode(f"[{','.join(texts)}]")
    except (ValueError, RecursionError):  # something is damaged, or what this parser refuses: lone surrogates, depth
        lines = []
    if len(lines) == len(texts) and all(line.__class__ is dict for line in lines):
        return lines
    return [_parsed(path, number, text) for number, text in enumerate(texts, 2)]


def _resolve(line: dict[str, Json], values: Mapping[int, str]) -> None:
    for name in PAYLOADS:
        if line.get(name).__class__ is int:
            line[name] = values[line[name]]
    assigned = line.get("assignedVariables")
    if assigned:
        line["assignedVariables"] = {
            name: values[value] if isinstance(value, int) else value for name, value in assigned.items()
        }
