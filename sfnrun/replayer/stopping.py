"""Ends an execution at once, with nothing begun: for one whose process has died."""

from __future__ import annotations

from collections.abc import Callable

from sfnrun.effects import Answered, Call, Pause, Sleep, Stopped

__all__ = ["StoppingDriver"]


class StoppingDriver:
    """Answers that somebody stopped the execution, whatever it waits for."""

    def __init__(self, stopped: Stopped, at: int) -> None:
        self._answered = Answered(at, "", stopped)

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        """Nothing is begun any more."""

    def take_over(self, key: str, effect: Sleep | Call | Pause, at: int, started: bool) -> None:
        """What was begun is left alone."""

    def cancel(self, key: str) -> None:
        """Nothing was begun."""

    def close(self) -> None:
        """Nothing to let go of."""

    def next(self, flush: Callable[[], None]) -> Answered:
        return self._answered
