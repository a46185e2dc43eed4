"""Threads for handlers. One that outstays its time limit is given up: Python cannot stop it, so nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Pool", "Ticket"]

Job = Callable[[], None]

# Handlers mostly wait, so more of them than there are cores is right; a Map of more items queues.
MOST_WORKERS = 128


class Ticket:
    """A job that was submitted, to give it up by."""

    __slots__ = ("begun", "ended", "given_up", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.begun = False
        self.ended = False
        self.given_up = False


class Pool:
    """Daemon threads, made when no idle one is left, at most `most` at a time."""

    def __init__(self, most: int = MOST_WORKERS) -> None:
        self.most = most
        self._jobs: SimpleQueue[Ticket | None] = SimpleQueue()
        self._lock = threading.Lock()
        # Idle workers less waiting jobs, and workers that are not given up.
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

    def give_up(self, ticket: Ticket) -> None:
        """Do not begin the job; if it has begun, let another worker take the place of the one that is at it."""
        with self._lock:
            if ticket.ended or ticket.given_up:
                return
            ticket.given_up = True
            if ticket.begun:
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
            if self._begins(ticket):
                ticket.job()
                if not self._ends(ticket):
                    return
        self._jobs.put(None)  # the sign to end goes from hand to hand

    def _begins(self, ticket: Ticket) -> bool:
        with self._lock:
            ticket.begun = not ticket.given_up
            self._idle += ticket.given_up
            return ticket.begun

    def _ends(self, ticket: Ticket) -> bool:
        with self._lock:
            ticket.ended = True
            self._idle += not ticket.given_up
            return not ticket.given_up
