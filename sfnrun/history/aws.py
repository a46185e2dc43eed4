"""Reads what AWS gives of an execution, however it was saved, into one list of events in the order of their ids.

Pages of `get-execution-history` (one or many, forwards or backwards), log events of CloudWatch (which is where EXPRESS
executions leave their history), and beside them, in the same files or in others, what `describe-execution` and
`describe-state-machine-for-execution` print. A file is one JSON document or many, one after the other.
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
from sfnrun.history.aws_time import milliseconds, notation
from sfnrun.history.file import ENDS
from sfnrun.payload import Json

__all__ = ["AwsEvent", "AwsHistory", "read_aws", "read_documents"]


class AwsEvent(Struct, frozen=True):
    """One event as AWS has it. `details` is its details object, `original` the whole; `at` milliseconds since 1970."""

    id: int
    previous: int
    at: int
    type: str
    details: Mapping[str, Json]
    original: Mapping[str, Json]


class AwsHistory(Struct, frozen=True):
    """All events of one execution, and what was found beside them.

    `form` is "history" or "logs", `time` how its times are written (aws_time). `execution` is the answer of
    describe-execution, `machine` that of describe-state-machine-for-execution; each is empty if it was not there.
    """

    events: tuple[AwsEvent, ...]
    form: str
    time: str
    execution: Mapping[str, Json] = field(default_factory=dict)
    machine: Mapping[str, Json] = field(default_factory=dict)


def read_documents(name: str, text: str) -> list[Json]:
    """The JSON documents of a text, one after the other. Raises HistoryError for what is not JSON."""
    decoder, documents, at = json.JSONDecoder(), [], 0
    text = text.removeprefix("\ufeff")
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            document, at = decoder.raw_decode(text, at)
        except ValueError as error:
            raise HistoryError(f"{name} is not JSON: {error}.", _HINT) from None
        documents.append(document)
    return documents


_HINT = "Save it with: aws stepfunctions get-execution-history --execution-arn ARN --output json > history.json"


def read_aws(documents: Iterable[Json], execution: str | None = None) -> AwsHistory:
    """The history of an execution in JSON documents; `execution` is its ARN or name, where there are several.

    Raises HistoryError for documents without events, with a gap between them, or of more than one execution.
    """
    found = _Found()
    for document in documents:
        found.take(_plain(document))
    if found.logged:
        return _chosen(found, execution)
    if not found.events:
        raise HistoryError("There are no history events in it.", _HINT)
    history = _history([_event(event) for event in found.events], "history", found)
    if found.is_cut and history.events[-1].type not in ENDS:
        raise HistoryError(
            f"The history goes on after the event {len(history.events)}: every page has a nextToken.",
            "Fetch the pages that follow, too (or all at once, without --max-items).",
        )
    return history


def _plain(value: Json) -> Json:
    """The JSON of what boto3 gives, whose times are datetimes."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


class _Found:
    """What documents hold, told apart by the members they have."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Json]] = []
        self.logged: list[Mapping[str, Json]] = []
        self.execution: Mapping[str, Json] = {}
        self.machine: Mapping[str, Json] = {}
        self._pages = self._tokens = 0

    @property
    def is_cut(self) -> bool:
        """Whether no page says that it is the last."""
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
    """The history of the execution that was asked for, or of the only one in the log."""
    by_arn: dict[str, list[Mapping[str, Json]]] = {}
    for event in found.logged:
        by_arn.setdefault(str(event.get("execution_arn", "")), []).append(event)
    arns = [arn for arn in by_arn if execution is None or arn == execution or execution in arn.split(":")]
    if len(arns) != 1:
        shown = "\n".join(f"  {arn}" for arn in list(by_arn)[:20])
        what = "has several executions" if execution is None else f"has no execution {execution}, only"
        raise HistoryError(f"The log {what}:\n{shown}", "Choose one with --execution ARN.")
    events = [_logged_event(event) for event in by_arn[arns[0]]]
    found.execution = {"executionArn": arns[0], **found.execution}
    return _history(events, "logs", found)


def _history(events: list[AwsEvent], form: str, found: _Found) -> AwsHistory:
    # A page that was fetched twice says nothing new.
    events = [event for _, event in sorted({event.id: event for event in events}.items())]
    for number, event in enumerate(events, 1):
        if event.id != number:
            raise HistoryError(
                f"The event {number} is missing: the history goes from {number - 1} to {event.id}.",
                "Fetch every page (without --max-items and --max-results), and log at level ALL.",
            )
    first = events[0].original
    time = notation(first["event_timestamp"] if form == "logs" else first["timestamp"])
    return AwsHistory(tuple(events), form, time, found.execution, found.machine)


def _event(event: Mapping[str, Json]) -> AwsEvent:
    details: Mapping[str, Json] = next((event[name] for name in event if name.endswith("EventDetails")), {})
    try:
        at = milliseconds(event["timestamp"])
        return AwsEvent(event["id"], event["previousEventId"], at, event["type"], details or {}, event)
    except (KeyError, ValueError) as error:
        raise _malformed(event, error) from None


def _logged_event(event: Mapping[str, Json]) -> AwsEvent:
    try:
        at = milliseconds(event["event_timestamp"])
        id, previous = int(event["id"]), int(event["previous_event_id"])
        return AwsEvent(id, previous, at, event["type"], event.get("details") or {}, event)
    except (KeyError, ValueError) as error:
        raise _malformed(event, error) from None


def _malformed(event: Mapping[str, Any], error: Exception) -> HistoryError:
    return HistoryError(f"The event {event.get('id')} is not as AWS has it: {type(error).__name__} {error}.")
