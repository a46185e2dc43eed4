"""An execution from its first event to its last, turned from outside by the answers that are delivered to it.

    run = Run(machine, execution, sink, journal, limits)
    run.start()
    while run.outcome is None:
        run.deliver(...)  # the next answer to something that the sink was given

A Run never blocks. `pull` is the loop above over a Driver, which knows what comes next.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

from sfnrun.addresses import Place, Step
from sfnrun.asl.model import Machine, Map, Parallel, StateMachine
from sfnrun.effects import Answered, Driver, Redriven, Sink, Sleep
from sfnrun.engine.execution import Execution, Limits
from sfnrun.engine.loop import DEADLINE, ExecutionEnded, Fiber, ForeignHistory, Loop
from sfnrun.engine.states import walk, walk_against_history
from sfnrun.errors import UsageError
from sfnrun.payload import Payload
from sfnrun.record import STATUS_OF, Journal, Status

__all__ = ["Outcome", "Redrive", "Redrives", "Run", "interpret", "no_redrives", "pull"]


class Outcome(NamedTuple):
    """How an execution ended, when (milliseconds since 1970), and after how many events."""

    status: Status
    at: int
    events: int
    output: Payload | None = None
    error: str | None = None
    cause: str | None = None


class Redrive(NamedTuple):
    """An order to redrive an execution that has ended: a Redriven with its time, and the machine from then on."""

    answered: Answered
    machine: Machine


# Called when an execution has ended, to learn whether it is redriven.
Redrives = Callable[[Outcome], Redrive | None]


def no_redrives(outcome: Outcome) -> None:
    """Redrives callback for an execution that is never redriven."""


class Run:
    """One execution as it runs. `outcome` is None until it has ended.

    `slice` limits the events of one turn (0: no limit); a Run that is `busy` has more to do, goes on with `resume`, and
    takes no answer until then: an answer in between would be recorded where no replay delivers it.
    """

    def __init__(
        self,
        machine: Machine,
        execution: Execution,
        sink: Sink,
        journal: Journal,
        limits: Limits,
        *,
        stepping: bool = False,
        foreign: ForeignHistory | None = None,
    ) -> None:
        self.machine = machine
        self.outcome: Outcome | None = None
        self.busy = False
        self.slice = 0
        self._loop = Loop(
            execution, sink, journal, limits, walk if foreign is None else walk_against_history, stepping, foreign
        )
        self._root = Fiber(self._loop)

    @property
    def execution(self) -> Execution:
        """The execution as its context object describes it, with the redrives so far."""
        return self._loop.execution

    @property
    def now(self) -> int:
        """Time of the last answer, in milliseconds since 1970."""
        return self._loop.now

    @property
    def journal(self) -> Journal:
        """Where the execution records what happens."""
        return self._loop.journal

    @property
    def sink(self) -> Sink:
        """Where the execution's effects go. It can be replaced between two answers."""
        return self._loop.sink

    @sink.setter
    def sink(self, sink: Sink) -> None:
        self._loop.sink = sink

    def start(self) -> None:
        """Run until the execution waits for something, or has ended."""
        root, execution = self._root, self._loop.execution
        root.emit("ExecutionStarted", {"input": execution.input, "roleArn": execution.role_arn})
        root.previous = 0  # the first state's previousEventId is 0 in every recording of tests/conformance
        root.start(self.machine.graph, execution.input)
        self._begin_attempt()

    def deliver(self, answered: Answered) -> None:
        """Go on with an answer until the execution waits again, or has ended. A late answer has no effect."""
        self._advance(answered)

    def resume(self) -> None:
        """Go on after a slice."""
        self._advance()

    def redrive(self, redrive: Redrive) -> None:
        """Go on after the end, from the states that were not left, or from the state that the order names.

        Redriven states are not entered again, and their next events point to where they were entered, as on AWS.
        Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
        """
        root, graph = self._root, redrive.machine.graph
        redriven = redrive.answered.answer
        assert isinstance(redriven, Redriven)
        if redriven.state is None:
            _check_open_states(root, graph)
        else:
            root.open = None
            root.resume_point = (redriven.state, redriven.input or self._loop.execution.input)
            root.variables = redriven.variables or {}
        self.machine = redrive.machine
        self.outcome = None
        root.previous = self._loop.redrive(redrive.answered)
        root.revive(graph)
        self._begin_attempt()

    def place_of(self, key: str) -> Place | None:
        """Return the place of the state that waits under a key; None if none does."""
        fiber = self._loop.waiting.get(key)
        steps: list[Step] = []
        item: int | None = None
        while fiber is not None:
            if fiber.open is not None:
                steps.append(Step(fiber.open.state.name, item=item))
            item, fiber = fiber.index, fiber.parent
        return Place(tuple(reversed(steps))) if steps else None

    def places(self) -> list[Place]:
        """Return the places of the states that wait for something outside of the execution."""
        found = (self.place_of(key) for key in self._loop.waiting)
        return [place for place in found if place is not None]

    def close(self) -> None:
        """Cancel everything that the execution waits for. It records nothing more."""
        self._loop.close(self._root)
        self._loop.sink.cancel(DEADLINE)

    def _begin_attempt(self) -> None:
        deadline = _deadline(self.machine, self._loop.execution, self._loop.limits)
        if deadline is not None:
            self._loop.sink.begin(DEADLINE, deadline, self._loop.now)
        self._advance()

    def _advance(self, answered: Answered | None = None) -> None:
        loop, root = self._loop, self._root
        try:
            if answered is not None:
                loop.deliver(answered)
            self.busy = loop.turn(self.slice)
        except ExecutionEnded as end:
            self._end(end.event, end.error, end.cause)
        except BaseException:  # a bug of ours, or a disk that is full
            self.close()
            raise
        else:
            if root.coroutine is None and not self.busy:
                self._end_with_result()

    def _end_with_result(self) -> None:
        loop, root = self._loop, self._root
        if root.error is not None:
            self._end("ExecutionFailed", root.error.name, root.error.cause)
            return
        self.close()
        loop.conclude("ExecutionSucceeded", root.previous, {"output": root.output})
        self.outcome = Outcome("SUCCEEDED", loop.now, loop.events, root.output)

    def _end(self, event: str, error: str | None, cause: str | None) -> None:
        loop = self._loop
        self.busy = False
        self.close()
        # AWS sets previousEventId of ExecutionFailed to the last event, and to 0 if the execution was ended from
        # outside; see tests/conformance/test_executions.py.
        previous = loop.events if event == "ExecutionFailed" else 0
        details: dict[str, Any] = {
            name: text for name, text in (("error", error), ("cause", cause)) if text is not None
        }
        loop.conclude(event, previous, details)
        if event == "ExecutionTimedOut" and loop.execution.workflow_type == "STANDARD":
            error = None  # only the event has it, DescribeExecution does not
        self.outcome = Outcome(STATUS_OF[event], loop.now, loop.events, error=error, cause=cause)


