"""Limit an evaluation by steps and bytes, which are the same on every machine and in every replay.

AWS limits a JSONata expression to about 7 MB and some seconds; its limits for JSONPath are not known. A clock would let
a busy machine fail where an idle one succeeds, so steps are counted instead.
"""

from __future__ import annotations

from contextvars import ContextVar

import msgspec

from sfnrun.errors import StatesError
from sfnrun.payload import BEYOND, Json, dumps

__all__ = ["MAX_BYTES", "Exceeded", "Meter", "current_meter", "size_of"]

# One to two seconds; a visit of a value takes half a microsecond.
MAX_STEPS = 1_000_000
# The longest string in JSONata on AWS (floci#2737).
MAX_BYTES = 6_990_256
# The largest payload on AWS. Executions with limits=False may have larger ones, for which the limits are raised.
USUAL_DOCUMENT = 262_144

_encode = msgspec.json.Encoder().encode


class Exceeded(Exception):
    """An evaluation has exceeded a limit. `name` is the error name for the execution."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name

    def failure(self, subject: str) -> StatesError:
        """The error for the execution; `subject` names the expression."""
        return StatesError(self.name, f"{subject} could not be evaluated: {self}")


class Meter:
    """The steps and bytes that evaluations on `document` have left."""

    __slots__ = ("_document", "_sizes", "bytes", "steps")

    def __init__(self, document: Json = None, steps: int | None = None) -> None:
        self.steps = MAX_STEPS if steps is None else steps
        self.bytes = MAX_BYTES
        self._document = document
        self._sizes: dict[int, int] = {}

    def spend(self, steps: int) -> None:
        """Count steps, such as visits of values, before they happen."""
        self.steps -= steps
        if self.steps < 0:
            self._extend()
            if self.steps < 0:
                raise Exceeded("States.Runtime", "it takes too many steps")

    def spend_bytes(self, count: int) -> None:
        """Count bytes before they are allocated."""
        self.bytes -= count
        if self.bytes < 0:
            self._extend()
            if self.bytes < 0:
                raise Exceeded("States.DataLimitExceeded", f"its result is larger than {MAX_BYTES} bytes")

    def keep(self, value: Json) -> None:
        """Count a value that becomes part of the result. It must not be freed before the meter."""
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
        """Raise the limits, once, for a large document: enough to visit and to return all of it."""
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
