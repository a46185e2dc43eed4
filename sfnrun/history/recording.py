"""A history as read back: its start line, and its other lines, which are parsed on first use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import msgspec
from msgspec import Struct

from sfnrun import effects
from sfnrun.effects import Answer, Answered
from sfnrun.errors import HistoryError
from sfnrun.payload import Json, Payload, loads
from sfnrun.record import PAYLOADS, STATUS_OF, Event, Listener, Note

__all__ = [
    "ENVELOPE",
    "FORMAT",
    "Line",
    "ReadLines",
    "Recording",
    "answered_of",
    "decode",
    "event_of",
    "missing",
    "note_of",
    "read",
    "whole_lines",
]

FORMAT = 1

# Members of an event line that are not details of the event.
ENVELOPE = frozenset({"event", "at", "previous", "fiber", "aws"})

Line = Mapping[str, Json]

_VALUE = b'{"value":'


class Recording(Struct, frozen=True):
    """A history as read back: the start line, and the other lines with payloads resolved to their texts.

    `complete` is False if the execution has not ended: its process was killed, or is still running.
    """

    path: Path
    start: Mapping[str, Json]
    lines: Sequence[Line]

    @property
    def complete(self) -> bool:
        lines = self.lines
        last = lines.last if isinstance(lines, ReadLines) else lines[-1] if lines else None
        return last is not None and last.get("event") in STATUS_OF

    @property
    def start_time(self) -> int:
        """Milliseconds since the Unix epoch; the times of lines are relative to it."""
        start_time: int = self.start["start_time"]
        return start_time

    def of_kind(self, kind: str) -> Iterator[Line]:
        """Return the lines that are events, notes or answers."""
        if isinstance(self.lines, ReadLines):
            return self.lines.of_kind(kind)
        return (line for line in self.lines if kind in line)

    def events(self) -> Iterator[Event]:
        """Return the events, numbered as AWS does."""
        start_time = self.start_time
        return (event_of(line, id, start_time) for id, line in enumerate(self.of_kind("event"), 1))

    def replay_to(self, listener: Listener) -> None:
        """Report every event and note to a listener, in order. Nothing is executed or compared."""
        start_time = self.start_time
        id = 0
        for line in self.lines:
            if "event" in line:
                id += 1
                listener.event(event_of(line, id, start_time))
            elif "answer" not in line:  # an answer may have a member "note" of its own
                listener.note(note_of(line, start_time))


def event_of(line: Line, id: int, start_time: int) -> Event:
    """Return the event of an event line; `id` is its number among the events, from 1."""
    details = {name: _detail(name, value) for name, value in line.items() if name not in ENVELOPE}
    at = line["at"] + start_time
    return Event(id, line["previous"], at, line["event"], line.get("fiber", ""), details, line.get("aws"))


def _detail(name: str, value: Json) -> Json | Payload:
    if name in PAYLOADS:
        return Payload.parse(value)
    if name == "assignedVariables":
        return {variable: Payload.parse(text) for variable, text in value.items()}
    return value


def note_of(line: Line, start_time: int) -> Note:
    """Return the note of a note line."""
    return Note(line["note"], line["at"] + start_time, line["fiber"], line["state"], line["details"])


_ANSWERS: dict[str, type[Answer]] = {
    kind.__name__: kind
    for kind in (
        effects.Failed,
        effects.Redriven,
        effects.Resumed,
        effects.Slept,
        effects.Started,
        effects.Stopped,
        effects.Submitted,
        effects.Succeeded,
        effects.TimedOut,
    )
}


def answered_of(line: Line, start_time: int) -> Answered:
    """Return the answer of an answer line."""
    kind = _ANSWERS.get(line["answer"])
    if kind is None:
        raise HistoryError(f"unknown kind of answer in the history: {line['answer']!r}", "upgrade sfnrun")
    members = {name: line[name] for name in kind._fields if name in line}
    for name in ("output", "input"):
        if isinstance(members.get(name), str):
            members[name] = Payload.parse(members[name])
    return Answered(start_time + line["at"], line["key"], kind(**members))


class ReadLines(Sequence[Line]):
    """The lines of a file after the start line, parsed on first use; `texts` are their bytes, value lines included.

    Raises HistoryError for a damaged line when it is parsed.
    """

    def __init__(self, path: Path, texts: list[bytes], *, plain: bool) -> None:
        self.path = path
        self.texts = texts
        # Whether all lines are as sfnrun writes them: then the third character tells events, notes and answers apart.
        self.plain = plain
        self._lines: tuple[Line, ...] | None = None
        self._values: dict[int, str] | None = None

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Line, ...]: ...
    def __getitem__(self, index: int | slice) -> Line | tuple[Line, ...]:
        return self._all()[index]

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[Line]:
        return iter(self._all())

    @property
    def last(self) -> Line | None:
        """The last line; no other line is parsed for it."""
        if self._lines is not None:
            return self._lines[-1] if self._lines else None
        text = next((text for text in reversed(self.texts) if not text.startswith(_VALUE)), None)
        return None if text is None else self.parsed(text)

    @property
    def values(self) -> Mapping[int, str]:
        """The texts of the value lines, by number."""
        if self._values is None:
            self._values = dict(self._value(text) for text in self.texts if text.startswith(_VALUE))
        return self._values

    def of_kind(self, kind: str) -> Iterator[Line]:
        """Return the lines that are events, notes or answers. In a plain file only those are parsed."""
        if self._lines is None and self.plain:
            initial = ord(kind[0])
            return (self.parsed(text) for text in self.texts if text[2] == initial)
        return (line for line in self._all() if kind in line)

    def parsed(self, text: bytes) -> Line:
        """Parse one line and resolve its payloads."""
        try:
            line = loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            line = _parsed(self.path, self.texts.index(text) + 2, text)  # reports what is wrong with it
        return self._resolve(line, text)

    def _all(self) -> tuple[Line, ...]:
        if self._lines is None:
            found = zip(_all_parsed(self.path, self.texts), self.texts, strict=True)
            self._lines = tuple(self._resolve(line, text) for line, text in found if "value" not in line)
        return self._lines

    def _value(self, text: bytes) -> tuple[int, str]:
        number, _, rest = text[len(_VALUE) :].partition(b",")
        if rest.startswith(_JSON) and number.isdigit():
            return int(number), rest[len(_JSON) : -1].decode("utf-8", "surrogatepass")
        line = self.parsed(text)
        return line["value"], line["text"]

    def _resolve(self, line: dict[str, Json], text: bytes) -> Line:
        try:
            for name in PAYLOADS:
                if line.get(name).__class__ is int:
                    line[name] = self.values[line[name]]
            assigned = line.get("assignedVariables")
            if assigned:
                line["assignedVariables"] = {
                    name: self.values[value] if isinstance(value, int) else value for name, value in assigned.items()
                }
        except KeyError as error:
            number = self.texts.index(text) + 2
            raise _damaged(self.path, number, f"value {error} not found") from None
        return line


# A line after the start line that does not begin as sfnrun writes it.
_NOT_PLAIN = re.compile(rb'\n(?!\{"(?:event|answer|note|value)":|\Z)')
_JSON = b'"json":'


def read(path: Path, *, lazily: bool = False) -> Recording:
    """Read a history back. Raises HistoryError for one that is missing, foreign, damaged or too new.

    With `lazily` a damaged line raises when it is first used.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise HistoryError(f"cannot read history {path}: {error.strerror or error}") from None
    recording = decode(path, whole_lines(data) or data)
    if not lazily:
        len(recording.lines)
    return recording


