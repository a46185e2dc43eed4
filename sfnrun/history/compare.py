"""A replay held against its recording, event by event: the first that differs is a Divergence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sfnrun.errors import Divergence
from sfnrun.history.file import Recording
from sfnrun.history.record import Event, Listener, Note
from sfnrun.payload import Json, Payload

__all__ = ["Comparison", "event_from_line"]

# Members of an event line that are not details of the event.
_ENVELOPE = frozenset({"event", "at", "previous", "fiber"})
_SHOWN = 2000


class Comparison:
    """A journal that compares what happens now with what was recorded, and tells a listener of it all the same.

    Times are not compared: they follow from the answers. Lines that handlers printed are told where they were.
    """

    def __init__(self, recording: Recording, listener: Listener | None = None, kept: list[Event] | None = None) -> None:
        self._recorded = self._events_and_logs(recording)
        self._listener = listener
        self._kept = kept
        self._start_time: int = recording.start["start_time"]
        self._state: str | None = None

    @staticmethod
    def _events_and_logs(recording: Recording) -> Iterator[Mapping[str, Json]]:
        return (line for line in recording.lines if "event" in line or line.get("note") == "log")

    def event(self, id: int, previous: int, at: int, type: str, fiber: str, details: dict[str, Any]) -> None:
        event = Event(id, previous, at, type, fiber, details)
        self._state = details.get("name", self._state) if "index" not in details else self._state
        self._compare(self._next_recorded(), event)
        if self._kept is not None:
            self._kept.append(event)
        if self._listener is not None:
            self._listener.event(event)

    def note(self, kind: str, at: int, fiber: str, state: str, details: dict[str, Any]) -> None:
        if self._listener is not None:
            self._listener.note(Note(kind, at, fiber, state, details))

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        """It came from the recording, so there is nothing to compare."""

    def _next_recorded(self) -> Mapping[str, Json] | None:
        for line in self._recorded:
            if "event" in line:
                return line
            if self._listener is not None:
                at = self._start_time + line["at"]
                self._listener.note(Note("log", at, line["fiber"], line["state"], line["details"]))
        return None

    def _compare(self, line: Mapping[str, Json] | None, event: Event) -> None:
        if line is None:
            raise self._divergence("nothing more", event.type, "The recording ends here, and the replay goes on.")
        if line["event"] != event.type or line.get("fiber", "") != event.fiber:
            raise self._divergence(
                _told(line["event"], line), _told(event.type, event.details), "Another event happens now."
            )
        for name in sorted((line.keys() - _ENVELOPE) | event.details.keys()):
            recorded, now = line.get(name), _plain(event.details.get(name))
            if recorded != now:
                raise self._divergence(_cut(recorded), _cut(now), f"The {name} of {event.type} is another now.")

    def _divergence(self, recorded: str, now: str, what: str) -> Divergence:
        where = f"In state '{self._state}': " if self._state else ""
        return Divergence(where + what, state=self._state, recorded=recorded, now=now)


def _plain(value: Any) -> Json:
    if isinstance(value, Payload):
        return value.text
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value


def _told(type: str, details: Mapping[str, Any]) -> str:
    name = details.get("name")
    return f"{type} of {name}" if name else type


def _cut(value: Json) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def event_from_line(line: Mapping[str, Json], id: int, start_time: int) -> Event:
    """The event of a history's event line; `id` is its number among the events, from 1."""
    details = {name: value for name, value in line.items() if name not in _ENVELOPE}
    for name in ("input", "output", "parameters"):
        if isinstance(details.get(name), str):
            details[name] = Payload.parse(details[name])
    if "assignedVariables" in details:
        details["assignedVariables"] = {
            name: Payload.parse(text) for name, text in details["assignedVariables"].items()
        }
    return Event(id, line["previous"], start_time + line["at"], line["event"], line.get("fiber", ""), details)
