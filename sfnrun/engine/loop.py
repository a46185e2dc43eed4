"""The Loop advances the fibers of one execution until none of them can go on; it never blocks.

No user code runs in here and no clock is read. Time is the time of the last answer, so the same answers in the same
order give the same history, byte for byte. Children are run by the loop and never from inside their parent, so nesting
uses constant stack space.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from sfnrun.asl.model import State, StateMachine
from sfnrun.effects import Answered, Call, Join, Logged, More, Pause, Sink, Sleep, Stopped
from sfnrun.engine.execution import Execution, Limits
from sfnrun.errors import StatesError
from sfnrun.payload import Json, Payload
from sfnrun.record import Event, Journal

__all__ = ["DEADLINE", "ExecutionEnded", "Fiber", "ForeignHistory", "Loop", "OpenState"]

# The key of the timer that ends the execution; keys of states' effects contain a colon.
DEADLINE = "deadline"
NO_DETAILS: dict[str, Any] = {}


class ForeignHistory(Protocol):
    """The history that another interpreter recorded of this execution; it numbers and dates events.

    `match` is given each event before it is recorded, and returns the id and the time that it had there. It may
    replace payloads in `details` by the recorded ones: the execution continues with those.
    """

    def match(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> tuple[int, int]: ...


class OpenState(Protocol):
    """The visit of the state that a fiber is in, as the loop sees it; `forked` are its children without an output."""

    state: State
    input: Payload
    entered: int
    forked: dict[int, Fiber] | None

    def note(self, kind: str, details: dict[str, Any]) -> None: ...


class ExecutionEnded(Exception):
    """Ends the whole execution, whatever its states would do about it; `event` is its last event."""

    def __init__(self, event: str, error: str | None = None, cause: str | None = None) -> None:
        super().__init__(event, error, cause)
        self.event = event
        self.error = error
        self.cause = cause


class Fiber:
    """The execution itself, one branch of a Parallel, or one item of a Map, while it runs.

    `previous` is the id of its last event, `open` its visit of the state that it is in, `resume_point` the name and the
    input of the state that it starts or restarts with, `context` what its Map adds to the context object. `variables`
    is replaced, never mutated, so children share their parent's. An ended fiber keeps all that a redrive needs.
    """

    __slots__ = (
        "children", "context", "coroutine", "ended", "error", "forks", "index", "joining", "key", "keys", "loop",
        "open", "output", "parent", "path", "previous", "resume_point", "variables",
    )  # fmt: skip

    def __init__(self, loop: Loop, parent: Fiber | None = None, path: str = "", index: int = 0) -> None:
        self.loop = loop
        self.parent = parent
        self.path = path
        self.index = index
        self.previous = 0
        self.open: OpenState | None = None
        self.resume_point: tuple[str | None, Payload] | None = None
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
        """Record an event and return its id; the fiber's next event points to it."""
        id = self.previous = self.loop.emit(type, self.previous if previous is None else previous, self.path, details)
        return id

    def next_key(self) -> str:
        """Return a new key for an effect: the fiber's path and a count, so the same key in every replay."""
        self.keys += 1
        return f"{self.path}:{self.keys}"

    def fork(self, index: int, previous: int) -> Fiber:
        """Make a child; it runs once it is started."""
        path = f"{self.path}/{self.forks}.{index}" if self.path else f"{self.forks}.{index}"
        child = self.children[index] = Fiber(self.loop, self, path, index)
        child.previous = previous
        return child

    def start(self, graph: StateMachine, payload: Payload) -> None:
        """Queue the fiber's work: a graph of states, from its start."""
        self.resume_point = (graph.start_at, payload)
        self._queue(graph)

    def revive(self, graph: StateMachine) -> None:
        """Queue the rest of the work of a fiber that failed or was aborted, from the state that it did not leave."""
        visit, error = self.open, self.error
        if visit is not None:
            self.resume_point = (visit.state.name, visit.input)
            self.previous = visit.entered
            if error is not None and error.name == "States.DataLimitExceeded":
                visit.forked = None  # branches and items that had succeeded run again too
        self.error = None
        self.joining = False
        self.children = {}
        self.ended.clear()
        self._queue(graph)

    def _queue(self, graph: StateMachine) -> None:
        self.coroutine = self.loop.walk(self, graph)
        self.loop.ready.append((self, None))

    def abort_open_state(self, previous: int) -> None:
        """Record that the fiber is aborted in its state, if AWS has an event for that."""
        if self.open is not None and self.open.state.abortable:
            self.loop.emit(f"{self.open.state.type}StateAborted", previous, self.path, NO_DETAILS)


