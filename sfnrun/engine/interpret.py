"""An execution from its first event to its last, and on from there if it is redriven."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from sfnrun.asl.model import Machine, Map, Parallel, StateMachine
from sfnrun.effects import Answered, Driver, Redriven
from sfnrun.engine.execution import Execution, Limits
from sfnrun.engine.loop import Fiber, Halt, Journal, Ledger, Loop
from sfnrun.engine.states import walk, walk_beside
from sfnrun.errors import StatesError, UsageError
from sfnrun.payload import Payload

__all__ = ["Outcome", "Redrive", "Redrives", "Status", "interpret", "never"]

Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]

STATUS_OF: dict[str, Status] = {
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}


class Outcome(NamedTuple):
    """How an execution ended, when (milliseconds since 1970), and after how many events."""

    status: Status
    at: int
    events: int
    output: Payload | None = None
    error: str | None = None
    cause: str | None = None


class Redrive(NamedTuple):
    """An order to go on with an execution that has ended: a Redriven and its time, and the machine from then on."""

    answered: Answered
    machine: Machine


# Asked when an execution has ended: whether it is redriven.
Redrives = Callable[[Outcome], Redrive | None]


def never(outcome: Outcome) -> None:
    """What has ended has ended."""


def interpret(
    machine: Machine,
    execution: Execution,
    driver: Driver,
    journal: Journal,
    limits: Limits,
    stepping: bool = False,
    ledger: Ledger | None = None,
    redrives: Redrives = never,
) -> Outcome:
    """Run a machine to its end. What the world answers comes from the driver, what happens goes to the journal."""
    loop = Loop(execution, driver, journal, limits, walk if ledger is None else walk_beside, stepping, ledger)
    root = Fiber(loop)
    root.emit("ExecutionStarted", {"input": execution.input, "roleArn": execution.role_arn})
    root.previous = 0  # the first state points to nothing (recorded, 500 times and more)
    root.start(machine.graph, execution.input)
    outcome = _attempt(loop, root, machine)
    while (redrive := redrives(outcome)) is not None:
        machine = redrive.machine
        _redrive(loop, root, machine, redrive.answered)
        outcome = _attempt(loop, root, machine)
    return outcome


def _attempt(loop: Loop, root: Fiber, machine: Machine) -> Outcome:
    try:
        output = loop.run(root, _deadline(machine, loop.execution, loop.limits))
    except StatesError as error:
        return _ended(loop, "ExecutionFailed", error.name, error.cause)
    except Halt as halt:
        return _ended(loop, halt.event, halt.error, halt.cause)
    loop.conclude("ExecutionSucceeded", root.previous, {"output": output})
    return Outcome("SUCCEEDED", loop.now, loop.events, output)


def _redrive(loop: Loop, root: Fiber, machine: Machine, answered: Answered) -> None:
    """Queue what was not left when the execution ended, or the state that the order names.

    States that go on are not entered again, and their next events point to where they were entered, as on AWS.
    Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    """
    redriven = answered.answer
    assert isinstance(redriven, Redriven)
    if redriven.state is None:
        _check_places(root, machine.graph)
    else:
        root.open = None
        root.place = (redriven.state, redriven.input or loop.execution.input)
        root.variables = redriven.variables or {}
    loop.ready.clear()  # what was queued when the attempt ended has ended with it
    root.previous = loop.redrive(answered)
    root.revive(machine.graph)


def _check_places(root: Fiber, graph: StateMachine) -> None:
    """Raise UsageError if a state that would go on is not in the definition any more."""
    stack = [(root, graph)]
    while stack:
        fiber, graph = stack.pop()
        name = fiber.open.state.name if fiber.open is not None else fiber.place and fiber.place[0]
        if name is None:
            continue
        state = graph.states.get(name)
        if state is None:
            hint = "Name the state to go on from: --from STATE."
            raise UsageError(f"The definition has no state '{name}', which the execution did not leave.", hint)
        children = fiber.open.forked if fiber.open else None
        for index, child in (children or {}).items():
            if isinstance(state, Map):
                stack.append((child, state.processor))
            elif isinstance(state, Parallel) and index < len(state.branches):
                stack.append((child, state.branches[index]))


def _ended(loop: Loop, event: str, error: str | None, cause: str | None) -> Outcome:
    # An ExecutionFailed points to whatever was told last, one that was ended from outside to nothing (recorded).
    previous = loop.events if event == "ExecutionFailed" else 0
    told: dict[str, Any] = {name: text for name, text in (("error", error), ("cause", cause)) if text is not None}
    loop.conclude(event, previous, told)
    if event == "ExecutionTimedOut" and loop.execution.workflow_type == "STANDARD":
        error = None  # only the event has it, not what DescribeExecution answers (measured)
    return Outcome(STATUS_OF[event], loop.now, loop.events, error=error, cause=cause)


def _deadline(machine: Machine, execution: Execution, limits: Limits) -> int | None:
    quota = limits.standard_ms if execution.workflow_type == "STANDARD" else limits.express_ms
    own = None if machine.timeout_seconds is None else machine.timeout_seconds * 1000
    allowed = min((ms for ms in (quota, own) if ms is not None), default=None)
    began = execution.start_time if execution.redrive_time is None else execution.redrive_time
    return None if allowed is None else began + allowed
