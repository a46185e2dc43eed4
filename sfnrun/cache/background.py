"""Answers that nobody waits for: fetched on threads of their own, one at a time for a key, waited for at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Background", "at_once"]


class Background:
    """Runs jobs beside the execution."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[str, threading.Thread] = {}

    def __call__(self, key: str, job: Callable[[], None]) -> None:
        """Start a job, unless one of this key is under way."""

        def run() -> None:
            try:
                job()
            finally:
                with self._guard:
                    self._open.pop(key, None)

        with self._guard:
            if key not in self._open:
                # A daemon, so that a handler that never ends cannot keep the process.
                thread = self._open[key] = threading.Thread(target=run, name="sfnrun cache refresh", daemon=True)
                thread.start()

    def close(self, seconds: float) -> None:
        """Wait for the jobs under way, together at most so long."""
        until = time.monotonic() + seconds
        with self._guard:
            threads = list(self._open.values())
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def at_once(key: str, job: Callable[[], None]) -> None:
    """For the virtual clock, where handlers run one at a time: the job takes no time of the execution's."""
    job()
