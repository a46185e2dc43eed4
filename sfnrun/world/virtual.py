"""The clock jumps: a wait costs nothing, a task runs at once and takes the time that it says it takes.

Everything to come lies on one heap, ordered by its time and then by when it was asked for, so a run depends on
nothing but its input, its seed and what its tasks answer.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple

from sfnrun.effects import (
    Answer,
    Answered,
    Answerer,
    Call,
    Handler,
    Logged,
    Pause,
    Sleep,
    Slept,
    Started,
    Stopped,
    Submitted,
    TimedOut,
)
from sfnrun.errors import WaitingError
from sfnrun.world.perform import Step, TaskOutcome, answers_from, cached_outcomes, call_handler, run_on
from sfnrun.world.pool import Pool
from sfnrun.world.waiting import wait_for

__all__ = ["VirtualDriver"]


class Due(NamedTuple):
    """Something to come: an answer, or a call whose handler is to be run then."""

    at: int
    number: int
    key: str
    what: Answer | Call


class VirtualDriver:
    """Answers effects in virtual time. Handlers run one at a time, those with a time limit on a thread of their own."""

    def __init__(self, answerer: Answerer, step: Step = run_on) -> None:
        self.answerer = answerer
        self.step = step
        self._heap: list[Due] = []
        self._told: deque[Answered] = deque()
        self._pauses: deque[tuple[int, Pause]] = deque()
        self._count = 0
        self._open: set[str] = set()
        self._pool: Pool | None = None
        self._stopped: Stopped | None = None
        self._looked_for: set[str] = set()
        self._known: dict[str, TaskOutcome] = {}
        self._performed: SimpleQueue[TaskOutcome | BaseException | None] = SimpleQueue()

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        self._open.add(key)
        if isinstance(effect, Sleep):
            self._push(effect.until, key, Slept())
            return
        if isinstance(effect, Pause):
            self._pauses.append((at, effect))  # asked when its turn comes: who quits before is not asked again
            return
        if effect.request.resource.kind != "activity":  # which tells by whom it was taken, so has to be run first
            self._push(at, key, Started())
        self._push(at, key, effect)
        self._push_timeouts(effect, at)

    def take_over(self, key: str, effect: Sleep | Call | Pause, at: int, started: bool) -> None:
        """Go on with what another driver began at that time; a task that was `started` is run again at once.

        So what follows comes in the order in which it would have come.
        """
        if started and isinstance(effect, Call):
            self._open.add(key)
            self._push_timeouts(effect, at)
            self._run(at, key, effect)
        else:
            self.begin(key, effect, at)

    def cancel(self, key: str) -> None:
        self._open.discard(key)

    def stop(self, stopped: Stopped) -> None:
        """Give this answer next, whatever is going on. May be called from a signal handler."""
        self._stopped = stopped
        self._performed.put(None)

    def stop_at(self, at: int) -> None:
        """Stop the execution at a time of its own clock."""
        self._open.add("")
        self._push(at, "", Stopped())

    def close(self) -> None:
        """Let go of the handlers' threads."""
        if self._pool is not None:
            self._pool.close()

    def next(self, flush: Callable[[], None]) -> Answered:
        now = 0
        while self._stopped is None:
            if self._told:
                return self._told.popleft()
            if self._pauses:
                flush()
                at, pause = self._pauses.popleft()
                return Answered(at, pause.key, self.step(pause))
            if not self._heap:
                raise WaitingError(
                    "The execution waits for an answer that nothing will give.",
                    "Give the Task a TimeoutSeconds, or an answer in sfnrun.yaml.",
                )
            now, _, key, what = heapq.heappop(self._heap)
            if key not in self._open:
                continue
            if isinstance(what, Call):
                flush()
                self._run(now, key, what)
                continue
            if not isinstance(what, Started | Submitted):
                self._open.discard(key)
            return Answered(now, key, what)
        return Answered(now, "", self._stopped)

    def _run(self, at: int, key: str, call: Call) -> None:
        handler = self.answerer.for_request(call.request)
        outcome = self._cached(at, call, handler)
        if outcome is None:
            outcome = self._limited(at, call, handler) if handler.time_limit else self._call(at, call, handler)
        if outcome is None:
            return
        for delay, answer in answers_from(call.request, outcome):
            if answer is not None:
                self._push(at + delay, key, answer)

    def _cached(self, at: int, call: Call, handler: Handler) -> TaskOutcome | None:
        """What is known of a call without asking; that of all that are due with it is looked for in one go."""
        if self.answerer.cached_replies is None:
            return None
        if call.key not in self._looked_for:
            due = list(self._due(at))
            self._looked_for = {one.key for one in (call, *due)}
            asked = [(call.request, handler), *((one.request, self.answerer.for_request(one.request)) for one in due)]
            self._known = cached_outcomes(self.answerer, asked)
        return self._known.pop(call.key, None)

    def _due(self, at: int) -> Iterator[Call]:
        """The calls that are due at a time than which nothing is due earlier: so they lie on top of the heap."""
        places = [0]
        while places:
            place = places.pop()
            if place < len(self._heap) and self._heap[place].at == at:
                places += (2 * place + 1, 2 * place + 2)
                what = self._heap[place].what
                if isinstance(what, Call) and what.key in self._open:
                    yield what

    def _call(self, at: int, call: Call, handler: Handler) -> TaskOutcome:
        return call_handler(handler, call.request, lambda line: self._told.append(Answered(at, call.key, Logged(line))))

    def _limited(self, at: int, call: Call, handler: Handler) -> TaskOutcome | None:
        """Perform a task on a thread for at most its time limit (of real time). None: stopped meanwhile."""
        done = self._performed = SimpleQueue()

        def job() -> None:
            try:
                done.put(self._call(at, call, handler))
            except BaseException as error:  # ours, not the task's: let it come up where somebody sees it
                done.put(error)

        if self._pool is None:
            self._pool = Pool()
        ticket = self._pool.submit(job)
        seconds = handler.time_limit or 0.0
        while seconds > 0:
            try:
                performed = wait_for(done, seconds)
            except Empty:
                seconds = handler.overtime(call.request)
                continue
            if isinstance(performed, BaseException):
                raise performed
            return performed
        self._pool.give_up(ticket)
        return TaskOutcome(handler.timed_out(call.request))

    def _push_timeouts(self, call: Call, at: int) -> None:
        if call.timeout_ms is not None:
            self._push(at + call.timeout_ms, call.key, TimedOut())
        if call.heartbeat_ms is not None:
            self._push(at + call.heartbeat_ms, call.key, TimedOut(heartbeat=True))

    def _push(self, at: int, key: str, what: Answer | Call) -> None:
        self._count += 1
        heapq.heappush(self._heap, Due(at, self._count, key, what))