def pull(run: Run, driver: Driver, redrives: Redrives = no_redrives) -> Outcome:
    """Run to the end on the answers of a driver, and on after each redrive. The driver must be the Run's sink."""
    flush = run.journal.flush
    run.start()
    while True:
        while run.outcome is None:
            run.deliver(driver.next(flush))
        redrive = redrives(run.outcome)
        if redrive is None:
            return run.outcome
        run.redrive(redrive)


def interpret(
    machine: Machine,
    execution: Execution,
    driver: Driver,
    journal: Journal,
    limits: Limits,
    stepping: bool = False,
    foreign: ForeignHistory | None = None,
    redrives: Redrives = no_redrives,
) -> Outcome:
    """Run a machine to its end on the answers of a driver; what happens goes to the journal."""
    run = Run(machine, execution, driver, journal, limits, stepping=stepping, foreign=foreign)
    with closing(run):  # the driver may raise: its recording ends, or differs
        return pull(run, driver, redrives)


def _check_open_states(root: Fiber, graph: StateMachine) -> None:
    """Raise UsageError if a state that the redrive continues is not in the definition any more."""
    stack = [(root, graph)]
    while stack:
        fiber, graph = stack.pop()
        name = fiber.open.state.name if fiber.open is not None else fiber.resume_point and fiber.resume_point[0]
        if name is None:
            continue
        state = graph.states.get(name)
        if state is None:
            hint = "pass --from STATE to choose another state"
            raise UsageError(f"state '{name}', where the execution stopped, is not in the definition", hint)
        children = fiber.open.forked if fiber.open else None
        for index, child in (children or {}).items():
            if isinstance(state, Map):
                stack.append((child, state.processor))
            elif isinstance(state, Parallel) and index < len(state.branches):
                stack.append((child, state.branches[index]))


def _deadline(machine: Machine, execution: Execution, limits: Limits) -> Sleep | None:
    """The timer of the machine's TimeoutSeconds, or of the quota; its year does not pass for a token nobody answers."""
    quota = limits.standard_ms if execution.workflow_type == "STANDARD" else limits.express_ms
    own = None if machine.timeout_seconds is None else machine.timeout_seconds * 1000
    allowed = min((ms for ms in (quota, own) if ms is not None), default=None)
    began = execution.start_time if execution.redrive_time is None else execution.redrive_time
    patient = execution.workflow_type == "STANDARD" and allowed != own
    return None if allowed is None else Sleep(DEADLINE, began + allowed, daemon=patient)
