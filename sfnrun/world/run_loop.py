"""Run loop of a World: processes what is due, advances the clock, and waits for other threads.

A turn processes, in this order: the inbox, queued answers, one Pause, a slice of each runnable execution, expired time
limits of handlers, mail, due entries of the agenda, and Calls that have begun. The loop waits only after a turn that
did nothing; otherwise an answer could be left in the inbox.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Literal

from sfnrun.effects import Answer, Call, Pause, Stopped, TimedOut
from sfnrun.errors import WaitingError
from sfnrun.world.agenda import Agenda, Job
from sfnrun.world.calls import Calls, Landing
from sfnrun.world.hosted import STOP, Hosted, Step, Tokens
from sfnrun.world.outside import LONGEST_WAIT_S, Correspondence

__all__ = ["Clock", "RunLoop"]

Clock = Literal["virtual", "real"]

# Events of an execution in one turn under the real clock: with 1,000 a large Map delays others by about 10 ms.
SLICE = 1000
# Entries of the agenda in one turn.
ENTRIES_PER_TURN = 64


class RunLoop:
    """What a World does on its own thread. Only `post` can be called from other threads."""

    def __init__(self, clock: Clock, *, threads: bool, parallel: bool, on_end: Callable[[], None]) -> None:
        self.is_virtual = clock == "virtual"
        self.agenda = Agenda()
        self.executions: dict[Hosted, None] = {}
        self.tokens = Tokens()
        self.calls = Calls(self, threads=threads, parallel=parallel)
        self.begin_call, self.repeat_call = self.calls.begin, self.calls.repeat
        self.mail = Correspondence(self)
        self.holds = 0
        self.listeners = 0
        self.dirty: dict[Hosted, None] = {}
        """Executions whose journal has to be flushed before the loop waits."""
        self._on_end = on_end
        self._has_ended = False
        self._passes_daemons = not self.is_virtual
        self._now = 0
        # The wall clock can be set in the meantime, the monotonic clock cannot.
        self._epoch = time.time() - time.monotonic()
        self._inbox: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self._given: deque[tuple[Hosted, int, str, Answer]] = deque()
        self._pauses: deque[tuple[Hosted, int, Pause]] = deque()
        self._runnable: deque[tuple[Any, ...]] = deque()

    @property
    def now(self) -> int:
        """Milliseconds since 1970."""
        return self._now if self.is_virtual else int((self._epoch + time.monotonic()) * 1000)

    def post(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function on the World's thread. Can be called from any thread, and from a signal handler."""
        self._inbox.put((function, *args))

    # --- executions ---

    def take(self, hosted: Hosted) -> None:
        """Add an execution, and become its sink."""
        run = hosted.run
        run.sink = hosted
        run.slice = 0 if self.is_virtual else SLICE
        self._now = max(self._now, run.now)
        self.executions[hosted] = None
        self.mail.expect(hosted)

    def start(self, hosted: Hosted, stop_at: int | None) -> None:
        """Start an execution."""
        self.take(hosted)
        if stop_at is not None:
            self.agenda.push(stop_at, hosted, STOP, Stopped())
        self.go_on(hosted, hosted.run.start)

    def go_on(self, hosted: Hosted, function: Callable[..., None], *args: Any) -> None:
        """Call a function of the execution's Run in the next turn."""
        self._runnable.append((hosted, function, *args))

    def pause(self, hosted: Hosted, pause: Pause, at: int) -> None:
        if hosted.step is not None:
            self._pauses.append((hosted, at, pause))  # `step` is called in turn: the person can quit before
        else:
            self.hold(1)
            hosted.open[pause.key] = partial(self.hold, -1)

    def hold(self, change: int) -> None:
        """Stop a virtual clock (1), or remove a reason to (-1)."""
        self.holds += change

    def listen(self, change: int) -> None:
        """Wait for other threads when nothing is left to do (1), or remove a reason to (-1)."""
        self.listeners += change

    def give(self, hosted: Hosted, at: int, key: str, answer: Answer) -> None:
        self._given.append((hosted, at, key, answer))

    def attempt(self, hosted: Hosted, function: Callable[..., None], *args: Any) -> None:
        try:
            function(*args)
        except BaseException as error:
            self.fail(hosted, error)

    def fail(self, hosted: Hosted, error: BaseException) -> None:
        if not hosted.done:
            hosted.error = error
            self._end(hosted)
        if not isinstance(error, Exception):
            raise error  # Ctrl-C, or pytest.fail in a handler

    def advanced(self, hosted: Hosted) -> None:
        if hosted.done:
            return
        if hosted.run.outcome is not None:
            self._end(hosted)
        elif hosted.run.busy:
            self._runnable.append((hosted, hosted.run.resume))

    def leave(self, hosted: Hosted) -> None:
        """Remove an execution that has ended."""
        hosted.open.clear()
        hosted.outcome = hosted.run.outcome if hosted.error is None else None
        self.executions.pop(hosted, None)
        self.mail.end(hosted)
        self._has_ended = True

    def _end(self, hosted: Hosted) -> None:
        """Flush the journal of an execution that has ended, then report the end."""
        self.dirty.pop(hosted, None)
        try:
            hosted.run.close()
            hosted.run.journal.flush()
        except Exception as error:
            hosted.error = hosted.error or error
        self.leave(hosted)
        if hosted.on_end is not None:
            try:
                hosted.on_end(hosted)
            except Exception as error:
                hosted.error = hosted.error or error
        self._on_end()

    # --- turning ---

    def run(self, until: Hosted | None, to: int | None, end: float | None) -> None:
        """Turn until an execution has ended, to a time, or until nothing is left; `end` is a time of time.monotonic."""
        while until is None or not until.done:
            if not self._turn(to) and not self._rest(until, to, end):
                return
            if end is not None and time.monotonic() >= end:
                return

    def step(self, until: Hosted) -> None:
        """Take one turn, or wait for a reason to."""
        if not self._turn(None):
            self._rest(until, None, None)

    def _turn(self, to: int | None) -> bool:
        """Do what there is to do now; return whether there was anything."""
        worked = self._has_ended = False
        inbox, given, runnable, calls = self._inbox, self._given, self._runnable, self.calls
        for _ in range(inbox.qsize()):
            item = inbox.get_nowait()
            item[0](*item[1:])
            worked = True
        while given:
            hosted, at, key, answer = given.popleft()
            hosted.deliver(at, key, answer)
            worked = True
        if self._pauses:
            self._ask_step()
            return True
        for _ in range(len(runnable)):
            hosted, *work = runnable.popleft()
            hosted.advance(*work)
            worked = True
        if calls.enforce_limits():
            return True
        if self.mail.is_expected and time.monotonic() >= self.mail.poll_at and self.mail.poll():
            worked = True
        if self._has_ended and self.is_virtual:
            return True  # perhaps `run` waits for this end, and no more time may pass
        if calls.front is None and not given and inbox.empty() and self._happen_due(to):
            worked = True
        if not given and calls.ask_batch():  # that a task was started is recorded before its handler is called
            worked = True
        return worked

    def _happen_due(self, to: int | None) -> bool:
        """Process entries that are due, until there is something else to do; return whether there was any."""
        agenda, given, runnable, inbox, calls = self.agenda, self._given, self._runnable, self._inbox, self.calls
        is_virtual, until = self.is_virtual, self._until(to)
        for count in range(ENTRIES_PER_TURN):
            if is_virtual and self.holds:  # the last entry can be what holds the clock
                until = self._now
            entry = agenda.take(until, daemons=to is not None or self._passes_daemons)
            if entry is None:
                return count > 0
            at, number, owner, key, what = entry
            if not is_virtual:
                at = max(at, until)
            elif at > self._now:
                self._now = at
                self._passes_daemons = False
            kind = type(what)
            if kind is Call:
                try:
                    calls.ask(owner, what, at)
                except BaseException as error:
                    self.fail(owner, error)
            elif kind is Landing:
                calls.land_in_turn(what)
            elif kind is Job:
                what.cancel()
                what.run()
            elif kind is TimedOut and self._defers(entry[0], number, owner, key, what):
                continue
            else:
                owner.deliver(at, key, what)
            if given or runnable or self._pauses or self._has_ended or calls.front is not None or not inbox.empty():
                break
        return True

    def _defers(self, at: int, number: int, hosted: Hosted, key: str, timed_out: TimedOut) -> bool:
        """Whether a timeout is put back on the agenda: for the next heartbeat, or until the mail has been read."""
        if timed_out.heartbeat and hosted.heartbeat_by(key) > at:
            self.agenda.push(hosted.heartbeat_by(key), hosted, key, timed_out)
        elif not self.is_virtual and hosted.mailbox is not None and self.mail.polled_at < at:
            self.mail.poll()  # what was sent in time counts, even if the next poll would come too late
            self.agenda.push(at, hosted, key, timed_out, number)
        else:
            return False
        return True

    def _until(self, to: int | None) -> int:
        """Return the time up to which entries are due."""
        if self.is_virtual and not self.holds:
            return sys.maxsize if to is None else to
        return self.now

    def _ask_step(self) -> None:
        hosted, at, pause = self._pauses.popleft()
        if pause.key in hosted.open and hosted.step is not None:
            self.attempt(hosted, self._answer_pause, hosted, at, pause, hosted.step)

    def _answer_pause(self, hosted: Hosted, at: int, pause: Pause, step: Step) -> None:
        hosted.run.journal.flush()  # the person sees nothing that is not recorded
        resumed = step(pause)
        hosted.deliver(at if self.is_virtual else self.now, pause.key, resumed)

    # --- waiting ---

    def _rest(self, until: Hosted | None, to: int | None, end: float | None) -> bool:
        """Wait for something to do. Return False if there is nothing, or nothing before `to`."""
        if self.calls.front is None:  # else where the file has its value lines would depend on the handler's speed
            dirty, self.dirty = self.dirty, {}
            for hosted in dirty:
                self.attempt(hosted, hosted.run.journal.flush)
            if self._inbox.empty() and self._is_idle(until, to):
                return self.is_virtual and self._goes_on(until, to)
        self._wait(to, end)
        return True

    def _is_idle(self, until: Hosted | None, to: int | None) -> bool:
        """Whether waiting is useless."""
        if self.is_virtual:
            return not self.holds and not self.listeners
        if to is not None:
            return self.now >= to
        is_waiting = until is not None or self.executions or self.listeners
        return not is_waiting and self.agenda.first(daemons=False) is None

    def _goes_on(self, until: Hosted | None, to: int | None) -> bool:
        """Whether there is something to do when a virtual clock has only daemons left on its agenda."""
        if to is not None:
            self._now = max(self._now, to)
            return False
        if self.mail.poll():
            return True
        if until is None or until.done:
            return False
        # Without open tokens the execution can only time out, after a year. With one, somebody can answer.
        self._passes_daemons = not self.tokens.open and self.agenda.first() is not None
        if not self._passes_daemons:
            raise self._stuck(until)
        return True

    def _wait(self, to: int | None, end: float | None) -> None:
        """Wait for the inbox, or until the next entry is due."""
        seconds = LONGEST_WAIT_S
        limit = self.calls.next_limit()
        monotonic = time.monotonic()
        if limit is not None:
            seconds = min(seconds, limit - monotonic)
        if end is not None:
            seconds = min(seconds, end - monotonic)
        if self.mail.is_expected:
            seconds = min(seconds, self.mail.poll_at - monotonic)
        if not self.is_virtual:
            first = self.agenda.first()
            times = [at for at in (to, None if first is None else first[0]) if at is not None]
            if times:
                seconds = min(seconds, (min(times) - self.now) / 1000)
        with suppress(Empty):
            item = self._inbox.get(timeout=max(0.0, seconds))
            item[0](*item[1:])

    def _stuck(self, until: Hosted) -> WaitingError:
        tokens = [token for token in self.tokens.list() if token.run == until.run.execution.name] or self.tokens.list()
        waiting = ", ".join(dict.fromkeys(f"{token.run}:{token.place}" for token in tokens[:3]))
        if not waiting:
            waiting = ", ".join(f"{until.run.execution.name}:{place}" for place in until.run.places()[:3])
        verb = "wait" if ", " in waiting else "waits"
        hint = "set TimeoutSeconds on the Task, or add a mock to sfnrun.yaml"
        if tokens and until.mailbox is not None:
            token = tokens[0]
            hint = f"run `sfnrun send success {token.run}:{token.place}` and then `sfnrun resume {token.run}`"
        return WaitingError(f"{waiting} {verb} for a result that nothing provides", hint, tokens=tokens)
