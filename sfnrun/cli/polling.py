"""`--watch`: files are looked at a few times a second, and checked again when one of them has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator

__all__ = ["changes"]

_PAUSE = 0.25

Snapshot = dict[str, tuple[int, int]]


def changes(
    files: Callable[[], Iterable[str]], pause: Callable[[], None] = lambda: time.sleep(_PAUSE)
) -> Iterator[list[str]]:
    """The files that are new, changed or gone, each time there are any; for ever. `files` is asked every time."""
    before = _snapshot(files())
    while True:
        pause()
        now = _snapshot(files())
        changed = sorted(file for file in before.keys() | now.keys() if before.get(file) != now.get(file))
        before = now
        if changed:
            yield changed


def _snapshot(files: Iterable[str]) -> Snapshot:
    found: Snapshot = {}
    for file in files:
        try:
            status = os.stat(file)
        except OSError:
            continue
        found[file] = (status.st_mtime_ns, status.st_size)
    return found
