"""A history as it is read back: its start, and its lines, which are parsed when somebody looks at them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import msgspec
from msgspec import Struct

from sfnrun.errors import HistoryError
from sfnrun.payload import Json, loads

__all__ = ["ENDS", "FORMAT", "PAYLOADS", "Line", "ReadLines", "Recording", "missing", "read", "recorded", "whole_lines"]

FORMAT = 1

ENDS = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"})

# Members that hold payloads, which may be the number of a value line instead.
PAYLOADS = ("input", "output", "parameters")

Line = Mapping[str, Json]

_VALUE = b'{"value":'


class Recording(Struct, frozen=True):
    """A history as read back: the start line, and the other lines with payloads resolved to their texts.

    `complete` is False for one without an end: the process that wrote it was killed, or is still running.
    """

    path: Path
    start: Mapping[str, Json]
    lines: Sequence[Line]

    @property
    def complete(self) -> bool:
        lines = self.lines
        last = lines.last if isinstance(lines, ReadLines) else lines[-1] if lines else None
        return last is not None and last.get("event") in ENDS

    def of_kind(self, kind: str) -> Iterator[Line]:
        """The lines that are events, notes or answers."""
        if isinstance(self.lines, ReadLines):
            return self.lines.of_kind(kind)
        return (line for line in self.lines if kind in line)


class ReadLines(Sequence[Line]):
    """The lines of a file but its first: parsed, and `texts` as they stand there, which has the value lines too.

    Raises HistoryError where one is damaged, as soon as it is parsed.
    """

    def __init__(self, path: Path, texts: list[bytes], *, plain: bool) -> None:
        self.path = path
        self.texts = texts
        # Whether all lines are as we write them: what they are is told by their third character.
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
        """The last line, for which no other needs to be parsed."""
        if self._lines is not None:
            return self._lines[-1] if self._lines else None
        text = next((text for text in reversed(self.texts) if not text.startswith(_VALUE)), None)
        return None if text is None else self.parsed(text)

    @property
    def values(self) -> Mapping[int, str]:
        """The large texts by number."""
        if self._values is None:
            self._values = dict(self._value(text) for text in self.texts if text.startswith(_VALUE))
        return self._values

    def of_kind(self, kind: str) -> Iterator[Line]:
        """The lines that are events, notes or answers; only those are parsed if they can be told by their beginning."""
        if self._lines is None and self.plain:
            initial = ord(kind[0])
            return (self.parsed(text) for text in self.texts if text[2] == initial)
        return (line for line in self._all() if kind in line)

    def parsed(self, text: bytes) -> Line:
        """The line that a text is, with its payloads resolved."""
        try:
            line = loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            line = _parsed(self.path, self.texts.index(text) + 2, text)  # which says what is wrong with it
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
            raise HistoryError(
                f"The history {self.path} is damaged: line {number} refers to no value {error}."
            ) from None
        return line


# Where a line after the first is not as we write it.
_NOT_PLAIN = re.compile(rb'\n(?!\{"(?:event|answer|note|value)":|\Z)')
_JSON = b'"json":'


def read(path: Path, *, lazily: bool = False) -> Recording:
    """Read a history back. Raises HistoryError for one that is missing, foreign, damaged or too new.

    `lazily`: damage is found where somebody looks.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise HistoryError(f"The history {path} cannot be read: {error.strerror or error}.") from None
    recording = recorded(path, whole_lines(data) or data)
    if not lazily:
        len(recording.lines)
    return recording


def whole_lines(data: bytes) -> bytes:
    """All but what a crash left of the last line."""
    return data[: data.rfind(b"\n") + 1]


def recorded(path: Path, data: bytes) -> Recording:
    """The recording that whole lines hold."""
    if b"\r" in data:  # as git checks a history out on Windows
        data = data.replace(b"\r\n", b"\n")
    texts = data.split(b"\n")
    last = texts.pop()
    if not texts:
        raise _foreign(path, last)
    start = _parsed(path, 1, texts[0])
    _check_start(path, start, texts[0])
    return Recording(path, start, ReadLines(path, texts[1:], plain=_NOT_PLAIN.search(data) is None))


def missing(path: Path) -> HistoryError:
    """There is no such file."""
    return HistoryError(f"There is no history {path}.", "See `sfnrun trace list`.")


def _check_start(path: Path, start: Mapping[str, Json], text: bytes) -> None:
    version = start.get("sfnrun")
    if not isinstance(version, int):
        raise _foreign(path, text)
    if version > FORMAT:
        raise HistoryError(
            f"The history {path} has format {version}; this sfnrun reads up to {FORMAT}.", "Upgrade sfnrun."
        )


def _foreign(path: Path, text: bytes) -> HistoryError:
    what = "is empty" if not text.strip() else "is not a history of sfnrun"
    return HistoryError(f"The file {path} {what}.", 'A history begins with a line {"sfnrun": 1, …}.')


def _parsed(path: Path, number: int, text: bytes) -> dict[str, Json]:
    try:
        line = loads(text)
    except ValueError as error:
        if number == 1:
            raise _foreign(path, text) from None
        raise HistoryError(f"The history {path} is damaged: line {number} is not JSON ({error}).") from None
    if not isinstance(line, dict):
        raise HistoryError(f"The history {path} is damaged: line {number} is not an object.")
    return line


def _all_parsed(path: Path, texts: list[bytes]) -> list[dict[str, Json]]:
    """The lines' objects: parsed all at once, which is much faster, or one by one if that fails."""
    short = [b'{"value":0}' if text.startswith(_VALUE) else text for text in texts]
    try:
        lines: list[Any] = msgspec.json.decode(b"[%b]" % b",".join(short))
    except (ValueError, RecursionError):  # something is damaged, or what this parser refuses: lone surrogates, depth
        lines = []
    if len(lines) == len(texts) and all(line.__class__ is dict for line in lines):
        return lines
    return [_parsed(path, number, text) for number, text in enumerate(texts, 2)]
