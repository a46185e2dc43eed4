"""Ends an execution as StopExecution does: its process is asked to, and that of a dead one is not needed for it.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from sfnrun.api.result import Result
from sfnrun.api.resume import Showing, go_on
from sfnrun.effects import Mail, Stopped
from sfnrun.errors import ApiError, HistoryError
from sfnrun.history.file import HistoryFile
from sfnrun.history.lock import is_held
from sfnrun.history.mailbox import MailFile
from sfnrun.history.recording import read
from sfnrun.replayer.rerun import machines_of

__all__ = ["stop"]

SECONDS_BETWEEN_LOOKS = 0.05


def stop(
    execution: str | Path, *, error: str | None = None, cause: str | None = None, timeout: float | None = 30
) -> Result:
    """Stop the execution that a history file records; it ends ABORTED, with `error` and `cause` if they are given.

    One that another process runs ends there, at most `timeout` seconds from now (None: however long it takes): what
    its handlers are doing is given up. One whose process died is ended here, and nothing of the user's is run.

    Raises ApiError for an execution that has ended, HistoryError if it does not end in time.
    """
    path = Path(execution)
    recording = read(path)
    if recording.complete:
        raise ApiError("ValidationException", f"execution '{path.stem}' has already ended")
    if is_held(path):
        _ask(path, error, cause, timeout)
    if not read(path).complete:
        return _end(path, Stopped(error, cause))
    from sfnrun.api.replay import replay

    return replay(path)


def _ask(path: Path, error: str | None, cause: str | None, timeout: float | None) -> None:
    """Have the process that runs the execution end it, and wait until it has let go of it."""
    mailbox = MailFile(path)
    id = mailbox.send(Mail(int(time.time() * 1000), "", Stopped(error, cause)))
    began = time.monotonic()
    while is_held(path):
        if timeout is not None and time.monotonic() - began > timeout:
            mailbox.withdraw(id)
            message = f"execution '{path.stem}' did not stop within {timeout:g} seconds"
            raise HistoryError(message, "kill its process")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _end(path: Path, stopped: Stopped) -> Result:
    file, recording = HistoryFile.reopen(path)
    with closing(file):
        return go_on(file, recording, machines_of(recording), None, Showing(), stopped=stopped)
