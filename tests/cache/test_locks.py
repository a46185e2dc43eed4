"""The locks of a folder where there is no fcntl: Windows' way, against a kernel that plays Windows."""

import os
import runpy
import sys
import types
from pathlib import Path

import pytest

LOCKS = Path(__file__).resolve().parents[2] / "sfnrun/cache/backends/locks.py"


class Kernel(types.ModuleType):
    """`msvcrt` as far as it locks: bytes of a file from where it is positioned, for all who have it open."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.locked: set[int] = set()

    def locking(self, file: int, mode: int, count: int) -> None:
        place = os.lseek(file, 0, os.SEEK_CUR)
        assert count == 1
        if mode == self.LK_UNLCK:
            self.locked.remove(place)
        elif place in self.locked:
            raise PermissionError(13, "Permission denied")
        else:
            self.locked.add(place)


@pytest.fixture
def kernel(monkeypatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", kernel)
    return kernel


def test_two_processes_on_windows(kernel, tmp_path):
    one, other = (runpy.run_path(str(LOCKS))["locks_in"](str(tmp_path)) for _ in range(2))
    assert one.acquire("a")
    assert not one.acquire("a")
    assert not other.acquire("a")
    assert other.acquire("b")
    one.release("a")
    assert other.acquire("a")
    assert len(kernel.locked) == 2
    other.release("a")
    other.release("b")
    assert not kernel.locked
