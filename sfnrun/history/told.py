"""What an execution told, its events and notes in their order, and how far it has happened again."""

from __future__ import annotations

from sfnrun.history.recording import Line, ReadLines, Recording

__all__ = ["Told"]


class Told:
    """A cursor over the event and note lines of a recording. `answers` counts the other lines.

    A line that is written again as it stands needs not be parsed, which is why replaying costs no more than running.
    """

    def __init__(self, recording: Recording) -> None:
        lines = recording.lines
        self._read: ReadLines | None = None
        self._texts: list[bytes] = []
        self._lines: list[Line] = []
        if isinstance(lines, ReadLines) and lines.plain:
            self._read = lines
            self._texts = [text for text in lines.texts if text[2] != ord("a")]  # no answer
            self.answers = len(lines.texts) - len(self._texts)
        else:
            self._lines = [line for line in lines if "answer" not in line]
            self.answers = len(lines) - len(self._lines)
        self._at = 0
        self._next: Line | None = None

    @property
    def has_texts(self) -> bool:
        """Whether lines can be compared as they are written."""
        return self._read is not None

    def take_written(self, lines: list[bytes]) -> bool:
        """Take the next lines if they are these, as they are written."""
        at = self._at
        if self._texts[at : at + len(lines)] != lines:
            return False
        self._at = at + len(lines)
        self._next = None
        return True

    @property
    def next(self) -> Line | None:
        """The next event or note, parsed; None at the end."""
        if self._next is None:
            if self._read is None:
                self._next = self._lines[self._at] if self._at < len(self._lines) else None
            else:
                self._next = self._parse_next(self._read)
        return self._next

    def take(self) -> None:
        """Go on to the line after the next one."""
        self._at += 1
        self._next = None

    def _parse_next(self, read: ReadLines) -> Line | None:
        while self._at < len(self._texts) and self._texts[self._at].startswith(b'{"value":'):
            self._at += 1
        return read.parsed(self._texts[self._at]) if self._at < len(self._texts) else None
