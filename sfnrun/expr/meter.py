"""What one evaluation may spend, counted in steps and bytes: the same on every machine and in every replay.

AWS ends a JSONata expression after some seconds, or at some 7 MB. No such limit is known of its JSONPath, but nothing
there runs for minutes. A clock would let a busy machine fail what an idle one evaluates, so work is counted instead.
"""

from __future__ import annotations

from contextvars import ContextVar

import msgspec

from sfnrun.errors import StatesError
from sfnrun.payload import BEYOND, Json, dumps

__all__ = ["MAX_BYTES", "Exceeded", "Meter", "current_meter", "size_of"]

# One to two seconds of visits in a document, which are half a microsecond each.
MAX_STEPS = 1_000_000
# The longest string that AWS's JSONata makes (measured there).
MAX_BYTES = 6_990_256
# The largest payload of AWS. An execution without limits may have larger ones, and then more is allowed.
USUAL_DOCUMENT = 262_144

_encode = msgspec.json.Encoder().encode


class Exceeded(Exception):
    """An evaluation has spent what it may. `name` is the error that it fails with, the message says what was spent."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name

    def failure(self, subject: str) -> StatesError:
        """The error of the expression that `subject` names."""
        return StatesError(self.name, f"{subject} could not be evaluated: {self}")


class Meter:
    """Counts down the steps and the bytes that evaluations on `document` have left."""

    __slots__ = ("_document", "_sizes", "bytes", "steps")

    def __init__(self, document: Json = None, steps: int | None = None) -> None:
        self.steps = MAX_STEPS if steps is None else steps
        self.bytes = MAX_BYTES
        self._document = document
        self._sizes: dict[int, int] = {}

    def spend(self, steps: int) -> None:
        """Count steps, such as values to look at, before they are made."""
        self.steps -= steps
        if self.steps < 0:
            self._extend()
            if self.steps < 0:
                raise Exceeded("States.Runtime", "it takes too many steps")

    def spend_bytes(self, count: int) -> None:
        """Count bytes that a result, or what is needed to find it, is about to take."""
        self.bytes -= count
        if self.bytes < 0:
            self._extend()
            if self.bytes < 0:
                raise Exceeded("States.DataLimitExceeded", f"its result is larger than {MAX_BYTES} bytes")

    def keep(self, value: Json) -> None:
        """Count a value that becomes part of the result; it must live as long as the meter does."""
        kind = value.__class__
        if kind is dict or kind is list:
            size = self._sizes.get(id(value))
            if size is None:
                size = self._sizes[id(value)] = size_of(value)
        else:
            size = len(value) if kind is str else 4
        if size < self.bytes:
            self.bytes -= size + 1
        else:
            self.spend_bytes(size + 1)

    def _extend(self) -> None:
        """Allow more, once, for a document that is larger than those of AWS: enough to read and to give all of it."""
        size, self._document = size_of(self._document), None
        if size > USUAL_DOCUMENT:
            self.steps += size // 4
            self.bytes += 2 * size


current_meter: ContextVar[Meter | None] = ContextVar("sfnrun.meter", default=None)
"""The meter that the expressions of one payload template share."""


def size_of(value: Json) -> int:
    """The number of bytes of the value's JSON text."""
    try:
        return len(_encode(value))
    except BEYOND:
        return len(dumps(value))
