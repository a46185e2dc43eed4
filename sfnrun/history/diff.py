"""Compare two executions: their events side by side, in an order that does not depend on the timing of branches.

The events of branches and items follow the event that started them, one branch after the other. So two runs that do the
same have the same order, however their threads were scheduled.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sfnrun.history.recording import Recording
from sfnrun.payload import json_equal, plain
from sfnrun.record import Event

__all__ = ["Row", "in_order", "side_by_side"]

_STARTS = ("MapStateStarted", "ParallelStateStarted")


class Row(NamedTuple):
    """An event of the left execution and the corresponding one of the right; one of them can be None.

    `differing` are the names of the details that are not equal; none if an event is missing.
    """

    left: Event | None
    right: Event | None
    differing: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        return self.left is not None and self.right is not None and not self.differing


def in_order(recording: Recording) -> list[Event]:
    """Return the events, with those of each branch and item together."""
    by_fiber: dict[str, list[Event]] = defaultdict(list)
    children: dict[tuple[str, int], list[str]] = defaultdict(list)
    for event in recording.events():
        if event.fiber and event.fiber not in by_fiber:
            parent, _, last = event.fiber.rpartition("/")
            children[parent, int(last.partition(".")[0])].append(event.fiber)
        by_fiber[event.fiber].append(event)
    return list(_of_fiber("", by_fiber, children))


def _of_fiber(
    fiber: str, by_fiber: dict[str, list[Event]], children: dict[tuple[str, int], list[str]]
) -> Iterator[Event]:
    forks = 0
    for event in by_fiber[fiber]:
        yield event
        if event.type in _STARTS:
            forks += 1
            for child in sorted(children[fiber, forks], key=_index):
                yield from _of_fiber(child, by_fiber, children)


def _index(fiber: str) -> int:
    return int(fiber.rpartition(".")[2])


def side_by_side(left: Sequence[Event], right: Sequence[Event]) -> Iterator[Row]:
    """Align the events of both: rows pair those of the same type, fiber and state."""
    matcher = difflib.SequenceMatcher(None, [_identity(e) for e in left], [_identity(e) for e in right], autojunk=False)
    for operation, a, b, c, d in matcher.get_opcodes():
        if operation == "equal":
            for one, other in zip(left[a:b], right[c:d], strict=True):
                yield Row(one, other, _differing(one.details, other.details))
        else:
            yield from (Row(event, None) for event in left[a:b])
            yield from (Row(None, event) for event in right[c:d])


def _identity(event: Event) -> tuple[str, str, Any]:
    return event.type, event.fiber, event.details.get("name")


def _differing(left: dict[str, Any], right: dict[str, Any]) -> tuple[str, ...]:
    names = [*left, *(name for name in right if name not in left)]
    return tuple(name for name in names if not json_equal(plain(left.get(name)), plain(right.get(name))))
