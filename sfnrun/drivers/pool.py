"""Threads for handlers. One that outstays its time limit is given up: Python cannot stop it, so nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Pool"]

Job = Callable[[], None]

# Handlers mostly wait, so more of them than there are cores is right; a Map of more items queues.
MOST_WORKERS = 128


class Pool:
    """Daemon threads, made when no idle one is left, at most `most` at a time."""

    def __init__(self, most: int = MOST_WORKERS) -> None:
        self.most = most
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._workers = 0

    def submit(self, job: Job) -> None:
        """Run `job()` on a thread of the pool; it must not raise."""
        with self._lock:
            self._idle -= 1
            start = self._idle < 0 and self._workers < self.most
            self._workers += start
        self._jobs.put(job)
        if start:
            threading.Thread(target=self._work, name="sfnrun-handler", daemon=True).start()

    def give_up_one(self) -> None:
        """Forget a worker whose handler hangs, so that another may take its place."""
        with self._lock:
            self._workers -= 1

    def close(self) -> None:
        """Let idle workers end."""
        for _ in range(self._workers):
            self._jobs.put(None)

    def _work(self) -> None:
        with self._lock:
            self._idle += 1
        while (job := self._jobs.get()) is not None:
            job()
            with self._lock:
                self._idle += 1
