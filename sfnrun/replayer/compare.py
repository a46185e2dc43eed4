"""A replay held against its recording, event by event: the first that differs is a DivergenceError.

What happens beyond the end of a recording that was cut off, by a crash or because it is still being written, goes to
another journal: the file itself if the execution is being resumed, else nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from sfnrun.errors import DivergenceError
from sfnrun.history.file import BATCH, Recording
from sfnrun.history.journal import Journal
from sfnrun.history.lines import Answered, Lines
from sfnrun.payload import Json, Payload, dumps
from sfnrun.record import Event, Listener, Note
from sfnrun.replayer.matching import agreed
from sfnrun.replayer.told import Told

__all__ = ["ENVELOPE", "Comparison", "shown", "told"]

# Members of an event line that are not details of the event.
ENVELOPE = frozenset({"event", "at", "previous", "fiber", "aws"})

# Notes that do not come from the engine, so do not come again: they are told where they were.
_ASIDE = frozenset({"log", "resumed"})


class Comparison:
    """A journal that compares what happens now with what was recorded, and tells a listener of it all the same.

    Times are not compared: they follow from the answers. Neither is the order of members in JSON, which means nothing.
    `beyond` is for what comes after the recording, and `seam` is noted before it; without `beyond` that is a
    DivergenceError if the recording is complete.
    `states` are the names that the definition has now: where another state is entered it tells a renamed state from
    one that goes elsewhere.
    """

    def __init__(
        self,
        recording: Recording,
        listener: Listener | None = None,
        kept: list[Event] | None = None,
        beyond: Journal | None = None,
        seam: Note | None = None,
        states: Collection[str] | None = None,
    ) -> None:
        self._recorded = Told(recording)
        self._answers = self._recorded.answers
        self._now = Lines(recording.start["start_time"]) if self._recorded.has_text else None
        self._complete = recording.complete
        self._listener = listener
        self._kept = kept
        self._beyond = beyond
        self._seam = seam
        self._states = states
        self._start_time: int = recording.start["start_time"]
        self._recording = recording
        self._kept_back: list[Event] = []
        self._batch = BATCH if listener is None else 1  # a person sees no event that was not recorded
        # How many events were compared, and when the last of them happened.
        self.happened = 0
        self.last_at = self._start_time

    def event(self, event: Event) -> None:
        kept_back = self._kept_back
        kept_back.append(event)
        if self._kept is not None:
            self._kept.append(event)
        if len(kept_back) >= self._batch:
            self.compare()

    def compare(self) -> None:
        """Compare the events that were kept back, because that is faster for many at once. Raises DivergenceError."""
        events, self._kept_back = self._kept_back, []
        if events:
            self.last_at = events[-1].at
        if self._now is not None and self._recorded.take_written(*self._now.written(events)):
            self.happened += len(events)
        else:
            for event in events:
                self._compare_parsed(event)
                self.happened += 1
        if self._listener is not None:
            for event in events:
                self._listener.event(event)

    def _compare_parsed(self, event: Event) -> None:
        """For an event that may not stand in the recording just as it would be written now."""
        line = self._next_event()
        if line is not None:
            self._compare(line, event.type, event.fiber, event.details)
        elif self._beyond is not None:
            self._cross(self._beyond)
            self._beyond.event(event)
        elif self._complete:
            now = told(event.type, event.details)
            raise self._divergence("the end", now, "The recording ends here.", event.fiber)

    def note(self, note: Note) -> None:
        self.compare()
        line = self._next_told()
        if line is None:
            if self._beyond is not None:
                self._beyond.note(note)
        elif line.get("note") == note.kind:
            if note.kind == "retry" and line["details"].get("delay_ms") != note.details["delay_ms"]:
                recorded, now = (f"retry in {one['delay_ms']:,} ms" for one in (line["details"], note.details))
                raise self._divergence(recorded, now, "The delay of a retry is another now.", note.fiber)
            self._recorded.take()
        if self._listener is not None:
            self._listener.note(note)

    def answer(self, answered: Answered) -> None:
        if self._answers:  # it comes from the recording, so there is nothing to compare
            self._answers -= 1
            return
        self.end()
        if self._beyond is not None:
            self._cross(self._beyond)
            self._beyond.answer(answered)

    def _cross(self, beyond: Journal) -> None:
        """Go beyond the recording; the first time that is noted."""
        seam, self._seam = self._seam, None
        if seam is not None:
            beyond.note(seam)
            if self._listener is not None:
                self._listener.note(seam)

    def flush(self) -> None:
        """What the recording has is safe; what goes beyond it is when this returns."""
        if self._beyond is not None and not self._answers:
            self.compare()
            self._beyond.flush()

    def end(self) -> None:
        """Nothing more happens now. Raises DivergenceError if the recording goes on."""
        self.compare()
        line = self._next_event()
        if line is not None:
            fiber = line.get("fiber", "")
            raise self._divergence(told(line["event"], line), "the end", "The recording goes on here.", fiber)

    def state_of(self, fiber: str) -> str | None:
        """The state that a fiber is in, or was in last, or that is around it. Looked for when somebody asks."""
        self.compare()
        states: dict[str, str] = {}
        for line in islice(self._recording.of_kind("event"), self.happened):
            if line["event"].endswith(("StateEntered", "StateExited")):
                states[line.get("fiber", "")] = line["name"]
        while fiber and fiber not in states:
            fiber = fiber.rpartition("/")[0]
        return states.get(fiber)

    def _next_told(self) -> Mapping[str, Json] | None:
        """The next line that comes from the engine; what stood aside before it is told."""
        while (line := self._recorded.next) is not None and line.get("note") in _ASIDE:
            self._recorded.take()
            if self._listener is not None:
                at = self._start_time + line["at"]
                self._listener.note(Note(line["note"], at, line["fiber"], line["state"], line["details"]))
        return line

    def _next_event(self) -> Mapping[str, Json] | None:
        """The next event line, which is taken; notes before it that did not come again are skipped."""
        while (line := self._next_told()) is not None:
            self._recorded.take()
            if "event" in line:
                return line
        return None

    def _compare(self, line: Mapping[str, Json], type: str, fiber: str, details: Mapping[str, Any]) -> None:
        if line["event"] != type or line.get("fiber", "") != fiber or line.get("name") != details.get("name"):
            blamed = self._led_to(line, type, details)
            before, after = told(line["event"], line), told(type, details)
            raise self._divergence(before, after, "Another event happens now.", fiber, blamed)
        for name, value in details.items():
            recorded = line.get(name)
            if (value.text if value.__class__ is Payload else value) == recorded:
                continue
            if name == "cause" or agreed(name, value, recorded, by_chance=False) is None:
                raise self._differs(name, type, fiber, recorded, _plain(value))
        if len(details) == len(line) - 3:  # all but event, at and previous
            return
        for name in line:
            if name not in details and name not in ENVELOPE:
                raise self._differs(name, type, fiber, line[name], None)

    def _led_to(self, line: Mapping[str, Json], type: str, details: Mapping[str, Any]) -> str | None:
        """The state to blame for another event: one of another type or name, or the Map whose items differ.

        None: the one that the fiber is in, or that led to where it goes.
        """
        name, recorded = details.get("name"), line.get("name")
        renamed = self._states is not None and recorded is not None and recorded not in self._states
        is_itself = "index" in details or (type.endswith("StateEntered") and (renamed or name == recorded))
        return name if is_itself else None

    def _differs(self, name: str, type: str, fiber: str, recorded: Json, now: Json) -> DivergenceError:
        return self._divergence(shown(recorded), shown(now), f"The {name} of {type} is another now.", fiber)

    def _divergence(self, recorded: str, now: str, what: str, fiber: str, state: str | None = None) -> DivergenceError:
        state = state or self.state_of(fiber)
        where = f"In state '{state}': " if state else ""
        return DivergenceError(where + what, state=state, recorded=recorded, now=now)


def _plain(value: Any) -> Json:
    if isinstance(value, Payload):
        return value.text
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value


def told(type: str, details: Mapping[str, Any]) -> str:
    """An event as a side of a DivergenceError."""
    name = details.get("name")
    return f"{type} of {name}" if name else type


def shown(value: Any) -> str:
    """A value as a side of a DivergenceError."""
    value = _plain(value)
    return "nothing" if value is None else value if isinstance(value, str) else dumps(value)
