"""Our events in AWS's clothes: the members that boto3 gives, and no others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sfnrun.payload import Payload
from sfnrun.record import Event, details_key

# Type -> the member that holds its details; None where AWS gives none.
KEYS = {
    "ExecutionStarted": "executionStartedEventDetails",
    "ExecutionSucceeded": "executionSucceededEventDetails",
    "ExecutionAborted": "executionAbortedEventDetails",
    "PassStateEntered": "stateEnteredEventDetails",
    "ChoiceStateEntered": "stateEnteredEventDetails",
    "FailStateEntered": "stateEnteredEventDetails",
    "MapStateExited": "stateExitedEventDetails",
    "TaskStateExited": "stateExitedEventDetails",
    "TaskScheduled": "taskScheduledEventDetails",
    "TaskStarted": "taskStartedEventDetails",
    "TaskTimedOut": "taskTimedOutEventDetails",
    "LambdaFunctionScheduled": "lambdaFunctionScheduledEventDetails",
    "LambdaFunctionStarted": None,
    "ActivityStarted": "activityStartedEventDetails",
    "MapStateStarted": "mapStateStartedEventDetails",
    "MapIterationAborted": "mapIterationAbortedEventDetails",
    "MapStateSucceeded": None,
    "MapStateFailed": None,
    "MapStateAborted": None,
    "ParallelStateStarted": None,
    "ParallelStateSucceeded": None,
    "ParallelStateFailed": None,
    "ParallelStateAborted": None,
    "TaskStateAborted": None,
    "WaitStateAborted": None,
    "EvaluationFailed": "evaluationFailedEventDetails",
}


@pytest.mark.parametrize("type", KEYS)
def test_where_the_details_are(type: str) -> None:
    assert details_key(type) == KEYS[type]


NO = {"truncated": False}
DETAILS = [
    ("PassStateEntered", {"name": "A", "input": Payload({"x": 1})},
     {"name": "A", "input": '{"x":1}', "inputDetails": NO}),
    ("PassStateExited", {"name": "A", "output": Payload(None)}, {"name": "A", "output": "null", "outputDetails": NO}),
    ("PassStateExited", {"name": "A", "output": Payload(1), "assignedVariables": {"v": Payload({"a": 1})}},
     {"name": "A", "output": "1", "outputDetails": NO, "assignedVariables": {"v": '{"a":1}'},
      "assignedVariablesDetails": NO}),
    ("TaskScheduled", {"resource": "invoke", "parameters": Payload({})}, {"resource": "invoke", "parameters": "{}"}),
    ("TaskSubmitted", {"output": Payload([])}, {"output": "[]", "outputDetails": NO}),
    ("ExecutionFailed", {}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("type", "details", "told"), DETAILS)
def test_what_the_details_are(type: str, details: Any, told: Any) -> None:
    projected = Event(3, 2, 1_767_225_600_123, type, "1.0", details).to_aws()
    assert projected == {
        "timestamp": datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC),
        "type": type,
        "id": 3,
        "previousEventId": 2,
        details_key(type): told,
    }


def test_an_event_without_details_has_no_such_member() -> None:
    projected = Event(3, 2, 0, "MapStateSucceeded", "", {}).to_aws()
    assert projected.keys() == {"timestamp", "type", "id", "previousEventId"}
