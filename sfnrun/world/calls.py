"""Calls handlers: on the World's own thread, on threads of a pool, or in parallel under the virtual clock.

Under the real clock handlers run on the threads of a pool, and an answer counts when it comes.

Under the virtual clock a call happens at one moment, and its result is due `duration_ms` later. The handler runs on the
World's own thread. A handler with a time limit runs on a thread of the pool, and the World waits for it.

In a `parallel` World the handlers of all calls that are due at the same moment overlap. Each of these calls leaves a
Landing in its place on the agenda, and the clock stops in front of a Landing whose handler has not returned. A result
takes the place in the order that was reserved when its call was due. So the history is the same, byte for byte,
however long handlers take.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush

from sfnrun.effects import Call, Handler, Logged, Started
from sfnrun.world.agenda import Job
from sfnrun.world.hosted import Host, Hosted
from sfnrun.world.open_calls import HandledCall
from sfnrun.world.perform import TaskOutcome, answers_from, cached_outcomes, call_handler, submit_handler
from sfnrun.world.pool import Pool, Ticket

__all__ = ["Calls", "Landing"]

STARTED = Started()

# Places in the order that a call takes: the end of its use of a Gate, Started of an activity, Submitted, its result.
PLACES = 4


class Landing:
    """A call whose handler runs on a thread. `outcome` is its result, or the exception that it raised.

    It is its own owner on the agenda: a Landing that uses a Gate outlives the effect that it is for.
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
    """Calls the handlers of a World's executions. Its methods run on the World's thread, except where they say so."""

    def __init__(self, host: Host, *, threads: bool, parallel: bool) -> None:
        self.front: Landing | None = None
        """The call that the virtual clock waits for."""
        self.workers: set[int] = set()
        """Threads that run a handler for which the virtual clock can wait."""
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
        """Take a Call: its handler is called at its time (virtual clock), or at the end of the turn (real clock)."""
        is_activity = call.request.resource.kind == "activity"  # its Started names the worker, so it comes later
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
        """Take a Call whose handler was called before, by a process that was killed.

        Its results take the places in the order that they would have had: what follows is the same as without a kill.
        """
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
        is_alone = self._is_virtual and not self._parallel
        return not self._threads or (is_alone and not handler.time_limit and handler.submit is None)

    def ask_batch(self) -> bool:
        """Call the handlers of all Calls that have begun (without threads, one). Return whether there was any."""
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
        """Look up the cached outcome. One lookup serves all Calls of the execution that are due at the same time."""
        if self._looked is None or self._looked[0] is not hosted or call.key not in self._looked[1]:
            together = self._host.agenda.together(at)
            due = [what for _, _, owner, _, what in together if owner is hosted and isinstance(what, Call)]
            asked = [(one.request, hosted.answerer.for_request(one.request)) for one in due]
            self._looked = (hosted, {call.key, *(one.key for one in due)})
            self._cached = cached_outcomes(hosted.answerer, [(call.request, handler), *asked])
        return self._cached.pop(call.key, None)

    # --- running ---

    def start(self, hosted: Hosted, call: Call, handler: Handler, done: Callable[[], None] | None) -> None:
        """Call a handler now. `done` is called when the result is due, before it is delivered."""
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
            if handler.submit is None:
                landing.ticket = self.pool.submit(partial(self._work, landing))
            else:
                log = partial(self._log_from_thread, landing)
                submit_handler(handler.submit, call.request, log, partial(self._take, landing))

    def _log(self, hosted: Hosted, call: Call, at: int, line: str) -> None:
        """Log a line of a handler that runs on the World's own thread."""
        self._host.give(hosted, at if self._is_virtual else self._host.now, call.key, Logged(line))

    def _log_from_thread(self, landing: Landing, line: str) -> None:
        """Log a line; runs on the handler's thread."""
        if not self._is_virtual:
            self._host.post(self._host.give, landing.hosted, self._host.now, landing.call.key, Logged(line))
        elif self._parallel:
            landing.lines.append(line)  # shown when the call lands, so that the order does not depend on threads
        else:
            self._host.post(self._host.give, landing.hosted, landing.at, landing.call.key, Logged(line))

    def _work(self, landing: Landing) -> None:
        """Call a handler; runs on the handler's thread."""
        thread = threading.get_ident()
        if self._is_virtual:
            self.workers.add(thread)
        if landing.handler.time_limit is not None:
            self._host.post(self._limit, landing, time.monotonic() + landing.handler.time_limit)
        outcome: TaskOutcome | BaseException
        try:
            outcome = call_handler(landing.handler, landing.call.request, partial(self._log_from_thread, landing))
        except BaseException as error:  # a bug in sfnrun, or pytest.fail in a handler: it ends the execution
            outcome = error
        self.workers.discard(thread)
        self._take(landing, outcome)

    def _take(self, landing: Landing, outcome: TaskOutcome | BaseException) -> None:
        self._host.post(self._returned, landing, self._host.now, outcome)

    # --- time limits ---

    def _limit(self, landing: Landing, until: float) -> None:
        if not landing.ended:
            self._count += 1
            heappush(self._limits, (until, self._count, landing))

    def next_limit(self) -> float | None:
        """Return when the next time limit expires, on the clock of time.monotonic; None if there is none."""
        limits = self._limits
        while limits and limits[0][2].ended:
            heappop(limits)
        return limits[0][0] if limits else None

    def enforce_limits(self) -> bool:
        """Abandon the handlers whose time limit has expired. Return whether there was any."""
        expired = False
        while (until := self.next_limit()) is not None and until <= time.monotonic():
            landing = heappop(self._limits)[2]
            request = landing.call.request
            more = landing.handler.overtime(request)
            if more > 0:
                self._limit(landing, time.monotonic() + more)
                continue
            expired = True
            self._abandon(landing)
            outcome = TaskOutcome(landing.handler.timed_out(request))
            # After the lines that the handler and `timed_out` have logged.
            self._host.post(self._returned, landing, self._host.now, outcome)
        return expired

    def _abandon(self, landing: Landing) -> None:
        if landing.ticket is not None:
            self.pool.abandon(landing.ticket)

    # --- ending ---

    def _cancel(self, landing: Landing) -> None:
        """Abandon a handler whose result is not needed any more."""
        if landing.ended or (landing.done is not None and self._is_virtual):
            return  # under the virtual clock it occupies its Gate until its result would have been due
        landing.ended = True
        landing.open.clear()
        if self.front is landing:
            self.front = None
        self._abandon(landing)
        if landing.done is not None:
            landing.done()

    def _returned(self, landing: Landing, at: int, outcome: TaskOutcome | BaseException) -> None:
        """Take the outcome of a handler on a thread. That of an abandoned handler is dropped."""
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
        """Deliver the result of a call that is next on the agenda, or have the clock wait for its handler."""
        if landing.ended:
            self._land(landing)
        else:
            self.front = landing

    def _land(self, landing: Landing) -> None:
        hosted, outcome = landing.hosted, landing.outcome
        for line in landing.lines:
            hosted.deliver(landing.at, landing.call.key, Logged(line))
        if isinstance(outcome, BaseException):
            self._host.fail(hosted, outcome)
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
        """Put the answers of an outcome on the agenda, in the reserved places that begin with `number`."""
        agenda = self._host.agenda
        if done is not None:
            job = Job(done)
            agenda.push(at + outcome.duration_ms, job, "", job, number)
        for delay, answer in answers_from(call.request, outcome):
            number += 1
            if answer is not None:
                agenda.push(at + delay, hosted, call.key, answer, number)