Walk = Callable[[Fiber, StateMachine], Coroutine[Any, Any, Payload]]


class Loop:
    """Runs the fibers of one execution; what they wait for goes to the `sink`, and answers come in by `deliver`.

    `walk` is the coroutine that a fiber runs. With `stepping` each state begins with a Pause.
    """

    def __init__(
        self,
        execution: Execution,
        sink: Sink,
        journal: Journal,
        limits: Limits,
        walk: Walk,
        stepping: bool = False,
        foreign: ForeignHistory | None = None,
    ) -> None:
        self.execution = execution
        self.sink = sink
        self.journal = journal
        self.limits = limits
        self.walk = walk
        self.stepping = stepping
        self.foreign = foreign
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
            raise ExecutionEnded(
                "ExecutionFailed",
                "States.Runtime",
                f"The execution reached the maximum number of history events ({self.last_event + 1}).",
            )
        id = self.events = self.events + 1
        if self.foreign is not None:
            id, self.now = self.foreign.match(type, previous, path, details)
        self.journal.event(Event(id, previous, self.now, type, path, details))
        return id

    def conclude(self, type: str, previous: int, details: dict[str, Any]) -> None:
        """Record the execution's last event; the limit of events always leaves room for it."""
        id = self.events = self.events + 1
        if self.foreign is not None:
            id, self.now = self.foreign.match(type, previous, "", details)
        self.journal.event(Event(id, previous, self.now, type, "", details))

    def redrive(self, answered: Answered) -> int:
        """Begin another attempt, and return the id of the ExecutionRedriven event."""
        self.now = max(self.now, answered.at)
        self.journal.answer(answered._replace(at=self.now))
        self.ready.clear()  # what was queued when the last attempt ended has ended with it
        count = self.execution.redrive_count + 1
        self.execution = replace(self.execution, redrive_count=count, redrive_time=self.now)
        self.shared_context = self.execution.context()
        return self.emit("ExecutionRedriven", self.events, "", {"redriveCount": count})

    def turn(self, budget: int = 0) -> bool:
        """Run the fibers that are ready, and those that they wake. Return whether some are left.

        A `budget` ends the turn after that many events, at the end of a fiber's step; 0 is no budget. Raises
        ExecutionEnded if the execution as a whole ends.
        """
        ready = self.ready
        last = self.events + budget
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
            if budget and self.events >= last:
                return bool(ready)
        return False

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
            self.sink.begin(effect.key, effect, self.now)

    def deliver(self, answered: Answered) -> None:
        """Queue the fiber that an answer is for. Raises ExecutionEnded for an answer that ends the execution.

        An answer that comes too late has no effect: its fiber was aborted, or another answer came first.
        """
        at, key, answer = answered
        if isinstance(answer, Logged):
            self._log(key, answer.line)
            return
        fiber = self.waiting.pop(key, None)
        if fiber is None and key != DEADLINE and not isinstance(answer, Stopped):
            return
        self.now = max(self.now, at)  # the clocks of threads may disagree by a little
        self.journal.answer(Answered(self.now, key, answer))
        if isinstance(answer, Stopped):
            raise ExecutionEnded("ExecutionAborted", answer.error, answer.cause)
        if fiber is None:
            raise ExecutionEnded("ExecutionTimedOut", "States.Timeout")
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
        if fiber.error is None:  # one that failed may still be aborted, by a failure that the parent sees first
            del parent.children[fiber.index]
        # A waiting parent handles a failure before anything else runs, and aborts the siblings. A parent that is
        # already queued, because another child ended just before, takes its turn, as do siblings queued ahead of it.
        if not parent.joining:
            parent.ended.append(fiber)
        elif fiber.error is not None:
            self.ready.appendleft((parent, fiber))
        else:
            self.ready.append((parent, fiber))
        parent.joining = False

    def abort(self, fiber: Fiber, previous: int) -> None:
        """End a fiber and all below it, and record the states that they are aborted in, outermost first."""
        stack = [fiber]
        while stack:
            one = stack.pop()
            one.abort_open_state(previous)
            stack += reversed(one.children.values())
        self.close(fiber)

    def close(self, fiber: Fiber) -> None:
        """End a fiber and all below it, and cancel what they wait for."""
        stack = [fiber]
        while stack:
            one = stack.pop()
            stack += one.children.values()
            one.children = {}
            if one.key is not None:
                self.waiting.pop(one.key, None)
                self.sink.cancel(one.key)
                one.key = None
            if one.coroutine is not None:
                one.coroutine.close()
                one.coroutine = None
