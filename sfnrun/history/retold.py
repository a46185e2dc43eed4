"""Tells a recorded execution to a Listener again, as it was told when it happened; nothing is executed or compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sfnrun.history.file import PAYLOADS, Recording
from sfnrun.payload import Json, Payload
from sfnrun.record import Event, Listener, Note

__all__ = ["Retold", "event_of", "events", "retell"]

_OF_THE_LINE = frozenset({"event", "at", "previous", "fiber", "aws"})


def retell(recording: Recording, listener: Listener) -> None:
    """Every event and note of a recording, in order."""
    began: int = recording.start["start_time"]
    id = 0
    for line in recording.lines:
        if "event" in line:
            id += 1
            listener.event(event_of(line, id, began))
        elif "answer" not in line:  # which may have a member "note" of its own
            at = line["at"] + began
            listener.note(Note(line["note"], at, line["fiber"], line["state"], line["details"]))


class Retold:
    """The events of a recording, made when somebody asks for them."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __iter__(self) -> Iterator[Event]:
        return events(self._recording)


def events(recording: Recording) -> Iterator[Event]:
    """The events of a recording, numbered as AWS does."""
    began: int = recording.start["start_time"]
    for id, line in enumerate(recording.of_kind("event"), 1):
        yield event_of(line, id, began)


def event_of(line: Mapping[str, Json], id: int, began: int) -> Event:
    """The event of a history's event line; `id` is its number among the events, from 1, `began` the start time."""
    details = {name: _detail(name, value) for name, value in line.items() if name not in _OF_THE_LINE}
    return Event(id, line["previous"], line["at"] + began, line["event"], line.get("fiber", ""), details)


def _detail(name: str, value: Json) -> Json | Payload:
    if name in PAYLOADS:
        return Payload.parse(value)
    if name == "assignedVariables":
        return {variable: Payload.parse(text) for variable, text in value.items()}
    return value
