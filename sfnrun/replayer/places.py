"""Names for where things happen that are the same in another definition: by states and visits, not by counts.

"/Each#1[0]/Work#2" is the second visit of Work in the first item of the first visit of Each, with other separators, as
names of states may have any character. A state that is new in a definition changes the ids of events and the keys of
effects that follow; it does not change these.
"""

from __future__ import annotations

from collections import Counter

__all__ = ["Places", "around", "state_of"]

_INSIDE = "\x1f"
_VISIT = "\x1e"


class Places:
    """Follows the fibers of an execution by its events."""

    def __init__(self) -> None:
        self._names = {"": ""}
        self._open: dict[str, str] = {}
        self._visits: Counter[str] = Counter()

    def enter(self, fiber: str, state: str) -> None:
        """The fiber is in a state now."""
        place = f"{self._name_of(fiber)}{_INSIDE}{state}"
        self._visits[place] += 1
        self._open[fiber] = f"{place}{_VISIT}{self._visits[place]}"

    def leave(self, fiber: str) -> None:
        """The fiber is between states."""
        self._open.pop(fiber, None)

    def of(self, fiber: str) -> str:
        """Where the fiber is."""
        return self._open.get(fiber) or self._name_of(fiber)

    def _name_of(self, fiber: str) -> str:
        name = self._names.get(fiber)
        if name is None:
            parent, _, last = fiber.rpartition("/")
            name = self._names[fiber] = f"{self.of(parent)}[{last.rpartition('.')[2]}]"
        return name


def state_of(place: str) -> str:
    """The state of a place, or the one around it; "" for the execution itself."""
    return place.rpartition(_INSIDE)[2].partition(_VISIT)[0]


def around(place: str) -> list[str]:
    """The places of the states that a place is in, the outermost first, its own last."""
    parts = place.split(_INSIDE)
    return [_INSIDE.join(parts[: end + 1]) for end in range(1, len(parts))]
