"""Real time: handlers run side by side on a pool of threads, waits take as long as they say.

Whatever happens outside comes in through one queue, so that the loop sees one answer after the other. A task token is
looked up by what it was made from, the key; there is no table of tokens.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable
from functools import partial
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
from sfnrun.world.perform import Step, answers_from, cached_outcomes, call_handler, run_on
from sfnrun.world.pool import Pool, Ticket
from sfnrun.world.waiting import wait_for

__all__ = ["RealDriver"]


class Timer(NamedTuple):
    """An answer that is due at a time; None: the time limit of a handler that is running."""

    at: float
    number: int
    key: str
    answer: Answer | None


class Running(NamedTuple):
    """A handler at work, or waiting for a thread to work on."""

    call: Call
    handler: Handler
    ticket: Ticket


class Begun:
    """What a handler's thread says first, for its time limit to count from."""


BEGUN = Begun()


class Arrived(NamedTuple):
    """What comes in from a handler's thread; `answer` None: it has returned, its answer will come from elsewhere."""

    at: int
    key: str
    answer: Answer | Begun | None


class RealDriver:
    """Answers effects in real time. `threads` False runs handlers one by one on the loop's thread, for a debugger."""

    def __init__(self, answerer: Answerer, step: Step = run_on, *, threads: bool = True) -> None:
        self.answerer = answerer
        self.step = step
        self._pool = Pool() if threads else None
        self._inbox: SimpleQueue[Arrived | BaseException] = SimpleQueue()
        self._told: deque[Arrived] = deque()
        self._pauses: deque[Pause] = deque()
        self._asked: deque[tuple[Call, Handler]] = deque()
        self._timers: list[Timer] = []
        self._count = 0
        self._open: set[str] = set()
        self._running: dict[str, Running] = {}
        # The wall clock may be set while we run; the monotonic one tells how much time has passed.
        self._epoch = time.time() - time.monotonic()

    def now(self) -> int:
        """Milliseconds since 1970."""
        return int((self._epoch + time.monotonic()) * 1000)

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        self._open.add(key)
        if isinstance(effect, Sleep):
            self._time(effect.until, key, Slept())
            return
        if isinstance(effect, Pause):
            self._pauses.append(effect)  # asked when its turn comes: who quits before is not asked again
            return
        if effect.timeout_ms is not None:
            self._time(at + effect.timeout_ms, key, TimedOut())
        if effect.heartbeat_ms is not None:
            self._time(at + effect.heartbeat_ms, key, TimedOut(heartbeat=True))
        handler = self.answerer.for_request(effect.request)
        if effect.request.resource.kind != "activity":
            self._told.append(Arrived(self.now(), key, Started()))
        self._asked.append((effect, handler))

    def take_over(self, key: str, effect: Sleep | Call | Pause, at: int, started: bool) -> None:
        """Go on with what another driver began: a Wait keeps its end, a task has its time from now."""
        self.begin(key, effect, self.now() if isinstance(effect, Call) else at)

    def cancel(self, key: str) -> None:
        self._give_up(key)
        self._open.discard(key)

    def stop(self, stopped: Stopped) -> None:
        """Give this answer as soon as the loop asks. May be called from a signal handler or another thread."""
        self._inbox.put(Arrived(self.now(), "", stopped))

    def stop_at(self, at: int) -> None:
        """Stop the execution at a time."""
        self._open.add("")
        self._time(at, "", Stopped())

    def close(self) -> None:
        """Let go of the handlers' threads."""
        if self._pool is not None:
            self._pool.close()

    def next(self, flush: Callable[[], None]) -> Answered:
        while True:
            answered = self._told.popleft() if self._told else self._wait(flush)
            if answered is None or (answered.key and answered.key not in self._open):
                continue
            at, key, answer = answered
            if isinstance(answer, Begun):
                self._limit(at, key)
            elif isinstance(answer, Started | Submitted | Logged):
                return Answered(at, key, answer)
            else:
                self._running.pop(key, None)
                if answer is not None:
                    self._open.discard(key)
                    return Answered(at, key, answer)

    def _wait(self, flush: Callable[[], None]) -> Arrived | None:
        """What comes in next, or the first timer that goes off before that."""
        if self._pauses or self._asked or self._inbox.empty():
            flush()
        if self._pauses:
            pause = self._pauses.popleft()
            return Arrived(self.now(), pause.key, self.step(pause))
        self._ask()
        if self._told:
            return None
        while self._timers and self._timers[0].key not in self._open:
            heapq.heappop(self._timers)
        first = self._timers[0] if self._timers else None
        try:
            arrived = wait_for(self._inbox, None if first is None else (first.at - self.now()) / 1000)
        except Empty:
            return self._ring(heapq.heappop(self._timers))
        if isinstance(arrived, BaseException):
            raise arrived
        return arrived

    def _ask(self) -> None:
        """Ask the tasks that were begun: all of them, or without threads one."""
        asked = [(call, handler) for call, handler in self._asked if call.key in self._open]
        self._asked.clear()
        if self._pool is None:
            self._asked += asked[1:]
            for call, handler in asked[:1]:
                self._run(call, handler)
            return
        cached = cached_outcomes(self.answerer, [(call.request, handler) for call, handler in asked]) if asked else {}
        for call, handler in asked:
            outcome = cached.get(call.key)
            if outcome is None:
                ticket = self._pool.submit(partial(self._run, call, handler))
                self._running[call.key] = Running(call, handler, ticket)
            else:
                answers = answers_from(call.request, outcome)
                self._told += (Arrived(self.now(), call.key, answer) for _, answer in answers)

    def _limit(self, at: float, key: str) -> None:
        """From now on the handler's time limit counts."""
        running = self._running.get(key)
        if running is not None and running.handler.time_limit is not None:
            self._time(at + running.handler.time_limit * 1000, key, None)

    def _ring(self, timer: Timer) -> Arrived | None:
        answer = self._late(timer.key) if timer.answer is None else timer.answer
        if answer is None:
            return None
        self._give_up(timer.key)
        # Behind what has been said of it: the handler's last lines, and where to raise its time limit.
        self._inbox.put(Arrived(max(self.now(), int(timer.at)), timer.key, answer))
        return None

    def _late(self, key: str) -> Answer | None:
        """The answer of a handler whose time is over. None: it has more time, or ended and waits for its token."""
        running = self._running.get(key)
        if running is None:
            return None
        more = running.handler.overtime(running.call.request)
        if more > 0:
            self._time(self.now() + more * 1000, key, None)
            return None
        return running.handler.timed_out(running.call.request)

    def _give_up(self, key: str) -> None:
        running = self._running.pop(key, None)
        if running is not None and self._pool is not None:
            self._pool.give_up(running.ticket)

    def _run(self, call: Call, handler: Handler) -> None:
        """Perform a call's task, on whatever thread this is, and put its answers in the inbox."""
        key = call.key

        def tell(answer: Answer | Begun | None) -> None:
            self._inbox.put(Arrived(self.now(), key, answer))

        if handler.time_limit is not None and self._pool is not None:
            tell(BEGUN)
        try:
            outcome = call_handler(handler, call.request, lambda line: tell(Logged(line)))
        except BaseException as error:  # ours, not the task's: let it come up where somebody sees it
            self._inbox.put(error)
            return
        for _, answer in answers_from(call.request, outcome):
            tell(answer)

    def _time(self, at: float, key: str, answer: Answer | None) -> None:
        self._count += 1
        heapq.heappush(self._timers, Timer(at, self._count, key, answer))
