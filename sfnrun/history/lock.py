"""File lock on a history, released by the kernel when its process exits.

flock belongs to the open file and not to a name on the disk, so `kill -9` releases it and leaves nothing to clean up. A
process that a handler forks inherits the open file and with it the lock, so it closes its copy. Windows has no flock;
there a byte far behind the end of the file is locked, because a lock on Windows prevents others from reading the range.
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

__all__ = ["acquire", "is_held"]

# `is_held` holds the lock for a moment, so acquiring it is tried several times.
_TRIES = 20
_SECONDS_BETWEEN_TRIES = 0.01

_FAR_BEHIND = 1 << 62

_held: WeakSet[FileIO] = WeakSet()


def acquire(file: FileIO) -> bool:
    """Lock an open history for as long as it is open; return False if another process holds the lock.

    Raises OSError if the file system has no locks.
    """
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_SECONDS_BETWEEN_TRIES)
        if _lock(file):
            _held.add(file)
            return True
    return False


def is_held(path: Path) -> bool:
    """Return whether a running process holds the lock of a history."""
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


def _release_in_child() -> None:
    for file in list(_held):
        with suppress(OSError):
            file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
