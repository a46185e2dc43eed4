"""From our events to AWS's: what `GetExecutionHistory` gives, as boto3 gives it.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html and recorded histories.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sfnrun.payload import Payload
from sfnrun.record import Event

__all__ = ["aws_event", "details_key"]

# Recorded without a details member, although some of them have one in the API's model.
BARE = frozenset({
    "LambdaFunctionStarted", "MapRunSucceeded", "MapStateSucceeded", "MapStateFailed", "MapStateAborted",
    "ParallelStateStarted", "ParallelStateSucceeded", "ParallelStateFailed", "ParallelStateAborted",
    "TaskStateAborted", "WaitStateAborted",
})  # fmt: skip

NOT_TRUNCATED = {"truncated": False}


def aws_event(event: Event) -> dict[str, Any]:
    """One event as boto3 gives it; payloads become JSON text, the time a datetime with zone."""
    projected: dict[str, Any] = {
        "timestamp": datetime.fromtimestamp(event.at / 1000, UTC),
        "type": event.type,
        "id": event.id,
        "previousEventId": event.previous,
    }
    key = details_key(event.type)
    if key is not None:
        projected[key] = _details(event.details)
    return projected


def details_key(type: str) -> str | None:
    """The name of an event type's details member: `stateEnteredEventDetails`; None where it has none."""
    if type in BARE:
        return None
    for end in ("StateEntered", "StateExited"):
        if type.endswith(end):
            type = end
    return f"{type[0].lower()}{type[1:]}EventDetails"


def _details(details: dict[str, Any]) -> dict[str, Any]:
    projected: dict[str, Any] = {}
    for name, value in details.items():
        if isinstance(value, Payload):
            projected[name] = value.text
            if name != "parameters":
                projected[f"{name}Details"] = NOT_TRUNCATED
        elif name == "assignedVariables":
            projected[name] = {variable: payload.text for variable, payload in value.items()}
            projected["assignedVariablesDetails"] = NOT_TRUNCATED
        else:
            projected[name] = value
    return projected
