"""Execution: the handle of an execution that runs in a Session, or in another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from sfnrun.api.conduct import run_loop
from sfnrun.api.lookup import LocatedRun
from sfnrun.api.options import Duration, milliseconds, moment
from sfnrun.api.result import Happened, Result, recorded_result, result_of
from sfnrun.effects import Mail, Stopped
from sfnrun.errors import HistoryError, Token
from sfnrun.history.listing import ENDED, ExecutionStatus, Summary
from sfnrun.history.store import FolderStore
from sfnrun.record import Event

if TYPE_CHECKING:
    from sfnrun.asl.model import Machine
    from sfnrun.history.store import Store
    from sfnrun.payload import Payload
    from sfnrun.world.hosted import Hosted
    from sfnrun.world.world import World

__all__ = ["Execution", "HostedHandle", "RecordedHandle"]

# How often an execution of another process is looked at.
SECONDS_BETWEEN_LOOKS = 0.1


class Handle(Protocol):
    """Where an execution runs: in this Session, or in another process."""

    name: str

    @property
    def has_ended(self) -> bool: ...

    def result(self) -> Result: ...

    def wait(self, seconds: float | None) -> None: ...

    def stop(self, error: str | None, cause: str | None) -> None: ...

    def describe(self) -> Summary: ...

    def events(self, after: int) -> Iterator[Event]: ...

    def tokens(self) -> list[Token]: ...

    def located(self) -> LocatedRun: ...

    def is_open_with(self, input: Payload) -> bool: ...


class Execution:
    """One execution, as `Session.start` and `Session.get` return it. It can be awaited: see `wait`."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._result: Result | None = None

    @property
    def name(self) -> str:
        """The name that it is recorded by."""
        return self._handle.name

    @property
    def arn(self) -> str:
        """The ARN of the execution."""
        return self.describe().arn

    @property
    def machine(self) -> str:
        """The name of the state machine."""
        return self.describe().machine

    @property
    def status(self) -> ExecutionStatus:
        """AWS's status; or WAITING for a task token, or CRASHED: its process is gone."""
        return self.describe().status

    @property
    def result(self) -> Result | None:
        """The Result; None while the execution is open."""
        if self._result is None and self._handle.has_ended:
            self._result = self._handle.result()
        return self._result

    def wait(self, timeout: Duration | None = None) -> Result:
        """Wait until the execution has ended. `timeout` is in real time; `await execution` waits on another thread.

        Raises:
            TimeoutError: it has not ended in time.
            WaitingError: the clock is virtual, and only task tokens are left to wait for.
            UsageError: called inside a handler of the same Session.
            HistoryError: the process that runs it has crashed.
        """
        if self._result is None:
            self._handle.wait(None if timeout is None else milliseconds(timeout) / 1000)
            self._result = self._handle.result()
        return self._result

    def stop(self, error: str | None = None, cause: str | None = None) -> None:
        """Stop the execution as StopExecution does. Returns at once; `wait` returns when it has ended ABORTED."""
        self._handle.stop(error, cause)

    def describe(self) -> Summary:
        """What the execution is, and its status."""
        return self._handle.describe()

    def events(self, *, follow: bool = False) -> Iterator[Event]:
        """The events so far; with `follow` also those to come, until the execution has ended.

        Following turns a virtual clock, as `wait` does.
        """
        count = 0
        while True:
            has_ended = self._handle.has_ended
            for event in self._handle.events(count):
                count = event.id
                yield event
            if has_ended or not follow:
                return
            try:
                self._handle.wait(SECONDS_BETWEEN_LOOKS)
            except TimeoutError:
                continue

    def tokens(self) -> list[Token]:
        """The open task tokens."""
        return self._handle.tokens()

    def children(self) -> list[Execution]:
        """The executions that it has started: none, since nested executions do not run locally yet."""
        return []

    def is_start_of(self, input: Payload) -> bool:
        """Whether the execution is open and was started with this input, so that AWS accepts the same start again."""
        return self._handle.is_open_with(input)

    def located(self) -> LocatedRun:
        """The store of the execution, and its name there. Raises HistoryError if it is not recorded."""
        return self._handle.located()

    def __await__(self) -> Generator[Any, None, Result]:
        return asyncio.to_thread(self.wait).__await__()

    def __repr__(self) -> str:
        return f"<Execution {self.name} {self.status}>"


