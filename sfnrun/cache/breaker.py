"""After a failure a node is left alone for a while, so that a slow one costs its timeout once and not on every call."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from sfnrun.cache.backend import Unavailable

__all__ = ["Breaker"]

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class Breaker:
    """What calls stand in: `with breaker: …` runs the block, and its failures, or an open breaker, are Unavailable.

    Closed: calls go through. A failure opens it for 1 s, doubling up to 30 s; then one call may try again.

    `failures` are the exceptions that count as the node's; they become Unavailable, with `name` before the message.
    `clock` gives seconds of real time, whatever clock the execution has.
    """

    def __init__(
        self, name: str, failures: tuple[type[Exception], ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._failures = failures
        self._clock = clock
        self._pause = _FIRST_PAUSE
        self._open_until = 0.0
        self._why = ""

    def __enter__(self) -> None:
        if self._open_until and self._clock() < self._open_until:
            raise Unavailable(self._why)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and isinstance(error, self._failures):
            self._trip(error)
            raise Unavailable(self._why) from error
        if self._open_until:
            self._open_until, self._pause = 0.0, _FIRST_PAUSE

    def _trip(self, error: BaseException) -> None:
        self._why = f"{self.name}: {str(error) or type(error).__name__}"
        self._open_until = self._clock() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
