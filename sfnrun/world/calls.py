"""Calls of handlers: inline, on threads, or side by side under the virtual clock.

Under the real clock handlers run on the threads of a pool, and an answer counts when it comes. Under the virtual clock
a call happens at one moment, and its result is due `duration_ms` later. The handler runs on the World's own thread; if
it has a time limit, on a thread that the World waits for. In a `parallel` World the handlers of all calls that are due
together overlap: each call leaves a Landing in its place on the agenda, and the clock stops in front of one whose
handler has not returned. Results take places in the order that were reserved when the call was due, so the history is
the same, byte for byte, however long handlers take.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush

from sfnrun.effects import Answer, Call, Handler, Logged, OpenCall, Request, Started
from sfnrun.world.agenda import Job
from sfnrun.world.hosted import Host, Hosted
from sfnrun.world.perform import TaskOutcome, answers_from, cached_outcomes, call_handler
from sfnrun.world.pool import Pool, Ticket

__all__ = ["Calls", "Gate", "HandledCall", "Landing"]

STARTED = Started()

# Places in the order that a call takes: the end of its use of a Gate, Started of an activity, Submitted, its result.
PLACES = 4


class Landing:
    """A call whose handler runs on a thread. `outcome` is what it returned, or the exception that it raised.

    It is its own owner on the agenda: where its effect is cancelled it is not void until the handler is.
    """

    __slots__ = ("at", "call", "done", "ended", "handler", "hosted", "lines", "number", "open", "outcome", "ticket")

    def __init__(
        self, hosted: Hosted, call: Call, handler: Handler, at: int, number: int, done: Callable[[], None] | None
    ) -> None:
        self.hosted = hosted
        self.call = call
        self.handler = handler
        self.at = at
        self.number = number
        self.done = done
        self.open: dict[str, object] = {"": None}
        self.lines: list[str] = []
        self.ticket: Ticket | None = None
        self.ended = False
        self.outcome: TaskOutcome | BaseException | None = None


class Calls:
    """Calls the handlers of a World's executions. Everything but a handler's own thread is on the World's."""

    def __init__(self, host: Host, *, threads: bool, parallel: bool) -> None:
        self.front: Landing | None = None
        """The handler that the virtual clock waits for."""
        self.workers: set[int] = set()
        """Threads with a handler that the virtual clock waits for."""
        self._host = host
        self._is_virtual = host.is_virtual
        self._threads = threads
        self._parallel = parallel
        self.pool = Pool()
        self._batch: deque[tuple[Hosted, Call, Handler]] = deque()
        self._limits: list[tuple[float, int, Landing]] = []
        self._count = 0
        self._looked: tuple[Hosted, set[str]] | None = None
        self._cached: dict[str, TaskOutcome] = {}

    def close(self) -> None:
        """Let the threads end."""
        self.pool.close()

    # --- beginning ---

    def begin(self, hosted: Hosted, call: Call, at: int) -> None:
        """Have a Call answered: under the virtual clock at its time, under the real one with the others of the turn."""
        is_activity = call.request.resource.kind == "activity"  # its Started names the worker that took it
        if self._is_virtual:
            if not is_activity:
                self._host.agenda.push(at, hosted, call.key, STARTED)
            self._host.agenda.push(at, hosted, call.key, call)
            return
        handler = hosted.answerer.for_request(call.request)
        if not is_activity:
            self._host.give(hosted, self._host.now, call.key, STARTED)
        self._batch.append((hosted, call, handler))

    def repeat(self, hosted: Hosted, call: Call, at: int) -> None:
        """Have a Call answered that was called before; its results take the same places as if they had come then."""
        if not self._is_virtual:
            self.begin(hosted, call, at)
            return
        number = self._host.agenda.reserve(PLACES)
        job = Job(partial(self._host.attempt, hosted, self.ask, hosted, call, at, number))
        self._host.agenda.push(at, job, "", job, number)
        hosted.open[call.key] = job.cancel

    def ask(self, hosted: Hosted, call: Call, at: int, number: int = 0) -> None:
        """Call the handler of a Call that is due under the virtual clock."""
        answerer, request = hosted.answerer, call.request
        handler = answerer.for_request(request)
        hosted.run.journal.flush()
        number = number or self._host.agenda.reserve(PLACES)
        cached = None if answerer.cached_replies is None else self._cached_outcome(hosted, call, handler, at)
        if cached is not None:
            self._schedule(hosted, call, at, number, cached)
        elif handler.begin is None and self._runs_inline(handler):
            self._schedule(
                hosted, call, at, number, call_handler(handler, request, partial(self._log, hosted, call, at))
            )
        else:
            self._start(Landing(hosted, call, handler, at, number, None))

    def _runs_inline(self, handler: Handler) -> bool:
        """Whether a handler runs on the World's own thread."""
        return not self._threads or (self._is_virtual and not self._parallel and not handler.time_limit)

    def ask_batch(self) -> bool:
        """Call the handlers of all Calls that have begun; without threads of one. Return whether there were any."""
        batch = self._batch
        if not batch:
            return False
        taken = [batch.popleft() for _ in range(len(batch) if self._threads else 1)]
        by_execution: dict[Hosted, list[tuple[Call, Handler]]] = {}
        for hosted, call, handler in taken:
            if call.key in hosted.open:
                by_execution.setdefault(hosted, []).append((call, handler))
        for hosted, calls in by_execution.items():
            self._host.attempt(hosted, self._ask_together, hosted, calls)
        return True

    def _ask_together(self, hosted: Hosted, calls: list[tuple[Call, Handler]]) -> None:
        hosted.run.journal.flush()
        cached = cached_outcomes(hosted.answerer, [(call.request, handler) for call, handler in calls])
        now = self._host.now
        for call, handler in calls:
            landing = Landing(hosted, call, handler, now, 0, None)
            if call.key in cached:
                self._finish(landing, cached[call.key])
            else:
                self._start(landing)

    def _cached_outcome(self, hosted: Hosted, call: Call, handler: Handler, at: int) -> TaskOutcome | None:
        """The outcome that a cache knows; one trip for all Calls of the execution that are due at the same time."""
        if self._looked is None or self._looked[0] is not hosted or call.key not in self._looked[1]:
            together = self._host.agenda.together(at)
            due = [what for _, _, owner, _, what in together if owner is hosted and isinstance(what, Call)]
            asked = [(one.request, hosted.answerer.for_request(one.request)) for one in due]
            self._looked = (hosted, {call.key, *(one.key for one in due)})
            self._cached = cached_outcomes(hosted.answerer, [(call.request, handler), *asked])
        return self._cached.pop(call.key, None)

    # --- running ---

    def start(self, hosted: Hosted, call: Call, handler: Handler, done: Callable[[], None] | None) -> None:
        """Have a handler answer a Call now. `done` is called when its result is due, before that is delivered."""
        number = self._host.agenda.reserve(PLACES)
        self._start(Landing(hosted, call, handler, self._host.now, number, done))

    def _start(self, landing: Landing) -> None:
        handler, call, hosted = landing.handler, landing.call, landing.hosted
        if handler.begin is not None:
            handler.begin(HandledCall(self._host, self, hosted, call))
        elif self._runs_inline(handler):
            outcome = call_handler(handler, call.request, partial(self._log, hosted, call, landing.at))
            if not self._is_virtual:
                landing.at = self._host.now
            self._finish(landing, outcome)
        else:
            hosted.open[call.key] = partial(self._cancel, landing)
            if self._parallel:
                self._host.agenda.push(landing.at, landing, "", landing, landing.number)
            elif self._is_virtual:
                self.front = landing
            landing.ticket = self.pool.submit(partial(self._work, landing))

    def _log(self, hosted: Hosted, call: Call, at: int, line: str) -> None:
        """Take a line that a handler logs on the World's own thread."""
        self._host.give(hosted, at if self._is_virtual else self._host.now, call.key, Logged(line))

    def _log_from_thread(self, landing: Landing, line: str) -> None:
        if not self._is_virtual:
            self._host.post(self._host.give, landing.hosted, self._host.now, landing.call.key, Logged(line))
        elif self._parallel:
            landing.lines.append(line)  # shown when the call lands, so that the order does not depend on threads
        else:
            self._host.post(self._host.give, landing.hosted, landing.at, landing.call.key, Logged(line))

    def _work(self, landing: Landing) -> None:
        """Call a handler, on its thread."""
        thread = threading.get_ident()
        if self._is_virtual:
            self.workers.add(thread)
        if landing.handler.time_limit is not None:
            self._host.post(self._limit, landing, time.monotonic() + landing.handler.time_limit)
        outcome: TaskOutcome | BaseException
        try:
            outcome = call_handler(landing.handler, landing.call.request, partial(self._log_from_thread, landing))
        except BaseException as error:  # a bug of ours, or a test that fails: it ends the execution
            outcome = error
        self.workers.discard(thread)
        self._host.post(self._returned, landing, self._host.now, outcome)

    # --- time limits ---

    def _limit(self, landing: Landing, until: float) -> None:
        if not landing.ended:
            self._count += 1
            heappush(self._limits, (until, self._count, landing))

    def next_limit(self) -> float | None:
        """Return when the next handler's time is over, on the clock of time.monotonic; None if none has a limit."""
        limits = self._limits
        while limits and limits[0][2].ended:
            heappop(limits)
        return limits[0][0] if limits else None

    def enforce_limits(self) -> bool:
        """Give up the handlers whose time is over. Return whether there were any."""
        given_up = False
        while (until := self.next_limit()) is not None and until <= time.monotonic():
            landing = heappop(self._limits)[2]
            request = landing.call.request
            more = landing.handler.overtime(request)
            if more > 0:
                self._limit(landing, time.monotonic() + more)
                continue
            given_up = True
            self._give_up(landing)
            outcome = TaskOutcome(landing.handler.timed_out(request))
            # Behind the lines that the handler and `timed_out` have logged.
            self._host.post(self._returned, landing, self._host.now, outcome)
        return given_up

    def _give_up(self, landing: Landing) -> None:
        if landing.ticket is not None:
            self.pool.give_up(landing.ticket)

    # --- ending ---

    def _cancel(self, landing: Landing) -> None:
        """Nobody needs the result any more."""
        if landing.ended or (landing.done is not None and self._is_virtual):
            return  # under the virtual clock it uses its Gate until its result would have been due
        landing.ended = True
        landing.open.clear()
        if self.front is landing:
            self.front = None
        self._give_up(landing)
        if landing.done is not None:
            landing.done()

    def _returned(self, landing: Landing, at: int, outcome: TaskOutcome | BaseException) -> None:
        """Take what a handler's thread brings; what comes from one that was given up is dropped."""
        if landing.ended:
            return
        landing.ended = True
        landing.outcome = outcome
        if not self._is_virtual:
            landing.at = at
            self._land(landing)
        elif self.front is landing:
            self.front = None
            self._land(landing)

    def land_in_turn(self, landing: Landing) -> None:
        """Give the result of a call whose turn has come under the virtual clock, or have the clock wait for it."""
        if landing.ended:
            self._land(landing)
        else:
            self.front = landing

    def _land(self, landing: Landing) -> None:
        hosted, outcome = landing.hosted, landing.outcome
        for line in landing.lines:
            hosted.deliver(landing.at, landing.call.key, Logged(line))
        if isinstance(outcome, BaseException):
            self._host.attempt(hosted, _raise, outcome)
        elif outcome is not None:
            self._finish(landing, outcome)

    def _finish(self, landing: Landing, outcome: TaskOutcome) -> None:
        hosted, key, request = landing.hosted, landing.call.key, landing.call.request
        if key in hosted.open:
            hosted.open[key] = None
        if self._is_virtual:
            self._schedule(hosted, landing.call, landing.at, landing.number, outcome, landing.done)
            return
        if landing.done is not None:
            landing.done()
        for _, answer in answers_from(request, outcome):
            if answer is not None:
                self._host.give(hosted, landing.at, key, answer)

    def _schedule(
        self,
        hosted: Hosted,
        call: Call,
        at: int,
        number: int,
        outcome: TaskOutcome,
        done: Callable[[], None] | None = None,
    ) -> None:
        """Put an outcome on the agenda, in the places that begin with `number`."""
        agenda = self._host.agenda
        if done is not None:
            job = Job(done)
            agenda.push(at + outcome.duration_ms, job, "", job, number)
        for delay, answer in answers_from(call.request, outcome):
            number += 1
            if answer is not None:
                agenda.push(at + delay, hosted, call.key, answer, number)


