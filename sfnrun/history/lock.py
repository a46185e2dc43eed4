"""One owner for each execution: a lock on its open history, which ends with the process that holds it.

flock is kept by the open file and not by a name on the disk, so `kill -9` lets go of it and nothing is left to clean
up. A process that a handler forks inherits the file; it closes its copy, or it would go on holding the lock when its
parent is dead. Where there is no flock (Windows) a byte far behind the end of the file is locked: a lock there keeps
others from reading what it covers.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from io import FileIO
from pathlib import Path
from weakref import WeakSet

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["is_held", "take"]

# Whoever looks whether a lock is held has it for a moment.
_TRIES = 20
_SECONDS_BETWEEN_TRIES = 0.01

_FAR_BEHIND = 1 << 62

_held: WeakSet[FileIO] = WeakSet()


def take(file: FileIO) -> bool:
    """Take the lock of an open history for as long as it is open. False: somebody has it.

    Raises OSError where the file system has no locks.
    """
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_SECONDS_BETWEEN_TRIES)
        if _lock(file):
            _held.add(file)
            return True
    return False


def is_held(path: Path) -> bool:
    """Whether a living process has the lock of a history."""
    try:
        with open(path, "rb", buffering=0) as file:
            return not _lock(file, shared=True)
    except OSError:
        return False


if sys.platform != "win32":

    def _lock(file: FileIO, shared: bool = False) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

else:

    def _lock(file: FileIO, shared: bool = False) -> bool:
        before = file.tell()
        file.seek(_FAR_BEHIND)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            file.seek(before)
        return True


def _let_go() -> None:
    for file in list(_held):
        with suppress(OSError):
            file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
