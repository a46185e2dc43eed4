"""States that have been entered and not left, as far as the trace has to know of them."""

from __future__ import annotations

from sfnrun.payload import Payload
from sfnrun.record import Event

__all__ = ["ENTERED", "LeftOpen", "OpenState"]

_TYPES = ("Pass", "Task", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map")

# Type of an event -> type of the state that it says was entered.
ENTERED = {f"{name}StateEntered": name for name in _TYPES}


class OpenState:
    """A state that has been entered and not left: one for every running fiber."""

    __slots__ = (
        "at", "caught", "done", "error", "failed", "fiber", "id", "input", "name", "retries", "total", "type",
        "until",
    )  # fmt: skip

    def __init__(self, event: Event) -> None:
        self.name: str = event.details["name"]
        self.type = ENTERED[event.type]
        self.at = event.at
        self.fiber = event.fiber
        self.id = event.id
        self.input: Payload | None = event.details.get("input")
        self.retries = 0
        self.error: str | None = None
        self.caught = False
        self.until: int | None = None
        self.total: int | None = None
        self.done = 0
        self.failed = 0


class LeftOpen:
    """States that were open when something around them came to an end, by fiber: a redrive goes on with them.

    A state that is entered, or that begins another attempt, forgets those that were inside it.
    """

    def __init__(self) -> None:
        self._states: dict[str, OpenState] = {}

    def keep(self, state: OpenState) -> None:
        """The state will not be left as it should be."""
        self._states[state.fiber] = state

    def forget_inside(self, fiber: str) -> None:
        """What is inside this fiber's state will not be gone on with any more."""
        if self._states:
            prefix = f"{fiber}/" if fiber else ""
            for key in [key for key in self._states if key != fiber and key.startswith(prefix)]:
                del self._states[key]

    def take(self, at: int) -> dict[str, OpenState]:
        """All of them, the outermost first, as they are when they are gone on with at a time."""
        taken, self._states = dict(sorted(self._states.items())), {}
        for state in taken.values():
            state.at = at
            state.error = state.until = None
            state.caught = False
            state.retries = state.failed = 0
        return taken
