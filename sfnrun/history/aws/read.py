"""Reads an execution of AWS, however it was saved, into one list of events in the order of their ids.

The input is pages of `get-execution-history` (one or many, forwards or backwards) or log events of CloudWatch, where
EXPRESS executions have their history. In the same documents or in others it can have the output of `describe-execution`
and `describe-state-machine-for-execution`. A file is one JSON document or several in sequence.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html and
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from sfnrun.errors import HistoryError
from sfnrun.history.aws.times import milliseconds, notation
from sfnrun.payload import Json, Payload
from sfnrun.record import PAYLOADS, STATUS_OF, Event

__all__ = ["AwsHistory", "read_aws", "read_documents"]


class AwsHistory(Struct, frozen=True):
    """All events of one execution, and what else the documents have of it.

    Each event has AWS's original in `raw`, and no fiber: AWS does not say in which branch or item it happened. A
    payload that AWS cut is text. `form` is "history" or "logs", `time` the notation of its times. `execution` is the
    output of describe-execution, `machine` of describe-state-machine-for-execution; each is empty if missing.
    """

    events: tuple[Event, ...]
    form: str
    time: str
    execution: Mapping[str, Json] = field(default_factory=dict)
    machine: Mapping[str, Json] = field(default_factory=dict)


def read_documents(name: str, text: str) -> list[Json]:
    """Return the JSON documents of a text, in sequence. Raises HistoryError for text that is not JSON."""
    decoder, documents, at = json.JSONDecoder(), [], 0
    text = text.removeprefix("\ufeff")
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            document, at = decoder.raw_decode(text, at)
        except ValueError as error:
            raise HistoryError(f"{name} is not JSON: {error}", _HINT) from None
        documents.append(document)
    return documents


_HINT = "save it with `aws stepfunctions get-execution-history --execution-arn ARN --output json > history.json`"


def read_aws(documents: Iterable[Json], execution: str | None = None) -> AwsHistory:
    """Return the history of an execution in JSON documents; `execution` is its ARN or name, if there are several.

    Raises HistoryError if there are no events, if some are missing, or if they are of several executions.
    """
    found = _Found()
    for document in documents:
        found.take(_plain(document))
    if found.logged:
        return _chosen(found, execution)
    if not found.events:
        raise HistoryError("no history events found", _HINT)
    history = _history([_event(event) for event in found.events], "history", found)
    if found.is_cut and history.events[-1].type not in STATUS_OF:
        raise HistoryError(
            f"incomplete history: there are more pages after event {len(history.events)}",
            "fetch all pages (without --max-items)",
        )
    return history


def _plain(value: Json) -> Json:
    """Return the JSON of boto3's values, which have datetimes."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


class _Found:
    """The contents of documents, recognized by their keys."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Json]] = []
        self.logged: list[Mapping[str, Json]] = []
        self.execution: Mapping[str, Json] = {}
        self.machine: Mapping[str, Json] = {}
        self._pages = self._tokens = 0

    @property
    def is_cut(self) -> bool:
        """Whether every page has a nextToken."""
        return self._pages == self._tokens > 0

    def take(self, document: Json) -> None:
        if isinstance(document, list):
            for each in document:
                self.take(each)
        elif not isinstance(document, dict):
            return
        elif "previous_event_id" in document:
            self.logged.append(document)
        elif "previousEventId" in document:
            self.events.append(document)
        elif "events" in document:
            self._pages += 1
            self._tokens += "nextToken" in document or "NextToken" in document
            self.take(document["events"])
        elif "results" in document:  # CloudWatch Logs Insights
            self.take([_columns(row) for row in document["results"]])
        elif "message" in document:
            self.take(_message(document["message"]))
        elif "definition" in document:
            self.machine = document
        elif "executionArn" in document:
            self.execution = document


def _columns(row: Json) -> Json:
    return next(({"message": column["value"]} for column in row if column.get("field") == "@message"), None)


def _message(text: Json) -> Json:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def _chosen(found: _Found, execution: str | None) -> AwsHistory:
    """Return the history of the execution with this ARN or name, or of the only one in the log."""
    by_arn: dict[str, list[Mapping[str, Json]]] = {}
    for event in found.logged:
        by_arn.setdefault(str(event.get("execution_arn", "")), []).append(event)
    arns = [arn for arn in by_arn if execution is None or arn == execution or execution in arn.split(":")]
    if len(arns) != 1:
        shown = "\n".join(f"  {arn}" for arn in list(by_arn)[:20])
        what = "log has several executions" if execution is None else f"execution '{execution}' is not in the log"
        raise HistoryError(f"{what}:\n{shown}", "pass --execution ARN to choose one")
    events = [_logged_event(event) for event in by_arn[arns[0]]]
    found.execution = {"executionArn": arns[0], **found.execution}
    return _history(events, "logs", found)


def _history(events: list[Event], form: str, found: _Found) -> AwsHistory:
    # The same page can be there twice.
    events = [event for _, event in sorted({event.id: event for event in events}.items())]
    for number, event in enumerate(events, 1):
        if event.id != number:
            raise HistoryError(
                f"event {number} is missing: event {number - 1} is followed by {event.id}",
                "fetch all pages (without --max-items and --max-results), and set the log level to ALL",
            )
    first = events[0].raw or {}
    time = notation(first["event_timestamp"] if form == "logs" else first["timestamp"])
    return AwsHistory(tuple(events), form, time, found.execution, found.machine)


def _event(event: Mapping[str, Json]) -> Event:
    details: Mapping[str, Json] | None = next((event[name] for name in event if name.endswith("EventDetails")), None)
    try:
        at = milliseconds(event["timestamp"])
        return Event(event["id"], event["previousEventId"], at, event["type"], "", _details(details), event)
    except (KeyError, ValueError) as error:
        raise _malformed(event, error) from None


def _logged_event(event: Mapping[str, Json]) -> Event:
    try:
        at = milliseconds(event["event_timestamp"])
        id, previous = int(event["id"]), int(event["previous_event_id"])
        return Event(id, previous, at, event["type"], "", _details(event.get("details")), event)
    except (KeyError, ValueError) as error:
        raise _malformed(event, error) from None


def _details(details: Mapping[str, Json] | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: _payload(value) if name in PAYLOADS else value for name, value in (details or {}).items()
    }
    if "assignedVariables" in found:
        found["assignedVariables"] = {name: _payload(text) for name, text in found["assignedVariables"].items()}
    return found


def _payload(text: Json) -> Json | Payload:
    try:
        return Payload.parse(text)
    except ValueError:  # AWS cut it
        return text


def _malformed(event: Mapping[str, Any], error: Exception) -> HistoryError:
    return HistoryError(f"event {event.get('id')} is not an event of AWS: {type(error).__name__} {error}")
