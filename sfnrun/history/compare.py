"""A replay held against its recording, event by event: the first that differs is a Divergence.

What happens beyond the end of a recording that was cut off, by a crash or because it is still being written, goes to
another journal: the file itself if the execution is being resumed, else nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sfnrun.errors import Divergence
from sfnrun.history.file import Recording
from sfnrun.history.journal import Journal
from sfnrun.history.record import Event, Listener, Note
from sfnrun.payload import Json, Payload, dumps

__all__ = ["Comparison"]

# Members of an event line that are not details of the event.
_ENVELOPE = frozenset({"event", "at", "previous", "fiber", "aws"})
_SHOWN = 2000

# Notes that do not come from the engine, so do not come again: they are told where they were.
_ASIDE = frozenset({"log", "resumed"})


class Comparison:
    """A journal that compares what happens now with what was recorded, and tells a listener of it all the same.

    Times are not compared: they follow from the answers. `beyond` is for what comes after the recording; without it
    that is a Divergence if the recording is complete. `state` is the last state that was entered or left.
    """

    def __init__(
        self,
        recording: Recording,
        listener: Listener | None = None,
        kept: list[Event] | None = None,
        beyond: Journal | None = None,
    ) -> None:
        self._recorded = iter([line for line in recording.lines if "answer" not in line])
        self._answers = sum("answer" in line for line in recording.lines)
        self._line = next(self._recorded, None)
        self._complete = recording.complete
        self._listener = listener
        self._kept = kept
        self._beyond = beyond
        self._start_time: int = recording.start["start_time"]
        self.state: str | None = None

    def event(self, id: int, previous: int, at: int, type: str, fiber: str, details: dict[str, Any]) -> None:
        if "index" not in details:
            self.state = details.get("name", self.state)
        line = self._next_event()
        if line is not None:
            self._compare(line, type, fiber, details)
        elif self._beyond is not None:
            self._beyond.event(id, previous, at, type, fiber, details)
        elif self._complete:
            raise self._divergence("nothing more", type, "The recording ends here, and the replay goes on.")
        if self._kept is not None:
            self._kept.append(Event(id, previous, at, type, fiber, details))
        if self._listener is not None:
            self._listener.event(Event(id, previous, at, type, fiber, details))

    def note(self, kind: str, at: int, fiber: str, state: str, details: dict[str, Any]) -> None:
        line = self._next_told()
        if line is None:
            if self._beyond is not None:
                self._beyond.note(kind, at, fiber, state, details)
        elif line.get("note") == kind:
            self._line = next(self._recorded, None)
        if self._listener is not None:
            self._listener.note(Note(kind, at, fiber, state, details))

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        if self._answers:  # it comes from the recording, so there is nothing to compare
            self._answers -= 1
            return
        line = self._next_event()
        if line is not None:
            raise self._divergence(_told(line["event"], line), "nothing", "The recording goes on here.")
        if self._beyond is not None:
            self._beyond.answer(answered)

    def end(self) -> None:
        """Nothing more happens now. Raises Divergence if the recording goes on."""
        line = self._next_event()
        if line is not None:
            raise self._divergence(_told(line["event"], line), "nothing more", "The recording goes on here.")

    def _next_told(self) -> Mapping[str, Json] | None:
        """The next line that comes from the engine; what stood aside before it is told."""
        while self._line is not None and self._line.get("note") in _ASIDE:
            line, self._line = self._line, next(self._recorded, None)
            if self._listener is not None:
                at = self._start_time + line["at"]
                self._listener.note(Note(line["note"], at, line["fiber"], line["state"], line["details"]))
        return self._line

    def _next_event(self) -> Mapping[str, Json] | None:
        """The next event line, which is taken; notes before it that did not come again are skipped."""
        while (line := self._line) is not None:
            if "event" in line:
                self._line = next(self._recorded, None)
                return line
            if self._next_told() is line:
                self._line = next(self._recorded, None)
        return None

    def _compare(self, line: Mapping[str, Json], type: str, fiber: str, details: Mapping[str, Any]) -> None:
        if line["event"] != type or line.get("fiber", "") != fiber:
            raise self._divergence(_told(line["event"], line), _told(type, details), "Another event happens now.")
        for name, value in details.items():
            now = value.text if value.__class__ is Payload else _plain(value)
            if line.get(name) != now:
                raise self._differs(name, type, line.get(name), now)
        for name in line:
            if name not in details and name not in _ENVELOPE:
                raise self._differs(name, type, line[name], None)

    def _differs(self, name: str, type: str, recorded: Json, now: Json) -> Divergence:
        return self._divergence(_cut(recorded), _cut(now), f"The {name} of {type} is another now.")

    def _divergence(self, recorded: str, now: str, what: str) -> Divergence:
        where = f"In state '{self.state}': " if self.state else ""
        return Divergence(where + what, state=self.state, recorded=recorded, now=now)


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
    text = "nothing" if value is None else value if isinstance(value, str) else dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
