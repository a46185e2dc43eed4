"""What happened in an execution: an Event is one of AWS's history events, a Note is what AWS has no event for.

Events have AWS's ids and details; `to_aws` gives one the shape of `GetExecutionHistory`. Notes (the delay of a retry,
the end of a Wait, a line that a handler printed, a cache lookup) have no id.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html and the recorded histories
of tests/conformance.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, Protocol

from msgspec import Struct

from sfnrun.effects import Answered
from sfnrun.payload import Json, Payload

__all__ = [
    "ACCOUNT",
    "PAYLOADS",
    "REGION",
    "STATUS_OF",
    "Event",
    "Journal",
    "Listener",
    "Note",
    "Status",
    "details_key",
    "timestamp",
]

# Where an execution runs unless something says otherwise.
REGION = "us-east-1"
ACCOUNT = "123456789012"

Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]

# The events that end an execution, with the status that it has then.
STATUS_OF: dict[str, Status] = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}

# Members of details that hold payloads.
PAYLOADS = frozenset({"input", "output", "parameters"})

# AWS returns these event types without a details member, although the API's model has one for some of them.
_WITHOUT_DETAILS = frozenset({
    "LambdaFunctionStarted", "MapRunSucceeded", "MapStateSucceeded", "MapStateFailed", "MapStateAborted",
    "ParallelStateStarted", "ParallelStateSucceeded", "ParallelStateFailed", "ParallelStateAborted",
    "TaskStateAborted", "WaitStateAborted",
})  # fmt: skip

_NOT_TRUNCATED = {"truncated": False}


class Event(Struct, frozen=True):
    """One history event. `at` is in milliseconds since the Unix epoch.

    `fiber` is the path of the branch or item it happened in: "" for the execution itself, "1.0" for child 0 of the
    first Parallel or Map that the root fiber entered, "1.0/2.7" for child 7 of the second one inside that, and so on.
    `details` are the members of AWS's details object; payloads (input, output, parameters) are Payload objects.
    `raw` is the event as AWS returned it, if it was imported and `to_aws` differs from that.
    """

    id: int
    previous: int
    at: int
    type: str
    fiber: str
    details: dict[str, Any]
    raw: Mapping[str, Json] | None = None

    def to_aws(self) -> dict[str, Any]:
        """Return the event as boto3's `get_execution_history` does: payloads as JSON text, the time as a datetime."""
        projected: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(self.at / 1000, UTC),
            "type": self.type,
            "id": self.id,
            "previousEventId": self.previous,
        }
        key = details_key(self.type)
        if key is not None:
            projected[key] = _aws_details(self.details)
        return projected


def details_key(type: str) -> str | None:
    """Return the name of an event type's details member: `stateEnteredEventDetails`; None if it has none."""
    if type in _WITHOUT_DETAILS:
        return None
    for end in ("StateEntered", "StateExited"):
        if type.endswith(end):
            type = end
    return f"{type[0].lower()}{type[1:]}EventDetails"


def _aws_details(details: Mapping[str, Any]) -> dict[str, Any]:
    projected: dict[str, Any] = {}
    for name, value in details.items():
        if isinstance(value, Payload):
            projected[name] = value.text
            if name != "parameters":
                projected[f"{name}Details"] = _NOT_TRUNCATED
        elif name == "assignedVariables":
            projected[name] = {variable: payload.text for variable, payload in value.items()}
            projected["assignedVariablesDetails"] = _NOT_TRUNCATED
        else:
            projected[name] = value
    return projected


class Note(Struct, frozen=True):
    """Something that AWS has no event for; `state` is the state it happened in.

    kinds: "retry" {error, cause, attempt, max_attempts, delay_ms, retrier}, "catch" {error, catcher, next},
    "wait" {until}, "log" {text} (a line that a handler printed), "cache" {outcome, ...}, "resumed" {version}.
    """

    kind: str
    at: int
    fiber: str
    state: str
    details: dict[str, Any]


class Listener(Protocol):
    """Receives everything as it happens: the live trace, a JSON Lines printer, a test."""

    def event(self, event: Event) -> None: ...

    def note(self, note: Note) -> None: ...


class Journal(Protocol):
    """Records what happens, in order; all of it is on disk when `flush` returns."""

    def event(self, event: Event) -> None: ...

    def note(self, note: Note) -> None: ...

    def answer(self, answered: Answered) -> None: ...

    def flush(self) -> None: ...


@lru_cache(maxsize=256)
def timestamp(ms: int) -> str:
    """Return a time as AWS writes it: `2026-11-22T08:30:00.000Z`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"