class HostedHandle:
    """An execution of this Session's World. `happened` has its events and notes, as far as they are kept."""

    def __init__(
        self,
        world: World,
        hosted: Hosted,
        machine: Machine,
        happened: Happened | None,
        store: Store | None,
        *,
        interruptible: bool,
    ) -> None:
        self._world = world
        self._hosted = hosted
        self._machine = machine
        self._happened = happened
        self._store = store
        self._identity = hosted.run.execution
        self._interruptible = interruptible
        self.name = self._identity.name

    @property
    def has_ended(self) -> bool:
        return self._hosted.done

    def wait(self, seconds: float | None) -> None:
        run_loop(self._world, self._hosted, seconds, interruptible=self._interruptible)

    def result(self) -> Result:
        if self._hosted.error is not None:
            raise self._hosted.error
        assert self._hosted.outcome is not None
        history = self._store.path(self.name) if isinstance(self._store, FolderStore) else None
        return result_of(self._identity, self._hosted.outcome, self._happened, history, self._machine)

    def stop(self, error: str | None, cause: str | None) -> None:
        self._world.stop(self._hosted, Stopped(error, cause))

    def describe(self) -> Summary:
        identity, outcome = self._identity, self._hosted.outcome
        tokens = [] if outcome is not None else self.tokens()
        now = self._world.now if outcome is None else outcome.at
        place = tokens[0].place if tokens else self.result().place if outcome is not None else None
        return Summary(
            name=identity.name,
            arn=identity.arn,
            machine=identity.state_machine_name,
            type=identity.workflow_type,
            status=outcome.status if outcome is not None else "WAITING" if tokens else "RUNNING",
            started=moment(identity.start_time),
            ended=None if outcome is None else moment(outcome.at),
            took=timedelta(milliseconds=max(0, now - identity.start_time)),
            clock=self._world.clock,
            place=place,
            error=None if outcome is None else outcome.error,
            cause=None if outcome is None else outcome.cause,
        )

    def events(self, after: int) -> Iterator[Event]:
        return iter(()) if self._happened is None else islice(self._happened.events(), after, None)

    def tokens(self) -> list[Token]:
        return [token for token in self._world.tokens if token.run == self.name]

    def located(self) -> LocatedRun:
        if self._store is None:
            raise HistoryError(f"execution '{self.name}' is not recorded", "pass store= to record it")
        return LocatedRun(self._store, self.name)

    def is_open_with(self, input: Payload) -> bool:
        return not self._hosted.done and self._identity.input.text == input.text


class RecordedHandle:
    """An execution of another process, or one that has ended: it is followed through its store."""

    def __init__(self, located: LocatedRun) -> None:
        self.name = located.name
        self._store = located.store

    @property
    def has_ended(self) -> bool:
        return self.describe().status in ENDED

    def wait(self, seconds: float | None) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        while (status := self.describe().status) not in ENDED:
            if status == "CRASHED":
                raise HistoryError(f"execution '{self.name}' has crashed", f"run `sfnrun resume {self.name}`")
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"the execution has not ended in {seconds:g} seconds")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def result(self) -> Result:
        return recorded_result(self._store, self.name)

    def stop(self, error: str | None, cause: str | None) -> None:
        self._store.mailbox(self.name).send(Mail(int(time.time() * 1000), "", Stopped(error, cause)))

    def describe(self) -> Summary:
        return self._store.describe(self.name)

    def events(self, after: int) -> Iterator[Event]:
        return islice(self._store.read(self.name, lazily=True).events(), after, None)

    def tokens(self) -> list[Token]:
        from sfnrun.api.outside import open_tokens

        return open_tokens(self._store.read(self.name))

    def located(self) -> LocatedRun:
        return LocatedRun(self._store, self.name)

    def is_open_with(self, input: Payload) -> bool:
        return False
