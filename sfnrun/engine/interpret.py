"""An execution from its first event to its last."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from sfnrun.asl.model import Machine
from sfnrun.engine.effects import Driver
from sfnrun.engine.execution import Execution, Limits
from sfnrun.engine.loop import Fiber, Halt, Journal, Ledger, Loop
from sfnrun.engine.states import walk
from sfnrun.errors import StatesError
from sfnrun.payload import Payload

__all__ = ["Outcome", "Status", "interpret"]

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


def interpret(
    machine: Machine,
    execution: Execution,
    driver: Driver,
    journal: Journal,
    limits: Limits,
    stepping: bool = False,
    ledger: Ledger | None = None,
) -> Outcome:
    """Run a machine to its end. What the world answers comes from the driver, what happens goes to the journal."""
    loop = Loop(execution, driver, journal, limits, stepping, ledger)
    root = Fiber(loop)
    root.emit("ExecutionStarted", {"input": execution.input, "roleArn": execution.role_arn})
    root.previous = 0  # the first state points to nothing (recorded, 500 times and more)
    try:
        output = loop.run(walk(root, machine.graph, execution.input), root, _deadline(machine, execution, limits))
    except StatesError as error:
        return _ended(loop, "ExecutionFailed", error.name, error.cause)
    except Halt as halt:
        return _ended(loop, halt.event, halt.error, halt.cause)
    loop.conclude("ExecutionSucceeded", root.previous, {"output": output})
    return Outcome("SUCCEEDED", loop.now, loop.events, output)


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
    return None if allowed is None else execution.start_time + allowed
