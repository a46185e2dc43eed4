"""How what happens is written: one line of JSON for each event, note and answer, and one for each large text."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from sfnrun.payload import Payload, dumps

__all__ = ["INLINE", "Lines"]

# Texts up to this length stand in their line; longer ones get a line of their own and are written once.
INLINE = 256


class Lines:
    """Adds to `lines`, which others take away; times are milliseconds since `start_time`.

    `written` are the large texts, by number, that stand in the file already.
    """

    def __init__(self, start_time: int, written: Mapping[int, str] | None = None) -> None:
        self.lines: list[str] = []
        self._start_time = start_time
        self._known = {text: number for number, text in (written or {}).items()}
        self._values = max(written or (), default=0)

    def event(self, previous: int, at: int, type: str, fiber: str, details: Mapping[str, Any]) -> None:
        """Add an event."""
        # One string that grows: half the time of a list that is joined, and this is the busiest line of all.
        line = f'{{"event":"{type}","at":{at - self._start_time},"previous":{previous}'
        if fiber:
            line += f',"fiber":"{fiber}"'
        for name, value in details.items():
            kind = value.__class__
            if kind is Payload:
                line += f',"{name}":{self._payload(value)}'
            elif kind is str:
                line += f',"{name}":{encode_basestring(value)}'
            elif kind is int:
                line += f',"{name}":{value}'
            else:
                line += f',"{name}":{self._member(value)}'
        self.lines.append(line + "}")

    def note(self, kind: str, at: int, fiber: str, state: str, details: Mapping[str, Any]) -> None:
        """Add a note."""
        line = {"note": kind, "at": at - self._start_time, "fiber": fiber, "state": state, "details": details}
        self.lines.append(dumps(line))

    def answer(self, answered: tuple[int, str, NamedTuple]) -> None:
        """Add an answer: its time, its key, and what it says."""
        at, key, what = answered
        line = f'{{"answer":"{what.__class__.__name__}","at":{at - self._start_time},"key":"{key}"'
        for name, value in zip(what._fields, what, strict=True):
            if value is not None:
                line += f',"{name}":{self._payload(value) if isinstance(value, Payload) else dumps(value)}'
        self.lines.append(line + "}")

    def _member(self, value: Any) -> str:
        if isinstance(value, dict) and any(isinstance(one, Payload) for one in value.values()):
            return "{" + ",".join(f"{encode_basestring(k)}:{self._payload(v)}" for k, v in value.items()) + "}"
        return dumps(value)

    def _payload(self, payload: Payload) -> str:
        mark = payload.mark
        if mark is not None and mark[0] is self:
            return str(mark[1])
        text = payload.text
        if len(text) <= INLINE:
            return encode_basestring(text)
        if self._known and text in self._known:  # hashing a large text takes its time
            payload.mark = (self, self._known[text])
            return str(payload.mark[1])
        self._values += 1
        payload.mark = (self, self._values)
        # A text on one line can be read as it is, and found with grep; one with line breaks has to be quoted.
        member = f'"json":{text}' if "\n" not in text and "\r" not in text else f'"text":{encode_basestring(text)}'
        self.lines.append(f'{{"value":{self._values},{member}}}')
        return str(self._values)
