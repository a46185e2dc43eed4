"""How what happens is written: one line of JSON for each event, note and answer, and one for each large text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from sfnrun.payload import BEYOND, Payload, room_to_nest
from sfnrun.record import Event, Note

__all__ = ["INLINE", "Lines"]

# Texts up to this length stand in their line; longer ones get a line of their own and are written once.
INLINE = 256


class Lines:
    """Adds to `lines`, which others take away; times are milliseconds since `start_time`.

    `written` are the large texts, by number, that stand in the file already.
    """

    def __init__(self, start_time: int, written: Mapping[int, str] | None = None) -> None:
        self.lines: list[bytes] = []
        self._start_time = start_time
        self._known = {text: number for number, text in (written or {}).items()}
        self._values = max(written or (), default=0)
        self._encode = msgspec.json.Encoder(enc_hook=self._payload).encode

    def event(self, event: Event) -> None:
        """Add an event; its `id` is its number among the events, so it is not written."""
        line = {"event": event.type, "at": event.at - self._start_time, "previous": event.previous}
        if event.fiber:
            line["fiber"] = event.fiber
        self.add({**line, **event.details})

    def note(self, note: Note) -> None:
        """Add a note."""
        at = note.at - self._start_time
        self.add({"note": note.kind, "at": at, "fiber": note.fiber, "state": note.state, "details": note.details})

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        """Add an answer: its time, its key, and what it says."""
        at, key, what = answered
        line = {"answer": what.__class__.__name__, "at": at - self._start_time, "key": key}
        for name, value in zip(what._fields, what, strict=True):
            if value is not None:
                line[name] = value
        self.add(line)

    def add(self, line: Mapping[str, Any]) -> None:
        """Add any line; a Payload anywhere in it becomes its text, or the number of the value line that has it."""
        try:
            self.lines.append(self._encode(line))
        except BEYOND:
            with room_to_nest():
                text = json.dumps(line, separators=(",", ":"), default=self._payload)
            self.lines.append(text.encode())

    def _payload(self, payload: Payload) -> str | int:
        mark = payload.mark
        if mark is not None and mark[0] is self:
            return mark[1]
        text = payload.text
        if len(text) <= INLINE:
            return text
        number = self._known.get(text) if self._known else None  # hashing a large text takes its time
        if number is None:
            number = self._values = self._values + 1
            self.lines.append(_value_line(number, text))
        payload.mark = (self, number)
        return number


def _value_line(number: int, text: str) -> bytes:
    """A text on one line can be read as it is, and found with grep; any other has to be quoted."""
    if "\n" not in text and "\r" not in text:
        try:
            return b'{"value":%d,"json":%b}' % (number, text.encode())
        except UnicodeEncodeError:  # lone surrogates, which JSON may have
            pass
    return json.dumps({"value": number, "text": text}, separators=(",", ":")).encode()
