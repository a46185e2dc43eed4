r"""One append-only JSONL file for each execution: what was started, then events, notes and answers as they happen.

    {"sfnrun": 1, "version": …, "definition": …, "input": …, "seed": …, …}  the start: format, and all that it takes
    {"value": 7, "json": {…}}                                               a large JSON text, referred to by number
    {"event": "PassStateEntered", "at": 12, "previous": 2, "name": "A", "input": "{\"x\":1}"}
    {"event": "PassStateExited", "at": 12, "previous": 3, "name": "A", "output": 7}
    {"note": "retry", "at": 12, "state": "A", …}                              told to people, no event of AWS's
    {"answer": "Succeeded", "at": 15, "key": ":1", "output": "…"}             what the world said

Times are milliseconds since the start. Payloads are JSON text in a string, or the number of a value line. What happened
is on disk before a task is asked because of it, and before anything is waited for; else some dozens of events are kept
back. A torn last line, which a crash leaves, is dropped on reading.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path

from sfnrun.errors import HistoryError
from sfnrun.history.lines import INLINE, Answered, Lines, value_line
from sfnrun.history.lock import take
from sfnrun.history.recording import ENDS, FORMAT, PAYLOADS, ReadLines, Recording, missing, read, recorded, whole_lines
from sfnrun.payload import Json, dumps
from sfnrun.private import make_directory, opener
from sfnrun.record import Event, Note

__all__ = ["BATCH", "ENDS", "FORMAT", "INLINE", "PAYLOADS", "HistoryFile", "Recording", "read"]

# So many events are kept back while nothing is asked or waited for; more, if they are large, take new memory.
BATCH = 64


class HistoryFile:
    """Writes the history of one execution, which it owns while it is open. Raises HistoryError where the disk does."""

    def __init__(self, path: Path, start: Mapping[str, Json], *, fsync: bool = False) -> None:
        try:
            make_directory(path.parent)
            file = open(path, "xb", buffering=0, opener=opener)  # noqa: SIM115
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
        self._own(path, file, Lines(start["start_time"]), fsync)
        try:
            self._write(dumps({"sfnrun": FORMAT, **start}).encode() + b"\n")
            self._sync()
        except HistoryError:  # what has no first line is no history
            file.close()
            path.unlink(missing_ok=True)
            raise

    @classmethod
    def reopen(cls, path: Path, *, fsync: bool = False) -> tuple[HistoryFile, Recording]:
        """A history to go on with, without what a crash left of its last line; and what it says so far.

        Raises HistoryError if another process owns it.
        """
        try:
            file = open(path, "r+b", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            raise missing(path) from None
        except OSError as error:
            raise _failure(path, error) from None
        try:
            if not take(file):
                raise HistoryError(f"Another process runs the execution {path.stem}.", "Wait for it, or stop it.")
            data = whole_lines(file.readall() or b"")
            recording = recorded(path, data)
            values = recording.lines.values if isinstance(recording.lines, ReadLines) else {}
            file.truncate(len(data))
            file.seek(len(data))
        except OSError as error:
            file.close()
            raise _failure(path, error) from None
        except HistoryError:
            file.close()
            raise
        history = cls.__new__(cls)
        history._own(path, file, Lines(recording.start["start_time"], values), fsync)
        return history, recording

    def _own(self, path: Path, file: FileIO, lines: Lines, fsync: bool) -> None:
        self.path = path
        self._file = file
        self._lines = lines
        self._fsync = fsync
        self._kept_back: list[Event | Note | Answered] = []

    def event(self, event: Event) -> None:
        """Add an event."""
        kept_back = self._kept_back
        kept_back.append(event)
        if len(kept_back) >= BATCH:
            self.flush()

    def note(self, note: Note) -> None:
        """Add a note."""
        self._kept_back.append(note)

    def answer(self, answered: Answered) -> None:
        """Add an answer."""
        self._kept_back.append(answered)

    def flush(self) -> None:
        """Hand everything to the operating system, and with `fsync` to the disk."""
        if self._kept_back:
            lines, values = self._lines.written(self._kept_back)
            self._kept_back.clear()
            for number, text in values.items():
                self._write(value_line(number, text))
            self._write(lines)
            self._sync()

    def _write(self, lines: bytes) -> None:
        rest = memoryview(lines)
        try:
            while rest:  # a disk that fills up takes a part before it takes none
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _failure(self.path, error) from None

    def _sync(self) -> None:
        if not self._fsync:
            return
        try:
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
