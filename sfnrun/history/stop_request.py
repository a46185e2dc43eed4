"""Asking the process that runs an execution to stop it: a file beside the history, which that process looks for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sfnrun.errors import HistoryError
from sfnrun.payload import dumps, loads

__all__ = ["request_stop", "requested_stop", "withdraw_stop"]


def _file(history: Path) -> Path:
    return history.with_suffix(".stop")


def request_stop(history: Path, error: str | None, cause: str | None) -> None:
    """Ask for the end of the execution that is recorded there. Raises HistoryError where nothing can be written."""
    path = _file(history)
    draft = path.with_suffix(".stop~")
    try:
        draft.write_text(dumps([error, cause]), "utf-8", "surrogatepass")
        draft.replace(path)
    except OSError as error_:
        raise HistoryError(f"The request {path} cannot be written: {error_.strerror or error_}.") from None


def requested_stop(history: Path) -> tuple[str | None, str | None] | None:
    """The error and cause that somebody wants the execution to end with, or None."""
    try:
        error, cause = loads(_file(history).read_text("utf-8", "surrogatepass"))
    except (OSError, ValueError):
        return None
    return error, cause


def withdraw_stop(history: Path) -> None:
    """The execution has ended, so nobody needs to be asked any more."""
    with suppress(OSError):
        _file(history).unlink()
