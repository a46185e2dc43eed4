"""Session: who answers Tasks, clock, cache, store and settings, built once for many executions.

with sfnrun.Session("order.asl.yaml", seed=1, tasks={"ChargeCard": charge}) as session:
    execution = session.start("OrderMachine", {"id": 7}, name="order-7")
    session.clock.advance("2h")
    session.send_task_success("order-7:AskManager", {"approved": True})
    result = execution.wait()

All executions of a Session share one World: one clock, one agenda of timers. Under the virtual clock time passes only
in `wait`, `advance` and `run_until_idle`, on the thread that calls them; a Session belongs to one thread at a time.
Under the real clock a thread of the Session turns the World, and every method can be called on any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, Unpack
from weakref import WeakValueDictionary

from sfnrun.addresses import parse_address, parse_run
from sfnrun.api.execution import Execution, HostedHandle, RecordedHandle
from sfnrun.api.handlers import project_of, recorded_options
from sfnrun.api.identity import check_start, default_name, identity_of, seed_of
from sfnrun.api.lookup import locate
from sfnrun.api.machines import Machines, Prepared
from sfnrun.api.options import Duration, Options, check, milliseconds, moment, moment_ms
from sfnrun.api.result import Happened, StoredRun
from sfnrun.api.tokens import Message, is_task_token, matching_token, succeeded
from sfnrun.asl.load import Definition
from sfnrun.asl.model import Machine
from sfnrun.effects import Failed, Heartbeat
from sfnrun.engine.execution import LIMITS, NO_LIMITS, start_line
from sfnrun.engine.execution import Execution as Identity
from sfnrun.engine.run import Redrive
from sfnrun.errors import ApiError, HistoryError, Token, UsageError, did_you_mean
from sfnrun.history.journal import ListenerJournal, MemoryJournal, combined
from sfnrun.history.recording import Recording
from sfnrun.history.store import OwnedJournal, Store, already_exists, open_store
from sfnrun.payload import Json, Payload
from sfnrun.record import Note
from sfnrun.world.hosted import Hosted, run_on
from sfnrun.world.world import World

if TYPE_CHECKING:
    from sfnrun.api.continuation import Continuation
    from sfnrun.api.result import Result
    from sfnrun.config import Project

__all__ = ["Clock", "Session"]

# A seeded execution under the virtual clock starts at a fixed time, so that it is the same every time.
SEEDED_START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z

# The thread that turns the World of a real clock looks this often whether the Session was closed.
TURN_MS = 250

MOST_OF_ONE_NAME = 100_000


class Clock:
    """The clock of a Session."""

    def __init__(self, world: World, now: Callable[[], int]) -> None:
        self._world = world
        self._now = now

    def now(self) -> datetime:
        """The time of the executions, UTC."""
        return moment(self._now())

    def advance(self, duration: Duration) -> None:
        """Let time pass, and everything that is due happen. Raises UsageError for a real clock."""
        self._check()
        self._world.run(to=self._now() + milliseconds(duration))

    def run_until_idle(self) -> None:
        """Run until every execution has ended or waits for a task token. Raises UsageError for a real clock."""
        self._check()
        self._world.run()

    def _check(self) -> None:
        if self._world.clock == "real":
            raise UsageError("a real clock advances by itself", "pass clock='virtual'")


class _Closable(Protocol):
    def close(self) -> None: ...


class Session:
    """Executions with one clock and the same options. The module's docstring has an example.

    Args:
        project: A Project, the directory of one, or a file in it. By default the project of each state machine is found
            from the file of its definition; a mapping has none, and nothing is read for it.
        options: See Options.

    Use it in a `with` statement, or call `close`: executions that are open then can be resumed if they are recorded.
    """

    clock: Clock

    def __init__(self, project: Project | str | Path | None = None, **options: Unpack[Options]) -> None:
        self._options = check(options)
        self._is_virtual = options.get("clock") != "real"
        self._world = World("virtual" if self._is_virtual else "real", threads=not options.get("debug", False))
        self._machines = Machines(project, options, None if self._is_virtual else lambda: self._world.now)
        start_time = options.get("start_time")
        self._epoch = 0 if start_time is None else moment_ms(start_time)
        self._open: dict[str, Execution] = {}
        self._ended: WeakValueDictionary[str, Execution] = WeakValueDictionary()
        self._journals: dict[str, _Closable] = {}
        self._names: set[str] = set()
        self._counts: dict[str, int] = {}
        self._last = ""
        self._lock = threading.RLock()
        self._is_closed = threading.Event()
        self._turner: threading.Thread | None = None
        self.clock = Clock(self._world, self._now)

    @property
    def project(self) -> Project:
        """The project that was passed, else that of the working directory."""
        return self._machines.project

    @cached_property
    def store(self) -> Store | None:
        """Where executions are recorded, if they are."""
        where = self._options.get("store")
        return None if where is None else open_store(where, fsync=self._options.get("fsync", False))

    # --- starting ---

    def start(self, machine: Definition, input: Json | Payload = None, *, name: str | None = None) -> Execution:
        """Start an execution, and return at once. Under the virtual clock it runs when time passes.

        Args:
            machine: MACHINE (a file, `FILE#NAME`, the name of one in the project), a definition, or a Machine.
            input: A JSON value, or a Payload, which keeps its text; None means `{}`.
            name: 1 to 80 characters, made up by default. An open execution of this name and input is returned.

        Raises:
            DefinitionError, ConfigError, UnansweredTaskError: The state machine cannot be run.
            ApiError: InvalidName, or ExecutionAlreadyExists.
        """
        with self._lock:
            execution = self._start(machine, input, name)
            if not self._is_virtual and self._turner is None:
                self._turner = threading.Thread(target=self._turn, name="sfnrun-session", daemon=True)
                self._turner.start()
        return execution

    def run(self, machine: Definition, input: Json | Payload = None, *, name: str | None = None) -> Result:
        """Start an execution and wait for its end; see `start`."""
        with self._lock:
            execution = self._start(machine, input, name)
        return execution.wait()

    def _turn(self) -> None:
        """Turn the World of a real clock, also while nobody waits."""
        while not self._is_closed.is_set():
            self._world.run(to=self._world.now + TURN_MS)

    def _start(self, definition: Definition, input: Json | Payload, name: str | None) -> Execution:
        prepared = self._machines.prepare(definition)
        payload = input if isinstance(input, Payload) else Payload.from_python({} if input is None else input)
        check_start(name, payload, limits=self._options.get("limits", True))
        if name is not None and name in self._open and self._open[name].is_start_of(payload):
            return self._open[name]
        for chosen in self._names_for(prepared, name):
            try:
                return self.begin(prepared, self.identify(prepared, chosen, payload))
            except ApiError as error:
                if name is not None or error.code != "ExecutionAlreadyExists":
                    raise
        raise UsageError(f"too many executions named '{prepared.machine.name}'", "pass --name to choose another name")

    def _names_for(self, prepared: Prepared, name: str | None) -> Iterator[str]:
        """The name that was passed, or names to try."""
        if name is not None:
            yield name
            return
        base = default_name(prepared, seed_of(prepared, self._options) if self._is_virtual else None)
        for number in range(self._counts.get(base, 0) + 1, MOST_OF_ONE_NAME):
            self._counts[base] = number
            yield base if number == 1 else f"{base}-{number}"

    def identify(self, prepared: Prepared, name: str, input: Payload) -> Identity:
        """The identity of an execution that starts now, which is after everything else was found."""
        if self._is_virtual and not self._epoch and seed_of(prepared, self._options) is not None:
            self._epoch = SEEDED_START_MS
        start_time = self._epoch if self._epoch and not self._is_virtual else self._now()
        return identity_of(prepared, self._options, name, input, start_time)

    def _now(self) -> int:
        """The time of the clock, in milliseconds since the Unix epoch; a virtual one may not have been turned yet."""
        if not self._is_virtual:
            return self._world.now
        if not self._epoch:
            self._epoch = int(time.time() * 1000)
        return max(self._epoch, self._world.now)

    def begin(self, prepared: Prepared, identity: Identity) -> Execution:
        """Start an execution under an identity. Raises ApiError if its name is taken."""
        options, name = self._options, identity.name
        limits, step = options.get("limits", True), options.get("step")
        journal: OwnedJournal | None = None
        if self.store is not None:
            start = start_line(prepared.machine, identity, limits=limits, stepping=step is not None)
            how = {"clock": self._world.clock, "ignore": [*prepared.project.settings.ignore]}
            journal = self.store.create({**start, **how, **recorded_options(options, prepared.project)})
        elif name in self._names:
            raise already_exists(identity.arn)
        memory = MemoryJournal() if options.get("keep_events", True) else None
        listener = options.get("listener")
        heard = None if listener is None else ListenerJournal(listener)
        hosted = self._world.start(
            prepared.machine,
            identity,
            combined([each for each in (journal, memory, heard) if each is not None]),
            prepared.answerer,
            limits=LIMITS if limits else NO_LIMITS,
            step=step or run_on,
            stepping=step is not None,
            mailbox=None if self.store is None else self.store.mailbox(name),
            on_end=self._end,
        )
        return self._hold(hosted, prepared.machine, journal, memory)

    def adopt(
        self,
        name: str,
        journal: OwnedJournal,
        recording: Recording,
        machines: Sequence[Machine],
        *,
        redrive: Redrive | None = None,
        seam: Note | None = None,
    ) -> Execution:
        """Continue a recorded execution, which `name` is recorded by, or redrive it; `seam` is noted in between."""
        from sfnrun.api.continuation import Continuation

        machine = machines[-1] if redrive is None else redrive.machine
        machine_name, store = recording.start["state_machine_name"], self.store
        project = project_of(machine, self._options).for_machine(machine_name)
        assert store is not None
        try:
            answerer = self._machines.answerer(machine, project, machine_name)
            continuation = Continuation(recording, machines, journal, listener=self._options.get("listener"), seam=seam)
        except BaseException:
            journal.close()
            raise
        hosted = self._world.adopt(
            continuation.run,
            answerer,
            step=self._options.get("step") or run_on,
            mailbox=store.mailbox(name),
            on_end=self._end,
        )
        continuation.hand_over(hosted)
        if redrive is not None:
            self._world.redrive(hosted, redrive)
        return self._hold(hosted, machine, _Continued(journal, continuation), StoredRun(store, name))

    def _hold(
        self, hosted: Hosted, machine: Machine, journal: _Closable | None, happened: Happened | None
    ) -> Execution:
        name, store = hosted.run.execution.name, self.store
        if happened is None and store is not None:
            happened = StoredRun(store, name)
        interruptible = self._options.get("interruptible", False)
        handle = HostedHandle(self._world, hosted, machine, happened, store, interruptible=interruptible)
        execution = self._open[name] = Execution(handle)
        if journal is not None:
            self._journals[name] = journal
        self._names.add(name)
        self._last = name
        return execution

    def _end(self, hosted: Hosted) -> None:
        """Let go of an execution that has ended; on the thread that turns the World."""
        name = hosted.run.execution.name
        with self._lock:
            execution = self._open.pop(name, None)
            if execution is not None:
                self._ended[name] = execution
            journal = self._journals.pop(name, None)
        if journal is not None:
            journal.close()

    # --- reaching executions ---

    def get(self, run: str = "last") -> Execution:
        """The handle of an execution: of this Session, or of another process if it is recorded in the store.

        Raises HistoryError if there is none.
        """
        address = parse_run(run)
        name = self._last if address.kind == "last" and not address.back else address.name
        with self._lock:
            found = self._open.get(name) or self._ended.get(name)
        if found is not None and not address.children and address.kind in ("name", "last"):
            return found
        if self.store is None:
            raise HistoryError(f"execution not found: '{run}'", did_you_mean(run, self._names))
        return Execution(RecordedHandle(locate(address, self.store)))

    def tokens(self) -> list[Token]:
        """The open task tokens of the Session's executions."""
        return self._world.tokens

    def send_task_success(self, target: str, output: Json | Payload = None) -> None:
        """Answer the Task of a token with its result; None means `{}`.

        Args:
            target: A task token, or the RUN or RUN:PLACE of one.
            output: A JSON value.

        Raises:
            ApiError: TaskTimedOut if the Task has ended, InvalidToken, InvalidOutput.
            UsageError: There is no open token at the target, or more than one.
        """
        self._send(target, succeeded(output))

    def send_task_failure(self, target: str, *, error: str | None = None, cause: str | None = None) -> None:
        """Answer the Task of a token with an error; see `send_task_success`."""
        self._send(target, Failed(error, cause))

    def send_task_heartbeat(self, target: str) -> None:
        """Report that the worker of a token is still at work; see `send_task_success`."""
        self._send(target, Heartbeat())

    def _send(self, target: str, message: Message) -> None:
        token = self._token_at(target)
        try:
            if isinstance(message, Heartbeat):
                self._world.heartbeat(token or target)
            else:
                self._world.answer(token or target, message)
        except ApiError as error:
            if error.code != "InvalidToken" or self.store is None:
                raise
            from sfnrun.api.outside import send

            send(target, message, self.store)  # it may be of another process

    def _token_at(self, target: str) -> str | None:
        """The token at RUN or RUN:PLACE of this Session's executions; None for anything else."""
        tokens = self.tokens()
        if is_task_token(target) or any(token.token == target for token in tokens):
            return target
        run, place = parse_address(target)
        name = self._last if run.kind == "last" and not run.back else run.name
        if name not in self._open and self.store is not None:
            return None
        return matching_token([token for token in tokens if token.run == name], target, place).token

    # --- closing ---

    def close(self) -> None:
        """Let go of handlers, threads and files. Executions that are open and recorded can be resumed."""
        self._is_closed.set()
        if self._turner is not None:
            self._turner.join()
        self._world.close()
        with self._lock:
            journals = [*self._journals.values()]
            self._journals.clear()
        for journal in journals:
            journal.close()
        self._machines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Continued:
    """The journal of a recorded execution that goes on, which is compared with its recording up to the end."""

    def __init__(self, journal: OwnedJournal, continuation: Continuation) -> None:
        self._continuation = continuation
        self._journal = journal

    def close(self) -> None:
        try:
            self._continuation.end()
        finally:
            self._journal.close()
