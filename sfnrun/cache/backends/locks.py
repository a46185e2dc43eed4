"""Leases on one machine: a locked byte of the file `locks` for each key; the kernel unlocks it when its owner dies."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from functools import cache

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["Locks", "locks_in"]


class Locks:
    """The locks of a directory, for all threads of a process."""

    def __init__(self, folder: str) -> None:
        self._file = os.open(os.path.join(folder, "locks"), os.O_RDWR | os.O_CREAT, 0o600)
        self._guard = threading.Lock()
        self._held: set[int] = set()
        self._process = os.getpid()

    def acquire(self, key: str) -> bool:
        """Try to lock a key. Return False if it is locked, in this process or in another one."""
        offset = _offset(key)
        with self._guard:
            if self._process != os.getpid():  # a forked process does not inherit locks
                self._process, self._held = os.getpid(), set()
            if offset in self._held or not _lock(self._file, offset):
                return False
            self._held.add(offset)
        return True

    def release(self, key: str) -> None:
        """Unlock a key that this process has locked."""
        offset = _offset(key)
        with self._guard:
            self._held.discard(offset)
            _unlock(self._file, offset)


def _offset(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:5])


if sys.platform == "win32":

    def _lock(file: int, offset: int) -> bool:
        os.lseek(file, offset, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int, offset: int) -> None:
        os.lseek(file, offset, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:

    def _lock(file: int, offset: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int, offset: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, offset)


@cache
def locks_in(folder: str) -> Locks:
    """Return the locks of a directory, one object per process.

    It is never closed: closing any descriptor of a file drops all locks that the process holds on the file (POSIX).
    """
    return Locks(folder)
