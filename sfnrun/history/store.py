"""Where executions are recorded: the Store Protocol, and the directory of JSONL files that is the default.

Other stores, such as a database, implement the same Protocol: a name is all that the rest of sfnrun knows of where an
execution is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sfnrun.effects import Mail
from sfnrun.errors import ApiError, HistoryError, UnavailableError
from sfnrun.history.file import HistoryFile
from sfnrun.history.listing import Summary, summaries, summary_of
from sfnrun.history.lock import acquire
from sfnrun.history.mailbox import MailFile
from sfnrun.history.recording import Recording, missing, read
from sfnrun.payload import Json
from sfnrun.record import Journal

__all__ = ["FolderStore", "Mailbox", "OwnedJournal", "Store", "already_exists", "open_store"]


class OwnedJournal(Journal, Protocol):
    """The journal of one execution, which no other process can write until it is closed."""

    def close(self) -> None: ...


class Mailbox(Protocol):
    """Mail for one execution: every process can send it, and the one that runs the execution collects it."""

    def send(self, mail: Mail) -> str:
        """Send mail; return its id."""
        ...

    def withdraw(self, id: str) -> None:
        """Take mail back that has not been collected."""
        ...

    def collect(self) -> Sequence[Mail]:
        """The mail that has come since the last call, in order."""
        ...

    def discard(self) -> None:
        """Remove the mailbox: the execution has ended."""
        ...


class Store(Protocol):
    """Records executions by name. Every method raises HistoryError or UnavailableError if it cannot do its work."""

    def create(self, start: Mapping[str, Json]) -> OwnedJournal:
        """Begin to record an execution. Raises ApiError ExecutionAlreadyExists if its name is taken."""
        ...

    def open(self, name: str) -> tuple[OwnedJournal, Recording]:
        """Continue to record an execution. Raises HistoryError if another process runs it."""
        ...

    def read(self, name: str, *, lazily: bool = False) -> Recording:
        """What is recorded of an execution so far. `lazily`: damage is found where it is looked at."""
        ...

    def list(self) -> list[Summary]:
        """All executions, the one that was started last first."""
        ...

    def describe(self, name: str) -> Summary:
        """The summary of one execution."""
        ...

    def lock(self, name: str) -> AbstractContextManager[bool]:
        """Own an execution for a moment; False if another process owns it."""
        ...

    def mailbox(self, name: str) -> Mailbox:
        """The mailbox of an execution."""
        ...


class FolderStore:
    """A directory with one JSONL file for each execution; `fsync` writes each answer to the disk before it counts."""

    def __init__(self, folder: str | Path, *, fsync: bool = False) -> None:
        self.folder = Path(folder)
        self.fsync = fsync

    def __repr__(self) -> str:
        return f"FolderStore({str(self.folder)!r})"

    def __str__(self) -> str:
        return str(self.folder)

    def path(self, name: str) -> Path:
        """The file of an execution."""
        return self.folder / f"{name}.jsonl"

    def create(self, start: Mapping[str, Json]) -> HistoryFile:
        path = self.path(start["name"])
        try:
            return HistoryFile(path, start, fsync=self.fsync)
        except HistoryError:
            if path.exists():
                raise already_exists(start["arn"]) from None
            raise

    def open(self, name: str) -> tuple[HistoryFile, Recording]:
        return HistoryFile.reopen(self.path(name), fsync=self.fsync)

    def read(self, name: str, *, lazily: bool = False) -> Recording:
        return read(self.path(name), lazily=lazily)

    def list(self) -> list[Summary]:
        return summaries(self.folder)

    def describe(self, name: str) -> Summary:
        path = self.path(name)
        summary = summary_of(path)
        if summary.status == "UNREADABLE":
            read(path)  # which raises the error
        return summary

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        path = self.path(name)
        try:
            file = open(path, "r+b", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            raise missing(path) from None
        except OSError as error:
            raise HistoryError(f"cannot lock the history {path}: {error.strerror or error}") from None
        with file:
            yield acquire(file)

    def mailbox(self, name: str) -> MailFile:
        return MailFile(self.path(name))


def already_exists(arn: str) -> ApiError:
    """AWS's refusal of a name that an execution has."""
    return ApiError(
        "ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'", "pass --name to choose another name"
    )


def open_store(where: Store | str | Path, *, fsync: bool = False) -> Store:
    """The store of a directory. Raises UnavailableError for a URL: no database is supported yet."""
    if not isinstance(where, str | Path):
        return where
    if "://" in str(where):
        raise UnavailableError(f"unsupported store: {where}", "pass a directory")
    return FolderStore(where, fsync=fsync)
