"""Recorded answers for what was asked at the same place, and another driver for what the recording does not know."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Protocol

from sfnrun.effects import Answered, Call, Driver, Pause, Redriven, Resumed, Sleep, Slept, Started, Submitted
from sfnrun.payload import Json
from sfnrun.replayer.recorded import Exhausted, answered_from_line

__all__ = ["Missing", "PlaceDriver"]


class Missing(Exception):
    """A Task is asked that the recording does not know, and nobody is there to answer it; `state` is its name."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


# Its number among the lines, and the line.
RecordedAnswer = tuple[int, Mapping[str, Json]]


class Recorded(Protocol):
    """What a recording says of its places."""

    asked: dict[str, list[str]]
    answers: dict[str, deque[RecordedAnswer]]
    calls: dict[str, int]
    states: set[str]

    def is_new(self, place: str) -> bool: ...


class PlaceDriver:
    """Answers an effect as the one that was asked as the n-th of its place; `place_of` gives the place of a fiber.

    `live` answers Tasks that were not recorded, None: they raise Missing. Answers come in their recorded order.
    """

    def __init__(
        self, recorded: Recorded, start_time: int, place_of: Callable[[str], str], live: Driver | None
    ) -> None:
        self._recorded = recorded
        self._start_time = start_time
        self._place_of = place_of
        self._live = live
        self._asked: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._open: dict[str, deque[RecordedAnswer]] = {"": recorded.answers.get("", deque())}
        self._new: set[str] = set()
        self._passed: deque[Answered] = deque()

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        if ":" not in key:  # the machine's own deadline
            self._open[key] = self._recorded.answers.get(key, deque())
            return
        place = self._place_of(key.rpartition(":")[0])
        if self._is_new(place, effect):
            self._begin_new(key, effect, at)
            return
        keys = self._recorded.asked.get(place, [])
        number, self._asked[place] = self._asked[place], self._asked[place] + 1
        self._calls[place] += isinstance(effect, Call)
        if number < len(keys):
            self._open[key] = self._recorded.answers[keys[number]]
        elif isinstance(effect, Call) and self._calls[place] > self._recorded.calls.get(place, 0):
            self._begin_new(key, effect, at)

    def _is_new(self, place: str, effect: Sleep | Call | Pause) -> bool:
        return self._recorded.is_new(place) or (isinstance(effect, Pause) and effect.state not in self._recorded.states)

    def _begin_new(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        """What the recording does not know: its Tasks are asked, its times pass, and nobody steps through it."""
        if isinstance(effect, Sleep):
            self._passed.append(Answered(effect.until, key, Slept()))
        elif isinstance(effect, Pause):
            self._passed.append(Answered(at, key, Resumed()))
        elif self._live is None:
            raise Missing(effect.request.state)
        else:
            self._new.add(key)
            self._live.begin(key, effect, at)

    def cancel(self, key: str) -> None:
        self._open.pop(key, None)
        if key in self._new and self._live is not None:
            self._new.discard(key)
            self._live.cancel(key)

    def redriven(self) -> Answered | None:
        """The order to redrive the execution that was recorded, if that is what comes next for it as a whole."""
        orders = self._open[""]
        if orders and orders[0][1]["answer"] == Redriven.__name__:
            return answered_from_line(orders.popleft()[1], self._start_time)
        return None

    def next(self, flush: Callable[[], None]) -> Answered:
        if self._new and self._live is not None:
            answered = self._live.next(flush)
            if not isinstance(answered.answer, Started | Submitted):
                self._new.discard(answered.key)
            return answered
        if self._passed:
            return self._passed.popleft()
        waiting = [
            (answers[0][0], key)
            for key, answers in self._open.items()
            if answers and answers[0][1]["answer"] != Redriven.__name__
        ]
        if not waiting:
            raise Exhausted
        key = min(waiting)[1]
        answered = answered_from_line(self._open[key].popleft()[1], self._start_time)
        return answered._replace(key=key)
