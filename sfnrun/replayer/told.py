"""What an execution told, its events and notes in their order, and how far it has happened again."""

from __future__ import annotations

from collections.abc import Mapping

from sfnrun.history.recording import Line, ReadLines, Recording

__all__ = ["Told"]

_EVENT_OR_NOTE, _ANSWER = frozenset(b"en"), ord("a")


class Told:
    """A cursor over the event and note lines of a recording. `answers` counts the answer lines.

    Lines that are written again as they stand need not be parsed, which is why replaying costs no more than running.
    """

    def __init__(self, recording: Recording) -> None:
        lines = recording.lines
        self._read: ReadLines | None = None
        self._text = b""
        self._lines: list[Line] = []
        if isinstance(lines, ReadLines) and lines.plain:
            self._read = lines
            self._text = b"".join([text + b"\n" for text in lines.texts if text[2] in _EVENT_OR_NOTE])
            self.answers = sum(text[2] == _ANSWER for text in lines.texts)
        else:
            self._lines = [line for line in lines if "answer" not in line]
            self.answers = len(lines) - len(self._lines)
        self._at = 0
        self._next: Line | None = None

    @property
    def has_text(self) -> bool:
        """Whether lines can be compared as they are written."""
        return self._read is not None

    def take_written(self, lines: bytes, values: Mapping[int, str]) -> bool:
        """Take the next lines if they are these, as they are written, with these large texts."""
        if self._read is None or not self._text.startswith(lines, self._at):
            return False
        if values and any(self._read.values.get(number) != text for number, text in values.items()):
            return False
        self._at += len(lines)
        self._next = None
        return True

    @property
    def next(self) -> Line | None:
        """The next event or note, parsed; None at the end."""
        if self._next is None:
            if self._read is None:
                self._next = self._lines[self._at] if self._at < len(self._lines) else None
            elif self._at < len(self._text):
                self._next = self._read.parsed(self._text[self._at : self._text.index(b"\n", self._at)])
        return self._next

    def take(self) -> None:
        """Go on to the line after the next one."""
        self._at = self._at + 1 if self._read is None else self._text.index(b"\n", self._at) + 1
        self._next = None
