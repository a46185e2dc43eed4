"""How what happens is written: one line of JSON for each event, note and answer, and before it each large text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from sfnrun.payload import BEYOND, Payload, room_to_nest
from sfnrun.record import Event, Note

__all__ = ["INLINE", "Answered", "Lines", "value_line"]

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
        self._numbers = {text: number for number, text in (known or {}).items()}
        self._last = max(known or (), default=0)
        self._new: dict[int, str] = {}
        self._encode = msgspec.json.Encoder(enc_hook=self._payload).encode_lines

    def written(self, happened: Iterable[Event | Note | Answered]) -> tuple[bytes, dict[int, str]]:
        """The lines of what happened, and by number the large texts that they are the first to refer to."""
        lines: list[dict[str, Any]] = []
        start = self._start_time
        for what in happened:
            if isinstance(what, Event):  # a history is mostly these, so no call is wasted on them
                type, at, previous, fiber, details = what.type, what.at - start, what.previous, what.fiber, what.details
                if fiber:
                    lines.append({"event": type, "at": at, "previous": previous, "fiber": fiber, **details})
                else:
                    lines.append({"event": type, "at": at, "previous": previous, **details})
            else:
                lines.append(self._note(what) if isinstance(what, Note) else self._answer(what))
        try:
            text = self._encode(lines)
        except BEYOND:
            text = b"".join(self._encode_slowly(line) for line in lines)
        new, self._new = self._new, {}
        return text, new

    def _encode_slowly(self, line: Mapping[str, Any]) -> bytes:
        with room_to_nest():
            return json.dumps(line, separators=(",", ":"), default=self._payload).encode() + b"\n"

    def _note(self, note: Note) -> dict[str, Any]:
        at = note.at - self._start_time
        return {"note": note.kind, "at": at, "fiber": note.fiber, "state": note.state, "details": note.details}

    def _answer(self, answered: Answered) -> dict[str, Any]:
        at, key, what = answered
        members = {name: value for name, value in zip(what._fields, what, strict=True) if value is not None}
        return {"answer": what.__class__.__name__, "at": at - self._start_time, "key": key, **members}

    def _payload(self, payload: Payload) -> str | int:
        """What stands for a payload in a line; most are asked for several times."""
        mark = payload.mark
        if mark is None or mark[0] is not self:
            mark = payload.mark = (self, self._reference(payload.text))
        return mark[1]

    def _reference(self, text: str) -> str | int:
        if len(text) <= INLINE:
            return text
        number = self._numbers.get(text) if self._numbers else None  # hashing a large text takes its time
        if number is None:
            number = self._last = self._last + 1
            self._new[number] = text
        return number


def value_line(number: int, text: str) -> bytes:
    """The line of a large text. One without line breaks can be read as it is, and found with grep."""
    if "\n" not in text and "\r" not in text:
        try:
            return b'{"value":%d,"json":%b}\n' % (number, text.encode())
        except UnicodeEncodeError:  # lone surrogates, which JSON may have
            pass
    return json.dumps({"value": number, "text": text}, separators=(",", ":")).encode() + b"\n"
