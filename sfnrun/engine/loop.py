"""The Loop advances fibers: it runs those that can run, then asks the driver for the next answer, and so on.

No user code runs in here and no clock is read: the time is the time of the last answer, so the same answers in the
same order give the same history, byte for byte. Children are run from the loop and never from inside their parent,
so nesting costs no Python stack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from sfnrun.effects import Answered, Call, Driver, Join, Logged, More, Pause, Sleep, Stopped
from sfnrun.engine.execution import Execution, Limits
from sfnrun.errors import StatesError
from sfnrun.payload import Json, Payload
from sfnrun.record import Event, Note

if TYPE_CHECKING:
    from sfnrun.asl.model import StateMachine
    from sfnrun.engine.visit import Visit

    Walk = Callable[["Fiber", StateMachine], Coroutine[Any, Any, Payload]]

__all__ = ["Fiber", "Halt", "Journal", "Ledger", "Loop"]

ABORTABLE = frozenset({"Task", "Wait", "Map", "Parallel"})
DEADLINE = "deadline"
NO_DETAILS: dict[str, Any] = {}


class Journal(Protocol):
    """Keeps what happens; it is safe when `flush` returns."""

    def event(self, event: Event) -> None: ...

    def note(self, note: Note) -> None: ...

    def answer(self, answered: Answered) -> None: ...

    def flush(self) -> None: ...


class Ledger(Protocol):
    """The history of another interpreter, which numbers and dates events, and may have differed in what is chance.

    `book` is given each event before it is kept, and returns the id and the time that it had there. It may set
    payloads in `details` to what they were there: the execution goes on with those.
    """

    def book(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> tuple[int, int]: ...


class Halt(Exception):
    """The execution as a whole ends, whatever its states would do about it: `event` is its last."""

    def __init__(self, event: str, error: str | None = None, cause: str | None = None) -> None:
        super().__init__(event, error, cause)
        self.event = event
        self.error = error
        self.cause = cause


class Fiber:
    """The execution itself, one branch of a Parallel, or one item of a Map, as it runs.

    `previous` is the id of its last event, `open` its visit of the state that it is in, `place` the name and the input
    of the state that it begins with, `context` what its Map adds to the context object. `variables` is replaced, never
    mutated, so children share their parent's. A fiber that has ended keeps all that it takes to go on.
    """

    __slots__ = (
        "children", "context", "coroutine", "ended", "error", "forks", "index", "joining", "key", "keys", "loop",
        "open", "output", "parent", "path", "place", "previous", "variables",
    )  # fmt: skip

    def __init__(self, loop: Loop, parent: Fiber | None = None, path: str = "", index: int = 0) -> None:
        self.loop = loop
        self.parent = parent
        self.path = path
        self.index = index
        self.previous = 0
        self.open: Visit | None = None
        self.place: tuple[str | None, Payload] | None = None
        self.variables: Mapping[str, Json] = parent.variables if parent else {}
        self.context: Mapping[str, Json] = parent.context if parent else {}
        self.coroutine: Coroutine[Any, Any, Payload] | None = None
        self.key: str | None = None
        self.keys = 0
        self.forks = 0
        self.children: dict[int, Fiber] = {}
        self.ended: deque[Fiber] = deque()
        self.joining = False
        self.output: Payload | None = None
        self.error: StatesError | None = None

    def emit(self, type: str, details: dict[str, Any] = NO_DETAILS, previous: int | None = None) -> int:
        """Record an event and return its id; the next one of this fiber will point to it."""
        id = self.previous = self.loop.emit(type, self.previous if previous is None else previous, self.path, details)
        return id

    def next_key(self) -> str:
        """A new key for an effect: the fiber's path and a count, so the same in every replay."""
        self.keys += 1
        return f"{self.path}:{self.keys}"

    def fork(self, index: int, previous: int) -> Fiber:
        """A child that will run as soon as it is started."""
        path = f"{self.path}/{self.forks}.{index}" if self.path else f"{self.forks}.{index}"
        child = self.children[index] = Fiber(self.loop, self, path, index)
        child.previous = previous
        return child

    def start(self, graph: StateMachine, payload: Payload) -> None:
        """Queue the fiber's work: a graph of states, from its start."""
        self.place = (graph.start_at, payload)
        self._queue(graph)

    def revive(self, graph: StateMachine) -> None:
        """Queue the rest of the work of a fiber that failed or was aborted, from the state that it did not leave."""
        visit, error = self.open, self.error
        if visit is not None:
            self.place = (visit.state.name, visit.input)
            self.previous = visit.entered
            if error is not None and error.name == "States.DataLimitExceeded":
                visit.forked = None  # then the branches and items that had ended well run again too
        self.error = None
        self.joining = False
        self.children = {}
        self.ended.clear()
        self._queue(graph)

    def _queue(self, graph: StateMachine) -> None:
        self.coroutine = self.loop.walk(self, graph)
        self.loop.ready.append((self, None))

    def abort_open_state(self, previous: int) -> None:
        """Tell of the state that this fiber was in and will never leave."""
        if self.open is not None and self.open.state.type in ABORTABLE:
            self.loop.emit(f"{self.open.state.type}StateAborted", previous, self.path, NO_DETAILS)


