"""Two executions beside each other: their events in an order that does not depend on who was faster, and what differs.

Branches and items stand one after the other below the event that started them, so two runs of the same thing have the
same order however their threads went.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sfnrun.history.file import Recording
from sfnrun.history.retold import events
from sfnrun.payload import Payload
from sfnrun.record import Event
from sfnrun.replayer.matching import same

__all__ = ["Row", "beside", "in_order"]

_STARTS = ("MapStateStarted", "ParallelStateStarted")


class Row(NamedTuple):
    """An event of the left and the one of the right beside it; one of them may be missing.

    `differing` are the members of their details that are not equal; none if one is missing.
    """

    left: Event | None
    right: Event | None
    differing: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        return self.left is not None and self.right is not None and not self.differing


def in_order(recording: Recording) -> list[Event]:
    """The events, those of each branch and item together."""
    by_fiber: dict[str, list[Event]] = defaultdict(list)
    children: dict[tuple[str, int], list[str]] = defaultdict(list)
    for event in events(recording):
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


def beside(left: Sequence[Event], right: Sequence[Event]) -> Iterator[Row]:
    """Every event of both, those that are about the same thing beside each other."""
    matcher = difflib.SequenceMatcher(None, [_about(e) for e in left], [_about(e) for e in right], autojunk=False)
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            for one, other in zip(left[a:b], right[c:d], strict=True):
                yield Row(one, other, _differing(one.details, other.details))
        else:
            yield from (Row(event, None) for event in left[a:b])
            yield from (Row(None, event) for event in right[c:d])


def _about(event: Event) -> tuple[str, str, Any]:
    return event.type, event.fiber, event.details.get("name")


def _differing(left: dict[str, Any], right: dict[str, Any]) -> tuple[str, ...]:
    names = [*left, *(name for name in right if name not in left)]
    return tuple(name for name in names if not same(_plain(left.get(name)), _plain(right.get(name))))


def _plain(value: Any) -> Any:
    if isinstance(value, Payload):
        return value.value
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value
