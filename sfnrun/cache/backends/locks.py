"""Leases on one machine: a byte of the file `locks` for each key, which the kernel frees when its holder dies."""

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
    """The locks of a folder, for all threads of a process."""

    def __init__(self, folder: str) -> None:
        self._file = os.open(os.path.join(folder, "locks"), os.O_RDWR | os.O_CREAT, 0o600)
        self._guard = threading.Lock()
        self._held: set[int] = set()
        self._process = os.getpid()

    def take(self, key: str) -> bool:
        """Whether we have it now. False: another has it, in this process or elsewhere."""
        place = _place(key)
        with self._guard:
            if self._process != os.getpid():  # locks are not inherited by a fork
                self._process, self._held = os.getpid(), set()
            if place in self._held or not _lock(self._file, place):
                return False
            self._held.add(place)
        return True

    def drop(self, key: str) -> None:
        """Let go of a lock that we have."""
        place = _place(key)
        with self._guard:
            self._held.discard(place)
            _unlock(self._file, place)


def _place(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:5])


if sys.platform == "win32":

    def _lock(file: int, place: int) -> bool:
        os.lseek(file, place, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int, place: int) -> None:
        os.lseek(file, place, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:

    def _lock(file: int, place: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int, place: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


@cache
def locks_in(folder: str) -> Locks:
    """One for a folder and process, never closed: closing any descriptor of a file drops all locks of the process."""
    return Locks(folder)
