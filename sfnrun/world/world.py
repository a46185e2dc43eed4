"""A World runs many executions on one clock, one agenda and one inbox. It is the only place where time passes.

    world = World("virtual")
    hosted = world.start(machine, execution, journal, answerer)     # runs when the World is turned
    outcome = world.wait(hosted)                                    # turns it until the execution has ended

Any thread, and a signal handler:
    post(function, *args)      have a function called on the World's thread
    stop(hosted, Stopped())    end an execution as StopExecution does
    answer(token, Succeeded(…) | Failed(…)), heartbeat(token)       raise ApiError TaskTimedOut or InvalidToken
    wait(hosted, timeout)      the Outcome; whoever waits turns the World if nobody does, the others follow
    hold()                     a virtual clock stands meanwhile; what is done in real time needs it
    listen()                   an idle World waits for other threads meanwhile
The World's thread, the one that turns it (jobs, `on_end`, a handler's `begin` run on it), or before it is turned:
    adopt(run, …)              take a Run that a recording has brought to where it is; then Hosted.adopt for its effects
    redrive(hosted, order)     continue an execution that has ended
    call_at(at, job)           have a job done at a time; a daemon job keeps nothing going
    settle(hosted, key, answer, after)
    run(until, to)             turn it until an execution has ended, to a time, or until nothing is left to do

Under the *virtual* clock time jumps to the next entry of the agenda, and everything follows from input, seed and what
handlers return. Under the *real* clock entries are due when their time has come, and long executions run in slices, so
that none is late because of another.

What happened is in an execution's journal, and flushed, before a handler is called or anything is waited for because of
it, and at its end before `on_end` or a waiting thread learns of it. An exception (a bug, a full disk) ends one
execution, as its `error`; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sfnrun.asl.model import Machine
from sfnrun.effects import Answer, Answerer, Failed, Stopped, Succeeded
from sfnrun.engine.execution import LIMITS, Execution, Limits
from sfnrun.engine.run import Outcome, Redrive, Run
from sfnrun.errors import Token
from sfnrun.record import Journal
from sfnrun.world.agenda import Job
from sfnrun.world.hosted import Hosted, Mailbox, Step, run_on
from sfnrun.world.outside import Lead
from sfnrun.world.run_loop import Clock, RunLoop

__all__ = ["Clock", "World"]


class World:
    """Many executions on one clock. See the module for what can be called from where.

    `threads=False` calls handlers one by one on the World's thread, for a debugger. `parallel=True` lets handlers
    overlap under the virtual clock: those of calls that are due at the same moment.
    """

    def __init__(self, clock: Clock = "virtual", *, threads: bool = True, parallel: bool = False) -> None:
        self.clock = clock
        self._lead = Lead()
        self._loop = RunLoop(clock, threads=threads, parallel=parallel, on_end=self._lead.notify)

    @property
    def now(self) -> int:
        """Milliseconds since 1970."""
        return self._loop.now

    @property
    def executions(self) -> Collection[Hosted]:
        """The executions that have not ended."""
        return self._loop.executions.keys()

    @property
    def tokens(self) -> list[Token]:
        """The open task tokens."""
        return self._loop.tokens.list()

    # --- from any thread ---

    def post(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function on the World's thread."""
        self._loop.post(function, *args)

    def stop(self, hosted: Hosted, stopped: Stopped) -> None:
        """Stop an execution. Has no effect on one that has ended."""
        self._loop.post(self._loop.mail.stop, hosted, stopped)

    def answer(self, token: str, answer: Succeeded | Failed) -> None:
        """Answer the Task of a token. Raises ApiError: TaskTimedOut if that is too late, InvalidToken."""
        self._loop.post(self._loop.mail.answer, self._loop.tokens.take(token), answer)

    def heartbeat(self, token: str) -> None:
        """Report that the worker with this token is still at work. Raises ApiError as `answer` does."""
        self._loop.post(self._loop.mail.beat, self._loop.tokens.find(token))

    def wait(self, hosted: Hosted, timeout: float | None = None) -> Outcome:
        """Wait until an execution has ended, and turn the World if no other thread does.

        Raises TimeoutError after `timeout` seconds of real time, WaitingError where a virtual clock has nothing left to
        do, UsageError inside a handler, whose World waits for it, and the execution's own `error`.
        """
        self._lead.follow(
            lambda: hosted.done, lambda end: self._loop.run(hosted, None, end), timeout, self._loop.calls.workers
        )
        if hosted.error is not None:
            raise hosted.error
        assert hosted.outcome is not None
        return hosted.outcome

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Stop a virtual clock: the World processes what is due, and then waits for other threads."""
        self._loop.post(self._loop.hold, 1)
        try:
            yield
        finally:
            self._loop.post(self._loop.hold, -1)

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Have an idle World wait for other threads instead of returning or raising WaitingError."""
        self._loop.post(self._loop.listen, 1)
        try:
            yield
        finally:
            self._loop.post(self._loop.listen, -1)

    # --- executions and jobs ---

    def start(
        self,
        machine: Machine,
        execution: Execution,
        journal: Journal,
        answerer: Answerer,
        *,
        limits: Limits = LIMITS,
        step: Step | None = run_on,
        stepping: bool = False,
        stop_at: int | None = None,
        mailbox: Mailbox | None = None,
        on_end: Callable[[Hosted], None] | None = None,
    ) -> Hosted:
        """Start an execution; it runs when the World is turned. Can be called on any thread.

        With `stepping` every state begins with a Pause, which `step` answers; None: it is answered by `settle`, and a
        virtual clock stands until then. `stop_at` is when to stop it, in milliseconds since 1970. `on_end` is called on
        the World's thread when the execution has ended.
        """
        if mailbox is not None:
            mailbox.discard()  # it belonged to an execution whose history was removed
        run = Run(machine, execution, _NoSink(), journal, limits, stepping=stepping)
        hosted = Hosted(self._loop, run, answerer, step, mailbox, on_end)
        self._loop.post(self._loop.start, hosted, stop_at)
        return hosted

    def adopt(
        self,
        run: Run,
        answerer: Answerer,
        *,
        step: Step | None = run_on,
        mailbox: Mailbox | None = None,
        on_end: Callable[[Hosted], None] | None = None,
    ) -> Hosted:
        """Continue a Run that was driven by a recording. One that has ended can be redriven.

        Call `Hosted.adopt` for each effect that is open. Adopt all executions before turning the World: a virtual
        clock is then at the latest of their times.
        """
        hosted = Hosted(self._loop, run, answerer, step, mailbox, on_end)
        self._loop.take(hosted)
        if run.outcome is not None:
            self._loop.leave(hosted)
        return hosted

    def redrive(self, hosted: Hosted, redrive: Redrive) -> None:
        """Continue an execution that has ended; it runs when the World is turned."""
        hosted.reopen()
        self._loop.take(hosted)
        self._loop.go_on(hosted, hosted.run.redrive, redrive)

    def call_at(self, at: int, job: Callable[[], None], *, daemon: bool = False) -> Callable[[], None]:
        """Call a function at a time; return a function that cancels it.

        A virtual clock does not advance for a daemon alone.
        """
        entry = Job(job)
        self._loop.agenda.push(at, entry, "", entry, daemon=daemon)
        return entry.cancel

    def settle(self, hosted: Hosted, key: str, answer: Answer, after: int = 0) -> None:
        """Answer an effect of an execution, `after` milliseconds from now."""
        if after:
            self._loop.agenda.push(self.now + after, hosted, key, answer)
        else:
            self._loop.give(hosted, self.now, key, answer)

    def run(self, until: Hosted | None = None, to: int | None = None) -> None:
        """Turn the World until an execution has ended, to a time, or until nothing is left to do.

        Raises WaitingError if `until` has not ended, and nothing is left to do under a virtual clock.
        """
        self._lead.take(self._loop.calls.workers)
        with self._lead.leading():
            self._loop.run(until, to, None)

    def close(self) -> None:
        """Flush the journals of open executions, which can be resumed, and abandon running handlers."""
        for hosted in list(self.executions):
            for hook in list(hosted.open.values()):
                if hook is not None:
                    hook()
            hosted.run.journal.flush()
        self._loop.calls.close()


class _NoSink:
    """The sink of a Run until its World takes it."""

    def begin(self, key: str, effect: object, at: int) -> None:
        raise AssertionError("the execution is not in a World yet")

    def cancel(self, key: str) -> None:
        """Nothing is open."""
