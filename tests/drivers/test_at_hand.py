"""What a handler has at hand is given without a thread, and told as any other answer, by either clock."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from driving import CALLBACK, Handler, answered_by, drive, task

from sfnrun import Reply, Request, TaskFailed
from sfnrun.drivers.real import RealDriver
from sfnrun.drivers.virtual import VirtualDriver

DRIVERS = pytest.mark.parametrize("driver", [RealDriver, VirtualDriver], ids=["real", "virtual"])


class Knowing(Handler):
    """Knows the answers to some payloads."""

    def __init__(self, known: Any) -> None:
        super().__init__(self._ask, time_limit=30)
        self.known = known
        self.asked: list[Any] = []
        self.threads: set[int] = set()

    def _ask(self, request: Request) -> Any:
        self.asked.append(request.payload)
        return "asked"

    def at_hand(self, request: Request) -> Reply | None:
        self.threads.add(threading.get_ident())
        return self.known.get(request.payload)


@DRIVERS
def test_only_what_is_not_at_hand_is_asked(driver: Any) -> None:
    handler = Knowing({2: Reply("kept", note={"outcome": "hit"})})
    states = {"M": {"Type": "Map", "ItemProcessor": {"T": task()}}}
    outcome, events = drive(driver(answered_by({"T": handler})), states, [1, 2, 3])
    assert outcome.output is not None
    assert outcome.output.value == ["asked", "kept", "asked"]
    assert sorted(handler.asked) == [1, 3]
    assert handler.threads == {threading.get_ident()}
    assert [event.type for event in events].count("LambdaFunctionStarted") == 3


@DRIVERS
def test_a_failure_may_be_at_hand(driver: Any) -> None:
    handler = Knowing({1: Reply(failure=TaskFailed("Kept", "why"))})
    outcome, _ = drive(driver(answered_by({"T": handler})), {"T": task()}, 1)
    assert (outcome.error, outcome.cause, handler.asked) == ("Kept", "why", [])


@DRIVERS
def test_what_a_service_said_at_once_is_told_too(driver: Any) -> None:
    service = {"Type": "Task", "Resource": CALLBACK, "Parameters": {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"}}
    handler = Knowing({})
    handler.at_hand = lambda request: Reply("kept", submitted={"id": "job"})  # type: ignore[method-assign]
    outcome, events = drive(driver(answered_by({"T": handler})), {"T": service}, 1)
    assert outcome.output is not None
    assert outcome.output.value == "kept"
    told = [event for event in events if event.type == "TaskSubmitted"]
    assert [event.details["output"].value for event in told] == [{"id": "job"}]
