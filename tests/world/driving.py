"""Machines of a few states in a World, with handlers of any kind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from queue import Empty
from typing import Any, NamedTuple

import pytest
from cases import definition_of

import sfnrun
from sfnrun import Request
from sfnrun.asl.model import Machine
from sfnrun.effects import Answerer, CachedReplies, Failed, Handler, Stopped
from sfnrun.engine.execution import Execution
from sfnrun.engine.run import Outcome
from sfnrun.history.journal import EventList
from sfnrun.payload import Payload
from sfnrun.record import Event
from sfnrun.world import calls, outside, run_loop
from sfnrun.world.hosted import Hosted
from sfnrun.world.world import Clock, World

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"
CALLBACK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"

START = 1_767_225_600_000

# Long enough that only a bug reaches it.
FOREVER = 30.0


def late(call: Callable[[Request], Any], time_limit: float | None = None, **members: Any) -> Handler:
    """A handler with a time limit, whose timeout is the error "Late"."""
    return Handler(call, time_limit, lambda request: Failed("Late", request.state), **members)


class Driven(NamedTuple):
    """How it ended, and what happened."""

    outcome: Outcome
    events: list[Event]


class Alone:
    """A World with one execution, which `drive` starts."""

    def __init__(self, clock: Clock, answerer: Answerer, **options: Any) -> None:
        self.world = World(clock, **options)
        self.answerer = answerer
        self.hosted: Hosted | None = None
        self.stopped_at: int | None = None

    @property
    def now(self) -> int:
        return self.world.now

    def stop(self, stopped: Stopped) -> None:
        assert self.hosted is not None
        self.world.stop(self.hosted, stopped)

    def stop_at(self, at: int) -> None:
        self.stopped_at = at


def virtual(handlers: Mapping[str, Handler], **options: Any) -> Alone:
    """A virtual clock, and a handler for each state."""
    return Alone("virtual", AnsweredBy(handlers), **options)


def real(handlers: Mapping[str, Handler], **options: Any) -> Alone:
    """The real clock, and a handler for each state."""
    return Alone("real", AnsweredBy(handlers), **options)


def machine_of(states: Mapping[str, Any], **machine: Any) -> Machine:
    """A machine of these states."""
    return sfnrun.load(definition_of({"states": states, "machine": machine}))


def execution_of(name: str = "e", given: Any = None, start_time: int = START, seed: int = 0) -> Execution:
    """An execution of that machine."""
    return Execution(
        name=name,
        arn=f"arn:aws:states:us-east-1:123456789012:execution:m:{name}",
        state_machine_name="m",
        state_machine_arn="arn:aws:states:us-east-1:123456789012:stateMachine:m",
        role_arn="role",
        input=Payload({} if given is None else given),
        start_time=start_time,
        seed=seed,
    )


def drive(alone: Alone, states: Mapping[str, Any], given: Any = None, **machine: Any) -> Driven:
    """Run an execution of the states to its end, and close the World."""
    world, kept = alone.world, EventList()
    execution = execution_of(given=given, start_time=world.now or START)
    alone.hosted = world.start(machine_of(states, **machine), execution, kept, alone.answerer, stop_at=alone.stopped_at)
    try:
        return Driven(world.wait(alone.hosted), kept.events)
    finally:
        world.close()


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


class FakeTime:
    """The clocks of a computer on which nothing takes time but waiting: a wait passes at once, and is as long as it is.

    `install` puts a World of the real clock on it. Its handlers run on the World's own thread (`threads=False`). With a
    `tick`, time passes whenever somebody looks at the clock.
    """

    def __init__(self, tick: float = 0.0) -> None:
        self.seconds = 1_000.0
        self.tick = tick

    def monotonic(self) -> float:
        self.seconds += self.tick
        return self.seconds

    def time(self) -> float:
        return START / 1000 + self.seconds

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (run_loop, outside, calls):
            monkeypatch.setattr(module, "time", self)
        monkeypatch.setattr(run_loop, "SimpleQueue", lambda: _FakeInbox(self))


class _FakeInbox(deque[Any]):
    """An inbox in which nothing arrives while one waits for it."""

    def __init__(self, clock: FakeTime) -> None:
        super().__init__()
        self._clock = clock

    def put(self, item: Any) -> None:
        self.append(item)

    def qsize(self) -> int:
        return len(self)

    def empty(self) -> bool:
        return not self

    def get_nowait(self) -> Any:
        return self.popleft()

    def get(self, timeout: float) -> Any:
        if self:
            return self.popleft()
        self._clock.seconds += timeout
        raise Empty
