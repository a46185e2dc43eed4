"""How what happens is written: one line of JSON for each event, note and answer, and one for each large text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from sfnrun.payload import BEYOND, Payload, room_to_nest
from sfnrun.record import Event, Note

__all__ = ["INLINE", "Answered", "Lines"]

# Texts up to this length stand in their line; longer ones get a line of their own and are written once.
INLINE = 256

# An answer: its time, its key, and what it says.
Answered = tuple[int, str, NamedTuple]


class Lines:
    """Writes what happens; times are milliseconds since `start_time`.

    `known` are the large texts, by number, that stand in the file already.
    """

    def __init__(self, start_time: int, known: Mapping[int, str] | None = None) -> None:
        self._start_time = start_time
        self._known = {text: number for number, text in (known or {}).items()}
        self._values = max(known or (), default=0)
        self._new_values: list[bytes] = []
        self._encode = msgspec.json.Encoder(enc_hook=self._payload).encode

    def written(self, happened: Iterable[Event | Note | Answered]) -> list[bytes]:
        """The lines of what happened, without line ends; those of large texts before the first that refers to them."""
        lines: list[bytes] = []
        start, encode, new_values = self._start_time, self._encode, self._new_values
        for what in happened:
            if what.__class__ is Event:  # a history is mostly these, so no call is wasted on them
                line: dict[str, Any] = {"event": what.type, "at": what.at - start, "previous": what.previous}
                if what.fiber:
                    line["fiber"] = what.fiber
                line.update(what.details)
            else:
                line = self._note(what) if isinstance(what, Note) else self._answer(what)
            try:
                text = encode(line)
            except BEYOND:
                text = self.one(line)
            if new_values:
                lines += new_values
                new_values.clear()
            lines.append(text)
        return lines

    def one(self, line: Mapping[str, Any]) -> bytes:
        """Any line that has no large text."""
        with room_to_nest():
            return json.dumps(line, separators=(",", ":"), default=self._payload).encode()

    def _note(self, note: Note) -> dict[str, Any]:
        at = note.at - self._start_time
        return {"note": note.kind, "at": at, "fiber": note.fiber, "state": note.state, "details": note.details}

    def _answer(self, answered: Answered) -> dict[str, Any]:
        at, key, what = answered
        members = {name: value for name, value in zip(what._fields, what, strict=True) if value is not None}
        return {"answer": what.__class__.__name__, "at": at - self._start_time, "key": key, **members}

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
            self._new_values.append(_value_line(number, text))
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
