"""Journal that compares a replay with its recording, event by event; the first difference is a DivergenceError.

A recording can be cut off, by a crash or because it is still being written. Events beyond its end go to another
journal: the history itself when the execution is resumed, otherwise none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from sfnrun.effects import Answered
from sfnrun.errors import DivergenceError
from sfnrun.history.file import BATCH, LineWriter
from sfnrun.history.recording import Line, ReadLines, Recording, event_of, note_of
from sfnrun.history.timeline import Timeline
from sfnrun.record import Event, Journal, Listener, Note
from sfnrun.replayer.matching import describe_event, describe_value, divergence, match

__all__ = ["Comparison", "LineCursor"]

# Notes that the engine does not make, so a replay does not repeat them. They are reported where they were recorded.
_NOT_OF_THE_ENGINE = frozenset({"log", "resumed"})


class Comparison:
    """Compares what happens with what was recorded, and reports it to a listener.

    Times are not compared, they follow from the answers; nor is the order of keys in JSON. `beyond` is the journal for
    events after the end of the recording, and `seam` is noted before them; without `beyond` such an event is a
    difference if the recording is complete. `states` are the names of the definition's states: where another state is
    entered they tell a renamed state from another path.
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
        self._recorded = LineCursor(recording)
        self._answers = self._recorded.answers
        self._writer = LineWriter(recording.start_time) if self._recorded.has_text else None
        self._complete = recording.complete
        self._listener = listener
        self._kept = kept
        self._beyond = beyond
        self._seam = seam
        self._states = states
        self._recording = recording
        self._buffer: list[Event] = []
        self._batch = BATCH if listener is None else 1  # a listener receives no event that was not recorded
        # The number of events that were compared, and the time of the last one.
        self.happened = 0
        self.last_at = recording.start_time

    def event(self, event: Event) -> None:
        buffer = self._buffer
        buffer.append(event)
        if self._kept is not None:
            self._kept.append(event)
        if len(buffer) >= self._batch:
            self.compare()

    def compare(self) -> None:
        """Compare the buffered events; many at once are faster. Raises DivergenceError."""
        events, self._buffer = self._buffer, []
        if events:
            self.last_at = events[-1].at
        if self._writer is not None and self._recorded.take_text(*self._writer.encode(events)):
            self.happened += len(events)
        else:
            for event in events:
                self._compare_parsed(event)
                self.happened += 1
        if self._listener is not None:
            for event in events:
                self._listener.event(event)

    def _compare_parsed(self, event: Event) -> None:
        """Compare an event that is not recorded byte for byte as it would be written now."""
        recorded = self._next_event()
        if recorded is not None:
            self._compare(recorded, event)
        elif self._beyond is not None:
            self._cross(self._beyond)
            self._beyond.event(event)
        elif self._complete:
            now = describe_event(event.type, event.details)
            raise self._divergence("the recording has no more events", "the end", now, event.fiber)

    def note(self, note: Note) -> None:
        self.compare()
        line = self._next_line()
        if line is None:
            if self._beyond is not None:
                self._beyond.note(note)
        elif line.get("note") == note.kind:
            if note.kind == "retry" and line["details"].get("delay_ms") != note.details["delay_ms"]:
                recorded, now = (f"retry in {one['delay_ms']:,} ms" for one in (line["details"], note.details))
                raise self._divergence("retry delay differs", recorded, now, note.fiber)
            self._recorded.take()
        if self._listener is not None:
            self._listener.note(note)

    def answer(self, answered: Answered) -> None:
        if self._answers:  # it comes from the recording, so it needs no comparison
            self._answers -= 1
            return
        self.end()
        if self._beyond is not None:
            self._cross(self._beyond)
            self._beyond.answer(answered)

    def _cross(self, beyond: Journal) -> None:
        """Go beyond the end of the recording; the first time this is noted."""
        seam, self._seam = self._seam, None
        if seam is not None:
            beyond.note(seam)
            if self._listener is not None:
                self._listener.note(seam)

    def flush(self) -> None:
        """Flush what is beyond the recording."""
        if self._beyond is not None and not self._answers:
            self.compare()
            self._beyond.flush()

    def end(self) -> None:
        """The replay is over. Raises DivergenceError if the recording has more events."""
        self.compare()
        recorded = self._next_event()
        if recorded is not None:
            text = describe_event(recorded.type, recorded.details)
            raise self._divergence("the recording has more events", text, "the end", recorded.fiber)

    def state_of(self, fiber: str) -> str | None:
        """Return the state that a fiber is in or was in last, or that is around it. Each call folds the recording."""
        self.compare()
        timeline = Timeline()
        for event in islice(self._recording.events(), self.happened):
            timeline.event(event)
        visit = timeline.visit_in(fiber)
        return None if visit is None else visit.name

    def _next_line(self) -> Line | None:
        """Return the next line that comes from the engine; reports the notes before it that do not."""
        while (line := self._recorded.next) is not None and line.get("note") in _NOT_OF_THE_ENGINE:
            self._recorded.take()
            if self._listener is not None:
                self._listener.note(note_of(line, self._recording.start_time))
        return line

    def _next_event(self) -> Event | None:
        """Take the next recorded event; skip notes before it that the replay did not repeat."""
        while (line := self._next_line()) is not None:
            self._recorded.take()
            if "event" in line:
                return event_of(line, self.happened + 1, self._recording.start_time)
        return None

    def _compare(self, recorded: Event, event: Event) -> None:
        if _identity(recorded) != _identity(event):
            was, is_now = (describe_event(one.type, one.details) for one in (recorded, event))
            raise self._divergence("different event", was, is_now, event.fiber, self._blamed(recorded, event))
        for name in [*event.details, *(name for name in recorded.details if name not in event.details)]:
            now, before = event.details.get(name), recorded.details.get(name)
            if now != before and (name == "cause" or match(name, now, before) is None):
                what = f"{name} of {event.type} differs"
                raise self._divergence(what, describe_value(before), describe_value(now), event.fiber)

    def _blamed(self, recorded: Event, event: Event) -> str | None:
        """Return the state to blame for a different event: of another type or name, or the Map whose items differ.

        None is the state that the fiber is in, or that led to the next one.
        """
        name, before = event.details.get("name"), recorded.details.get("name")
        renamed = self._states is not None and before is not None and before not in self._states
        is_itself = "index" in event.details or (event.type.endswith("StateEntered") and (renamed or name == before))
        return name if is_itself else None

    def _divergence(self, what: str, recorded: str, now: str, fiber: str, state: str | None = None) -> DivergenceError:
        return divergence(what, state or self.state_of(fiber), recorded, now)


