r"""Mailbox of an execution: an append-only file next to its history, by which other processes reach it.

    {"mail": "Succeeded", "at": 1767225600000, "token": "…", "output": "{\"approved\":true}"}
    {"mail": "Failed", "at": …, "token": "…", "error": "Declined", "cause": "not now"}
    {"mail": "Heartbeat", "at": …, "token": "…"}
    {"mail": "Stopped", "at": …, "id": "9f2c…", "error": …, "cause": …}
    {"mail": "Withdrawn", "at": …, "id": "9f2c…"}                             the sender takes that mail back

The process that runs the execution polls the file; where none does, the mail waits for `resume`, which reads all of it
again. So what was delivered but not recorded when a process was killed is delivered again, and what was recorded finds
its Task answered. The file is removed when the execution has ended, which is when nothing in it can count any more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from sfnrun.effects import Failed, Heartbeat, Mail, Stopped, Succeeded
from sfnrun.errors import HistoryError
from sfnrun.history.lock import acquire
from sfnrun.payload import Json, Payload, dumps, loads

__all__ = ["MailFile"]

MESSAGES: dict[str, type[Succeeded | Failed | Heartbeat | Stopped]] = {
    kind.__name__: kind for kind in (Succeeded, Failed, Heartbeat, Stopped)
}

# How long a sender waits for others, each of which writes one line.
LOCK_TIMEOUT_S = 10.0


class MailFile:
    """The mailbox of the execution that `history` records. Every process can send; its owner collects."""

    def __init__(self, history: Path) -> None:
        self.path = history.with_suffix(".mail")
        self._read = 0

    def send(self, mail: Mail) -> str:
        """Append mail; it is on the disk when this returns. Return its id, by which it can be withdrawn.

        Raises HistoryError if it cannot be written.
        """
        id = os.urandom(8).hex()  # importing secrets takes 5 ms
        members = {name: value for name, value in mail.message._asdict().items() if value is not None}
        if isinstance(mail.message, Succeeded):
            members = {"output": mail.message.output.text}
        self._append({"mail": type(mail.message).__name__, "at": mail.at, "token": mail.token, "id": id, **members})
        return id

    def withdraw(self, id: str) -> None:
        """Take mail back; has no effect on mail that has been collected."""
        self._append({"mail": "Withdrawn", "at": int(time.time() * 1000), "id": id})

    def collect(self) -> Sequence[Mail]:
        """Return the mail that has come since the last call; the first one returns all."""
        lines = self._new_lines()
        withdrawn = {line.get("id") for line in lines if line["mail"] == "Withdrawn"}
        mails = [_mail(line) for line in lines if line.get("id") not in withdrawn]
        return [mail for mail in mails if mail is not None]

    def discard(self) -> None:
        """Remove the mailbox."""
        self._read = 0
        with suppress(OSError):
            self.path.unlink()

    def _new_lines(self) -> list[Mapping[str, Any]]:
        try:
            if os.stat(self.path).st_size <= self._read:
                return []
            with open(self.path, "rb") as file:
                file.seek(self._read)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [line for text in whole.splitlines() if (line := _parsed(text)) is not None]

    def _append(self, line: Mapping[str, Json]) -> None:
        try:
            with self._locked() as file:
                size = file.seek(0, os.SEEK_END)
                text = dumps(line).encode() + b"\n"
                if size and _last_byte(file) != b"\n":
                    text = b"\n" + text  # a sender was killed in the middle of a line, which is void
                if file.write(text) != len(text):
                    file.truncate(size)
                    raise OSError("no space left")
                os.fsync(file.fileno())
        except OSError as error:
            raise HistoryError(f"cannot write the mailbox {self.path}: {error.strerror or error}") from None

    def _locked(self) -> FileIO:
        """Open the file for this sender alone. It can be removed while one waits for the lock."""
        until = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            file = FileIO(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666), "r+")
            try:
                if acquire(file) and self._is_current(file):
                    return file
                if time.monotonic() > until:
                    raise OSError("another process keeps it locked")
            except BaseException:
                file.close()
                raise
            file.close()

    def _is_current(self, file: FileIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            return False


def _last_byte(file: FileIO) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1) or b""


def _parsed(text: bytes) -> Mapping[str, Any] | None:
    """A line of the file; None for what is left of one whose sender was killed."""
    try:
        line = loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("mail"), str) else None


def _mail(line: Mapping[str, Any]) -> Mail | None:
    """The mail of a line; None for a kind that this version does not know, or one that lacks something."""
    kind = MESSAGES.get(line["mail"])
    if kind is None:
        return None
    try:
        members = {name: line[name] for name in kind._fields if name in line}
        if kind is Succeeded:
            members["output"] = Payload.parse(line["output"])
        return Mail(int(line["at"]), str(line.get("token", "")), kind(**members))
    except (KeyError, TypeError, ValueError):
        return None
