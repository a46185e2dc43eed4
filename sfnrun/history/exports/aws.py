"""A history as AWS gives it; one that came from AWS comes out as it went in, event for event.

What the projection of our events would give otherwise than AWS gave it (a time in another zone, a payload that was
cut, a member we do not know) is kept with the event when it is imported, as a whole and only then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sfnrun.history.aws_time import written
from sfnrun.history.file import Recording
from sfnrun.history.project import aws_event
from sfnrun.history.retold import event_of
from sfnrun.payload import Json
from sfnrun.record import Event

__all__ = ["aws_document", "verbatim"]


def aws_document(recording: Recording) -> dict[str, Json]:
    """What `aws stepfunctions get-execution-history` prints, or for EXPRESS what CloudWatch has of it."""
    return {"events": list(_events(recording))}


def _events(recording: Recording) -> Iterator[Mapping[str, Json]]:
    start = recording.start
    imported: Mapping[str, str] = start.get("imported") or {"form": "history", "time": "iso+00:00"}
    began: int = start["start_time"]
    for id, line in enumerate(recording.of_kind("event"), 1):
        if "aws" in line:
            yield line["aws"]
        else:
            yield _projected(event_of(line, id, began), imported["form"], imported["time"], start["arn"])


def verbatim(event: Event, original: Mapping[str, Json] | None, form: str, time: str) -> dict[str, Mapping[str, Json]]:
    """The member `aws` of an event's line, with the event as AWS had it: needed only where we would give another."""
    if original is None:
        return {}
    arn = str(original.get("execution_arn", ""))
    return {} if _projected(event, form, time, arn) == original else {"aws": original}


def _projected(event: Event, form: str, time: str, arn: str) -> dict[str, Any]:
    projected = aws_event(event)
    at = written(event.at, time)
    if form != "logs":
        return {**projected, "timestamp": at}
    details: Any = next((value for name, value in projected.items() if name.endswith("EventDetails")), {})
    return {
        "id": str(event.id),
        "type": event.type,
        "details": details,
        "previous_event_id": str(event.previous),
        "event_timestamp": at,
        "execution_arn": arn,
        "redrive_count": "0",
    }
