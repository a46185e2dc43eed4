"""Threads for handlers. A thread that exceeds its time limit is abandoned, because Python cannot end it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Pool", "Ticket"]

Job = Callable[[], None]

# Handlers mostly wait for something else, so there can be more threads than cores. A Map of more items is queued.
MOST_WORKERS = 128


class Ticket:
    """A submitted job; pass it to `abandon`."""

    __slots__ = ("abandoned", "ended", "job", "started")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.started = False
        self.ended = False
        self.abandoned = False


class Pool:
    """Runs jobs on daemon threads, at most `most` at a time. A thread is made when no idle one is left."""

    def __init__(self, most: int = MOST_WORKERS) -> None:
        self.most = most
        self._jobs: SimpleQueue[Ticket | None] = SimpleQueue()
        self._lock = threading.Lock()
        # Idle workers less waiting jobs, and workers that are not abandoned.
        self._idle = 0
        self._workers = 0

    def submit(self, job: Job) -> Ticket:
        """Run `job()` on a thread of the pool; it must not raise."""
        ticket = Ticket(job)
        with self._lock:
            self._idle -= 1
            self._hire()
        self._jobs.put(ticket)
        return ticket

    def abandon(self, ticket: Ticket) -> None:
        """Do not start a job; if it has started, let another worker take the place of the one that runs it."""
        with self._lock:
            if ticket.ended or ticket.abandoned:
                return
            ticket.abandoned = True
            if ticket.started:
                self._workers -= 1
                self._hire()

    def close(self) -> None:
        """Let the workers end, each when it has nothing to do."""
        self._jobs.put(None)

    def _hire(self) -> None:
        if self._idle < 0 and self._workers < self.most:
            self._workers += 1
            threading.Thread(target=self._work, name="sfnrun-handler", daemon=True).start()

    def _work(self) -> None:
        with self._lock:
            self._idle += 1
        while (ticket := self._jobs.get()) is not None:
            if self._starts(ticket):
                ticket.job()
                if not self._ends(ticket):
                    return
        self._jobs.put(None)  # so that the next worker ends too

    def _starts(self, ticket: Ticket) -> bool:
        with self._lock:
            ticket.started = not ticket.abandoned
            self._idle += ticket.abandoned
            return ticket.started

    def _ends(self, ticket: Ticket) -> bool:
        with self._lock:
            ticket.ended = True
            self._idle += not ticket.abandoned
            return not ticket.abandoned