def whole_lines(data: bytes) -> bytes:
    """Return the data without a torn last line, which a crash leaves."""
    return data[: data.rfind(b"\n") + 1]


def decode(path: Path, data: bytes) -> Recording:
    """Return the recording in the whole lines of a file."""
    if b"\r" in data:  # git on Windows checks files out with CRLF
        data = data.replace(b"\r\n", b"\n")
    texts = data.split(b"\n")
    last = texts.pop()
    if not texts:
        raise _foreign(path, last)
    start = _parsed(path, 1, texts[0])
    _check_start(path, start, texts[0])
    return Recording(path, start, ReadLines(path, texts[1:], plain=_NOT_PLAIN.search(data) is None))


def missing(path: Path) -> HistoryError:
    """Return the error for a history that does not exist."""
    return HistoryError(f"history not found: {path}", "run `sfnrun trace list` to list executions")


def _check_start(path: Path, start: Mapping[str, Json], text: bytes) -> None:
    version = start.get("sfnrun")
    if not isinstance(version, int):
        raise _foreign(path, text)
    if version > FORMAT:
        raise HistoryError(
            f"history {path} has format {version}, but this version of sfnrun reads formats up to {FORMAT}",
            "upgrade sfnrun",
        )


def _foreign(path: Path, text: bytes) -> HistoryError:
    what = "is empty" if not text.strip() else "is not an sfnrun history"
    return HistoryError(f"file {path} {what}", 'the first line of a history is {"sfnrun": 1, …}')


def _damaged(path: Path, number: int, what: str) -> HistoryError:
    return HistoryError(f"history {path} is damaged: line {number}: {what}")


def _parsed(path: Path, number: int, text: bytes) -> dict[str, Json]:
    try:
        line = loads(text)
    except ValueError as error:
        if number == 1:
            raise _foreign(path, text) from None
        raise _damaged(path, number, f"not JSON ({error})") from None
    if not isinstance(line, dict):
        raise _damaged(path, number, "not an object")
    return line


def _all_parsed(path: Path, texts: list[bytes]) -> list[dict[str, Json]]:
    """Return the objects of the lines. Parsing all at once is much faster; on a failure they are parsed one by one."""
    short = [b'{"value":0}' if text.startswith(_VALUE) else text for text in texts]
    try:
        lines: list[Any] = msgspec.json.decode(b"[%b]" % b",".join(short))
    except (ValueError, RecursionError):  # damaged, or refused by this parser: lone surrogates, depth
        lines = []
    if len(lines) == len(texts) and all(line.__class__ is dict for line in lines):
        return lines
    return [_parsed(path, number, text) for number, text in enumerate(texts, 2)]
