"""Who takes an error: the first Retrier that matches, as long as it has attempts left; then the first Catcher.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from sfnrun.asl.model import Catcher, Retrier
from sfnrun.errors import StatesError

__all__ = ["Retries", "find_catcher", "matches"]


def matches(error: StatesError, error_equals: Sequence[str]) -> bool:
    """Whether one of the names takes the error. Names are compared exactly, and States.Runtime is never taken."""
    if error.fatal or error.name == "States.Runtime":
        return False
    return any(_takes(name, error) for name in error_equals)


def _takes(name: str, error: StatesError) -> bool:
    if name in ("States.ALL", error.name, *error.aliases):
        return True
    return name == "States.TaskFailed" and error.name != "States.Timeout"


class Retries:
    """The counters of one visit's Retriers; each counts its own uses, whatever the others do."""

    def __init__(self, retriers: Sequence[Retrier]) -> None:
        self.retriers = retriers
        self.used = [0] * len(retriers)

    def take(self, error: StatesError) -> int | None:
        """Index of the Retrier that takes the error and has an attempt left for it, which it now has used.

        The first that matches decides: when it is exhausted no later one is asked.
        """
        for index, retrier in enumerate(self.retriers):
            if matches(error, retrier.error_equals):
                if self.used[index] >= retrier.max_attempts:
                    return None
                self.used[index] += 1
                return index
        return None

    def delay_ms(self, index: int, chance: Callable[[], random.Random]) -> int:
        """Milliseconds before the attempt just taken; full jitter draws from [0, delay] after the cap."""
        retrier = self.retriers[index]
        cap = retrier.max_delay_seconds
        try:
            seconds = retrier.interval_seconds * retrier.backoff_rate ** (self.used[index] - 1)
        except OverflowError:
            seconds = float("inf")
        seconds = min(seconds, LONGEST_DELAY_S if cap is None else cap)
        if retrier.full_jitter:
            seconds = chance().uniform(0, seconds)
        return round(seconds * 1000)


# Beyond any execution: the year that a STANDARD execution may last, and one day.
LONGEST_DELAY_S = 366 * 86_400


def find_catcher(error: StatesError, catchers: Sequence[Catcher]) -> int | None:
    """Index of the first Catcher that takes the error."""
    for index, catcher in enumerate(catchers):
        if matches(error, catcher.error_equals):
            return index
    return None
