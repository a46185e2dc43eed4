"""A machine of a few states run over a driver that a test has made itself, with handlers of any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cases import definition_of

import sfnrun
from sfnrun import Request
from sfnrun.effects import CachedReplies, Failed, Handler
from sfnrun.engine.execution import LIMITS, Execution
from sfnrun.engine.run import Outcome, interpret
from sfnrun.history.journal import Kept
from sfnrun.payload import Payload
from sfnrun.record import Event
from sfnrun.world.real import RealDriver
from sfnrun.world.virtual import VirtualDriver

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"
CALLBACK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"

# Long enough that only a bug reaches it.
FOREVER = 30.0


def late(call: Callable[[Request], Any], time_limit: float | None = None, **members: Any) -> Handler:
    """A handler with a time limit, whose timeout is the error "Late"."""
    return Handler(call, time_limit, lambda request: Failed("Late", request.state), **members)


class Driven(NamedTuple):
    """How it ended, and what happened."""

    outcome: Outcome
    events: list[Event]


def drive(driver: RealDriver | VirtualDriver, states: Mapping[str, Any], given: Any = None, **machine: Any) -> Driven:
    """Run the states over the driver, and let go of it."""
    start = driver.now() if isinstance(driver, RealDriver) else 1_767_225_600_000
    execution = Execution(
        name="e",
        arn="arn:aws:states:us-east-1:123456789012:execution:m:e",
        state_machine_name="m",
        state_machine_arn="arn:aws:states:us-east-1:123456789012:stateMachine:m",
        role_arn="role",
        input=Payload({} if given is None else given),
        start_time=start,
    )
    kept = Kept()
    try:
        loaded = sfnrun.load(definition_of({"states": states, "machine": machine}))
        return Driven(interpret(loaded, execution, driver, kept, LIMITS), kept.events)
    finally:
        driver.close()


class AnsweredBy:
    """An Answerer with a handler for each state."""

    cached_replies: CachedReplies | None = None

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.handlers = handlers

    def for_request(self, request: Request) -> Handler:
        return self.handlers[request.state]


def task(name: str = "f", **fields: Any) -> dict[str, Any]:
    """A Task that calls a function."""
    return {"Type": "Task", "Resource": LAMBDA + name, **fields}