def _raise(error: BaseException) -> None:
    raise error


class HandledCall:
    """A Call that its handler answers on the World's thread, now or later; see effects.OpenCall."""

    def __init__(self, host: Host, calls: Calls, hosted: Hosted, call: Call) -> None:
        self._host = host
        self._calls = calls
        self._hosted = hosted
        self._call = call

    @property
    def request(self) -> Request:
        return self._call.request

    @property
    def is_open(self) -> bool:
        return self._call.key in self._hosted.open

    def answer(self, answer: Answer, after: int = 0) -> None:
        if after or self._host.is_virtual:
            self._host.agenda.push(self._host.now + after, self._hosted, self._call.key, answer)
        else:
            self._host.give(self._hosted, self._host.now, self._call.key, answer)

    def on_cancel(self, hook: Callable[[], None]) -> None:
        if self.is_open:
            self._hosted.open[self._call.key] = hook

    def ask(self, handler: Handler, done: Callable[[], None] | None = None) -> None:
        self._calls.start(self._hosted, self._call, handler, done)


class Gate:
    """Lets a number of calls through at a time, of all executions of a World; the others wait in line."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.free = limit
        self._line: deque[tuple[OpenCall, Handler]] = deque()

    @property
    def waiting(self) -> int:
        """How many calls wait; those that were cancelled count until their turn comes."""
        return len(self._line)

    def around(self, handler: Handler) -> Handler:
        """Return the same handler behind the gate."""
        return Handler(handler.call, begin=lambda call: self.enter(call, handler), fingerprint=handler.fingerprint)

    def enter(self, call: OpenCall, handler: Handler) -> None:
        """Have a handler answer a call when its turn comes."""
        self._line.append((call, handler))
        self._admit()

    def _leave(self) -> None:
        self.free += 1
        self._admit()

    def _admit(self) -> None:
        while self.free and self._line:
            call, handler = self._line.popleft()
            if call.is_open:
                self.free -= 1
                call.ask(handler, self._leave)
