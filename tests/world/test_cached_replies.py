"""Cached replies are given without a thread, and reported like any other answer, by either clock."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from driving import CALLBACK, Alone, drive, late, task

from sfnrun import Reply, Request, TaskFailed
from sfnrun.effects import Handler

CLOCKS = pytest.mark.parametrize("clock", ["real", "virtual"])


class Knowing:
    """An Answerer for any state, with cached replies for the payloads that are `known`."""

    def __init__(self, known: dict[Any, Reply]) -> None:
        self.known = known
        self.asked: list[Any] = []
        self.looked_for: list[list[Any]] = []
        self.threads: set[int] = set()

    def for_request(self, request: Request) -> Handler:
        return late(self._ask, time_limit=30)

    def _ask(self, request: Request) -> Any:
        self.asked.append(request.payload)
        return "asked"

    def cached_replies(self, asked: Sequence[tuple[Request, Handler]]) -> dict[str, Reply]:
        self.threads.add(threading.get_ident())
        self.looked_for.append([request.payload for request, _ in asked])
        return {request.key: self.known[request.payload] for request, _ in asked if request.payload in self.known}


@CLOCKS
def test_cached_replies_are_given_without_a_call(clock: Any) -> None:
    handlers = Knowing({2: Reply("kept", note={"outcome": "hit"})})
    states = {"M": {"Type": "Map", "ItemProcessor": {"T": task()}}}
    outcome, events = drive(Alone(clock, handlers), states, [1, 2, 3])
    assert outcome.output is not None
    assert outcome.output.value == ["asked", "kept", "asked"]
    assert sorted(handlers.asked) == [1, 3]
    assert handlers.threads == {threading.get_ident()}
    assert [sorted(together) for together in handlers.looked_for] == [[1, 2, 3]], "all at once"
    assert [event.type for event in events].count("LambdaFunctionStarted") == 3


@CLOCKS
def test_a_cached_failure_is_given(clock: Any) -> None:
    handlers = Knowing({1: Reply(failure=TaskFailed("EventList", "why"))})
    outcome, _ = drive(Alone(clock, handlers), {"T": task()}, 1)
    assert (outcome.error, outcome.cause, handlers.asked) == ("EventList", "why", [])


@CLOCKS
def test_a_cached_reply_reports_its_submission(clock: Any) -> None:
    service = {"Type": "Task", "Resource": CALLBACK, "Parameters": {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"}}
    handlers = Knowing({})
    handlers.cached_replies = lambda asked: {  # type: ignore[method-assign]
        request.key: Reply("kept", submitted={"id": "job"}) for request, _ in asked
    }
    outcome, events = drive(Alone(clock, handlers), {"T": service}, 1)
    assert outcome.output is not None
    assert outcome.output.value == "kept"
    told = [event for event in events if event.type == "TaskSubmitted"]
    assert [event.details["output"].value for event in told] == [{"id": "job"}]