class Loop:
    """Runs one execution over a driver. `walk` is what a fiber does; `stepping`: pause before every state."""

    def __init__(
        self,
        execution: Execution,
        driver: Driver,
        journal: Journal,
        limits: Limits,
        walk: Walk,
        stepping: bool = False,
        ledger: Ledger | None = None,
    ) -> None:
        self.execution = execution
        self.driver = driver
        self.journal = journal
        self.limits = limits
        self.walk = walk
        self.stepping = stepping
        self.ledger = ledger
        self.now = execution.start_time
        self.events = 0
        # The last event of a full history is the ExecutionFailed that says so. EXPRESS histories are never full.
        self.last_event = limits.events - 1 if limits.events and execution.workflow_type == "STANDARD" else 0
        self.shared_context = execution.context()
        self.ready: deque[tuple[Fiber, Any]] = deque()
        self.waiting: dict[str, Fiber] = {}

    def emit(self, type: str, previous: int, path: str, details: dict[str, Any]) -> int:
        """Record an event and return its id, counted from 1."""
        if self.events == self.last_event and self.last_event:
            raise Halt(
                "ExecutionFailed",
                "States.Runtime",
                f"The execution reached the maximum number of history events ({self.last_event + 1}).",
            )
        id = self.events = self.events + 1
        if self.ledger is not None:
            id, self.now = self.ledger.book(type, previous, path, details)
        self.journal.event(Event(id, previous, self.now, type, path, details))
        return id

    def conclude(self, type: str, previous: int, details: dict[str, Any]) -> None:
        """Record the execution's last event, for which there is always room."""
        id = self.events = self.events + 1
        if self.ledger is not None:
            id, self.now = self.ledger.book(type, previous, "", details)
        self.journal.event(Event(id, previous, self.now, type, "", details))

    def redrive(self, answered: Answered) -> int:
        """Somebody redrove the execution: begin another attempt, and return the id of the event that says so."""
        self.now = max(self.now, answered.at)
        self.journal.answer(answered._replace(at=self.now))
        count = self.execution.redrive_count + 1
        self.execution = replace(self.execution, redrive_count=count, redrive_time=self.now)
        self.shared_context = self.execution.context()
        return self.emit("ExecutionRedriven", self.events, "", {"redriveCount": count})

    def run(self, root: Fiber, deadline: int | None = None) -> Payload:
        """Run the root fiber to its end. Raises its StatesError, or Halt if the execution was ended from outside."""
        if deadline is not None:
            self.driver.begin(DEADLINE, Sleep(DEADLINE, deadline), self.now)
        try:
            while True:
                self._run_ready()
                if root.coroutine is None:
                    break
                self._deliver(self.driver.next(self.journal.flush))
        finally:
            self._close(root)
            self.driver.cancel(DEADLINE)
        if root.error is not None:
            raise root.error
        assert root.output is not None
        return root.output

    def _run_ready(self) -> None:
        ready = self.ready
        while ready:
            fiber, value = ready.popleft()
            if fiber.coroutine is None:
                continue  # aborted since it was queued
            try:
                effect = fiber.coroutine.send(value)
            except StopIteration as stop:
                fiber.output = stop.value
                self._end(fiber)
            except StatesError as error:
                fiber.error = error
                self._end(fiber)
            else:
                self._begin(fiber, effect)

    def _begin(self, fiber: Fiber, effect: Sleep | Call | Pause | More | Join) -> None:
        if isinstance(effect, Join):
            if fiber.ended:
                self.ready.append((fiber, fiber.ended.popleft()))
            else:
                fiber.joining = True
            return
        fiber.key = effect.key
        self.waiting[effect.key] = fiber
        if not isinstance(effect, More):
            self.driver.begin(effect.key, effect, self.now)

    def _deliver(self, answered: Answered) -> None:
        at, key, answer = answered
        if isinstance(answer, Logged):
            self._log(key, answer.line)
            return
        fiber = self.waiting.pop(key, None)
        if fiber is None and key != DEADLINE and not isinstance(answer, Stopped):
            return  # too late: the fiber was aborted, or another answer came first
        self.now = max(self.now, at)
        self.journal.answer(Answered(self.now, key, answer))
        if isinstance(answer, Stopped):
            raise Halt("ExecutionAborted", answer.error, answer.cause)
        if fiber is None:
            raise Halt("ExecutionTimedOut", "States.Timeout")
        fiber.key = None
        self.ready.append((fiber, answer))

    def _log(self, key: str, line: str) -> None:
        fiber = self.waiting.get(key)
        if fiber is not None and fiber.open is not None:
            fiber.open.note("log", {"text": line})

    def _end(self, fiber: Fiber) -> None:
        fiber.coroutine = None
        parent = fiber.parent
        if parent is None:
            return
        if fiber.error is None:  # one that failed may yet be aborted with the others, by a failure that was seen first
            del parent.children[fiber.index]
        # A parent that waits sees to a failure before anything else runs, and aborts the siblings. One that is queued
        # already, because another child ended just before, takes its turn, and so do the siblings queued ahead of it.
        if not parent.joining:
            parent.ended.append(fiber)
        elif fiber.error is not None:
            self.ready.appendleft((parent, fiber))
        else:
            self.ready.append((parent, fiber))
        parent.joining = False

    def abort(self, fiber: Fiber, previous: int) -> None:
        """End a fiber and all below it, telling of the states that they leave for ever, outermost first."""
        stack = [fiber]
        while stack:
            one = stack.pop()
            one.abort_open_state(previous)
            stack += reversed(one.children.values())
        self._close(fiber)

    def _close(self, fiber: Fiber) -> None:
        """Let go of what a fiber and all below it wait for."""
        stack = [fiber]
        while stack:
            one = stack.pop()
            stack += one.children.values()
            one.children = {}
            if one.key is not None:
                self.waiting.pop(one.key, None)
                self.driver.cancel(one.key)
                one.key = None
            if one.coroutine is not None:
                one.coroutine.close()
                one.coroutine = None