def _identity(event: Event) -> tuple[str, str, Any]:
    return event.type, event.fiber, event.details.get("name")


class LineCursor:
    """Cursor over the event and note lines of a recording. `answers` counts its answer lines.

    Lines that would be written again byte for byte are not parsed. That is why a replay takes no longer than the run.
    """

    def __init__(self, recording: Recording) -> None:
        lines = recording.lines
        self._read: ReadLines | None = None
        self._text = b""
        self._lines: list[Line] = []
        if isinstance(lines, ReadLines) and lines.plain:
            self._read = lines
            self._text = b"".join([text + b"\n" for text in lines.texts if text[2] in b"en"])  # events and notes
            self.answers = sum(text[2] == ord("a") for text in lines.texts)
        else:
            self._lines = [line for line in lines if "answer" not in line]
            self.answers = len(lines) - len(self._lines)
        self._at = 0
        self._next: Line | None = None

    @property
    def has_text(self) -> bool:
        """Whether lines can be compared as bytes."""
        return self._read is not None

    def take_text(self, lines: bytes, values: Mapping[int, str]) -> bool:
        """Take the next lines if they are these bytes, with these texts of value lines; return whether they were."""
        if self._read is None or not self._text.startswith(lines, self._at):
            return False
        if values and any(self._read.values.get(number) != text for number, text in values.items()):
            return False
        self._at += len(lines)
        self._next = None
        return True

    @property
    def next(self) -> Line | None:
        """The next event or note line, parsed; None at the end."""
        if self._next is None:
            if self._read is None:
                self._next = self._lines[self._at] if self._at < len(self._lines) else None
            elif self._at < len(self._text):
                self._next = self._read.parsed(self._text[self._at : self._text.index(b"\n", self._at)])
        return self._next

    def take(self) -> None:
        """Move past the next line."""
        self._at = self._at + 1 if self._read is None else self._text.index(b"\n", self._at) + 1
        self._next = None
