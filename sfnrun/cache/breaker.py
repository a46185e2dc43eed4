"""After a failure a node is left alone for a while, so that a slow one costs its timeout once and not on every call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sfnrun.cache.backend import Unavailable

__all__ = ["Breaker"]

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class Breaker:
    """Closed: calls go through. A failure opens it for 1 s, doubling up to 30 s; then one call may try again.

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

    @property
    def is_open(self) -> bool:
        return self._open_until > 0 and self._clock() < self._open_until

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run the block; its failures, and an open breaker, raise Unavailable."""
        if self.is_open:
            raise Unavailable(self._why)
        try:
            yield
        except self._failures as error:
            self._trip(error)
            raise Unavailable(self._why) from error
        if self._open_until:
            self._open_until, self._pause = 0.0, _FIRST_PAUSE

    def _trip(self, error: Exception) -> None:
        self._why = f"{self.name}: {str(error) or type(error).__name__}"
        self._open_until = self._clock() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
