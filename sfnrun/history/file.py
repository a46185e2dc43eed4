r"""Append-only JSONL writer for one execution history.

    {"sfnrun": 1, "version": …, "definition": …, "input": …, "seed": …, …}  the start line: format, and how to re-run it
    {"value": 7, "json": {…}}                                               a large JSON text, referred to by number
    {"event": "PassStateEntered", "at": 12, "previous": 2, "name": "A", "input": "{\"x\":1}"}
    {"event": "PassStateExited", "at": 12, "previous": 3, "name": "A", "output": 7}
    {"note": "retry", "at": 12, "state": "A", …}                              a Note, which AWS has no event for
    {"answer": "Succeeded", "at": 15, "key": ":1", "output": "…"}             an answer to an effect of the engine

Times are milliseconds since the start. A payload is JSON text in a string, or the number of a value line. Everything is
on disk before a handler is called because of it, and before anything is waited for; until then up to BATCH events are
buffered. Readers drop a torn last line, which a crash leaves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from sfnrun.effects import Answered
from sfnrun.errors import HistoryError
from sfnrun.history.lock import acquire
from sfnrun.history.recording import FORMAT, ReadLines, Recording, decode, missing, whole_lines
from sfnrun.payload import BEYOND, Json, Payload, dumps, room_to_nest
from sfnrun.private import make_directory, opener
from sfnrun.record import Event, Note

__all__ = ["BATCH", "INLINE", "HistoryFile", "LineWriter"]

# Events buffered while no handler is called and nothing is waited for. With more of them, large payloads make every
# batch allocate fresh memory, which is slower.
BATCH = 64

# Texts of up to this many characters are written into their line. A longer one gets a value line, once.
INLINE = 256


class HistoryFile:
    """Journal that writes the history of one execution, and holds its lock while open.

    All methods raise HistoryError if the disk refuses.
    """

    def __init__(self, path: Path, start: Mapping[str, Json], *, fsync: bool = False) -> None:
        try:
            make_directory(path.parent)
            file = open(path, "xb", buffering=0, opener=opener)  # noqa: SIM115
            with suppress(OSError):  # the file is new, so the lock is free; without locks it cannot be resumed
                acquire(file)
            if fsync:
                _sync_folder(path.parent)
        except FileExistsError as error:
            if not path.exists():  # a parent directory is a file
                raise _write_error(path, error) from None
            raise HistoryError(
                f"execution history already exists: {path}", "pass --name to choose another name"
            ) from None
        except OSError as error:
            raise _write_error(path, error) from None
        self._own(path, file, LineWriter(start["start_time"]), fsync)
        try:
            self._write(dumps({"sfnrun": FORMAT, **start}).encode() + b"\n")
            self._sync()
        except HistoryError:  # a file without a start line is not a history
            file.close()
            path.unlink(missing_ok=True)
            raise

    @classmethod
    def reopen(cls, path: Path, *, fsync: bool = False) -> tuple[HistoryFile, Recording]:
        """Open a history to append to it; cut off a torn last line. Return it with what it holds so far.

        Raises HistoryError if another process holds its lock.
        """
        try:
            file = open(path, "r+b", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            raise missing(path) from None
        except OSError as error:
            raise _write_error(path, error) from None
        try:
            if not acquire(file):
                raise HistoryError(
                    f"execution '{path.stem}' is running in another process",
                    f"wait for it to end, or run `sfnrun stop {path.stem}`",
                )
            data = whole_lines(file.readall() or b"")
            recording = decode(path, data)
            values = recording.lines.values if isinstance(recording.lines, ReadLines) else {}
            file.truncate(len(data))
            file.seek(len(data))
        except OSError as error:
            file.close()
            raise _write_error(path, error) from None
        except HistoryError:
            file.close()
            raise
        history = cls.__new__(cls)
        history._own(path, file, LineWriter(recording.start["start_time"], values), fsync)
        return history, recording

    def _own(self, path: Path, file: FileIO, lines: LineWriter, fsync: bool) -> None:
        self.path = path
        self._file = file
        self._lines = lines
        self._fsync = fsync
        self._buffer: list[Event | Note | Answered] = []

    def event(self, event: Event) -> None:
        """Add an event."""
        buffer = self._buffer
        buffer.append(event)
        if len(buffer) >= BATCH:
            self.flush()

    def note(self, note: Note) -> None:
        """Add a note."""
        self._buffer.append(note)

    def answer(self, answered: Answered) -> None:
        """Add an answer."""
        self._buffer.append(answered)

    def flush(self) -> None:
        """Hand everything to the operating system, and with `fsync` to the disk."""
        if self._buffer:
            lines, values = self._lines.encode(self._buffer)
            self._buffer.clear()
            for number, text in values.items():
                self._write(_value_line(number, text))
            self._write(lines)
            self._sync()

    def _write(self, lines: bytes) -> None:
        rest = memoryview(lines)
        try:
            while rest:  # a disk that fills up takes a part before it refuses
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _write_error(self.path, error) from None

    def _sync(self) -> None:
        if not self._fsync:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _write_error(self.path, error) from None

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._file.close()


def _write_error(path: Path, error: OSError) -> HistoryError:
    return HistoryError(
        f"cannot write history {path}: {error.strerror or error}", "free some disk space, or pass --history DIR"
    )


def _sync_folder(folder: Path) -> None:
    """Write the directory's new entry to the disk too, where directories can be synced."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class LineWriter:
    """Encodes events, notes and answers as lines; times are relative to `start_time`.

    `known` are the value lines that the file has already: number -> text.
    """

    def __init__(self, start_time: int, known: Mapping[int, str] | None = None) -> None:
        self._start_time = start_time
        self._numbers = {text: number for number, text in (known or {}).items()}
        self._last = max(known or (), default=0)
        self._new: dict[int, str] = {}
        self._encode_lines = msgspec.json.Encoder(enc_hook=self._payload).encode_lines

    def encode(self, happened: Iterable[Event | Note | Answered]) -> tuple[bytes, dict[int, str]]:
        """Return the lines, and the texts by number that they are the first to refer to."""
        lines: list[dict[str, Any]] = []
        start = self._start_time
        for what in happened:
            if isinstance(what, Event):  # most lines are events, so this is inlined
                type, at, previous, fiber, details = what.type, what.at - start, what.previous, what.fiber, what.details
                if fiber:
                    line = {"event": type, "at": at, "previous": previous, "fiber": fiber, **details}
                else:
                    line = {"event": type, "at": at, "previous": previous, **details}
                if what.raw is not None:
                    line["aws"] = what.raw
                lines.append(line)
            else:
                lines.append(self._note(what) if isinstance(what, Note) else self._answer(what))
        try:
            text = self._encode_lines(lines)
        except BEYOND:
            text = b"".join(self._encode_slowly(line) for line in lines)
        new, self._new = self._new, {}
        return text, new

    def _encode_slowly(self, line: Mapping[str, Any]) -> bytes:
        with room_to_nest():
            return json.dumps(line, separators=(",", ":"), default=self._payload).encode() + b"\n"

    def _note(self, note: Note) -> dict[str, Any]:
        at = note.at - self._start_time
        return {"note": note.kind, "at": at, "fiber": note.fiber, "state": note.state, "details": note.details}

    def _answer(self, answered: Answered) -> dict[str, Any]:
        at, key, answer = answered
        members = {name: value for name, value in zip(answer._fields, answer, strict=True) if value is not None}
        return {"answer": answer.__class__.__name__, "at": at - self._start_time, "key": key, **members}

    def _payload(self, payload: Payload) -> str | int:
        """Return the text of a payload, or its number; cached, because most payloads are written several times."""
        mark = payload.mark
        if mark is None or mark[0] is not self:
            mark = payload.mark = (self, self._reference(payload.text))
        return mark[1]

    def _reference(self, text: str) -> str | int:
        if len(text) <= INLINE:
            return text
        number = self._numbers.get(text) if self._numbers else None  # hashing a large text takes time
        if number is None:
            number = self._last = self._last + 1
            self._new[number] = text
        return number


def _value_line(number: int, text: str) -> bytes:
    """Return the line of a large text. JSON without line breaks is written unquoted, so that grep finds it."""
    if "\n" not in text and "\r" not in text:
        try:
            return b'{"value":%d,"json":%b}\n' % (number, text.encode())
        except UnicodeEncodeError:  # lone surrogates, which JSON may have
            pass
    return json.dumps({"value": number, "text": text}, separators=(",", ":")).encode() + b"\n"
