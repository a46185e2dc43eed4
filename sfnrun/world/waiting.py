"""A wait that Ctrl-C ends: a signal that comes just as a wait begins is heard only when that ends, so none is long."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TypeVar

__all__ = ["wait_for"]

T = TypeVar("T")

# So long somebody who presses Ctrl-C at the worst moment waits.
LONGEST_S = 0.25


def wait_for(queue: SimpleQueue[T], seconds: float | None) -> T:
    """What comes next out of a queue. Raises Empty after so many seconds; None: never."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        left = LONGEST_S if end is None else end - time.monotonic()
        try:
            return queue.get(timeout=min(LONGEST_S, max(0.0, left)))
        except Empty:
            if left <= LONGEST_S and end is not None:
                raise
