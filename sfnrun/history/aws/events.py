"""Histories in AWS's shape. An imported history is exported as it was imported, event for event.

`Event.to_aws` can differ from what AWS returned: a time in another zone, a payload that was cut, an unknown member.
Then the import keeps the whole event in `Event.raw`, and the export returns that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from sfnrun.history.aws.times import format_time
from sfnrun.history.recording import Recording
from sfnrun.payload import Json
from sfnrun.record import Event

__all__ = ["aws_document", "keep_difference"]


def aws_document(recording: Recording) -> dict[str, Json]:
    """Return what `aws stepfunctions get-execution-history` prints; for EXPRESS the log events of CloudWatch."""
    return {"events": list(_events(recording))}


def _events(recording: Recording) -> Iterator[Mapping[str, Json]]:
    start = recording.start
    imported: Mapping[str, str] = start.get("imported") or {"form": "history", "time": "iso+00:00"}
    for event in recording.events():
        yield event.raw or _projected(event, imported["form"], imported["time"], start["arn"])


def keep_difference(event: Event, original: Mapping[str, Json], form: str, time: str) -> Event:
    """Return the event, with the original as `raw` if its own projection differs."""
    arn = str(original.get("execution_arn", ""))
    return replace(event, raw=None if _projected(event, form, time, arn) == original else original)


def _projected(event: Event, form: str, time: str, arn: str) -> dict[str, Any]:
    projected = event.to_aws()
    at = format_time(event.at, time)
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
