"""Driver that returns recorded answers in their order, at their recorded times.

No handler is called, or even looked up, as long as there are recorded answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from sfnrun.effects import Answer, Answered, Call, Pause, Redriven, Sleep, Started, Submitted
from sfnrun.errors import DivergenceError
from sfnrun.history.recording import answered_of
from sfnrun.payload import Json
from sfnrun.replayer.matching import divergence

__all__ = ["Exhausted", "LiveSink", "ReplayDriver"]


def no_state(fiber: str) -> None:
    """Callback that knows the state of no fiber."""


class Exhausted(Exception):
    """The recording has no more answers: its process was killed, or is still running."""


class LiveSink(Protocol):
    """Takes the open effects of an execution where its recording ends."""

    def adopt(self, key: str, effect: Sleep | Call | Pause, at: int, answers: Sequence[Answer]) -> None:
        """Continue an effect that began `at` a time and has had these answers."""


class Open(NamedTuple):
    """An effect without its last answer, and the answers that it had."""

    effect: Sleep | Call | Pause
    at: int
    answers: list[Answer]


class ReplayDriver:
    """Returns recorded answers; at their end `hand_over` passes the open effects on.

    Raises DivergenceError for an answer to an effect that is not open, or that came before its time; `state_of` returns
    the state of a fiber for the message. `punctual` is True if a Sleep ends exactly at its time, as under the virtual
    clock, and None if the times are those of another interpreter. Raises Exhausted if there are no more answers.
    """

    def __init__(
        self,
        answers: Iterable[Mapping[str, Json]],
        start_time: int,
        *,
        state_of: Callable[[str], str | None] = no_state,
        punctual: bool | None = None,
    ) -> None:
        self._state_of = state_of
        self._punctual = punctual
        self._answers = deque(answers)
        self._start_time = start_time
        self._open: dict[str, Open] = {}

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        self._open[key] = Open(effect, at, [])

    def cancel(self, key: str) -> None:
        self._open.pop(key, None)

    def redriven(self) -> Answered | None:
        """Return the order to redrive the execution, if it is the next recorded answer."""
        if self._answers and self._answers[0]["answer"] == Redriven.__name__:
            return answered_of(self._answers.popleft(), self._start_time)
        return None

    def next(self, flush: Callable[[], None]) -> Answered:
        if not self._answers:
            raise Exhausted
        return self._recorded(self._answers.popleft())

    def hand_over(self, live: LiveSink) -> None:
        """Pass on the effects that are open at the end of the recording."""
        for key, (effect, at, answers) in self._open.items():
            live.adopt(key, effect, at, answers)
        self._open.clear()

    def _recorded(self, line: Mapping[str, Json]) -> Answered:
        answered = answered_of(line, self._start_time)
        key = answered.key
        if not key:
            return answered
        found = self._open.get(key)
        if found is None:
            waiting = ", ".join(sorted(self._open)) or "nothing"
            raise self._divergence(
                key,
                "recorded result is not used by the replay",
                f"{line['answer']} for {key}",
                f"waiting for {waiting}",
            )
        if isinstance(found.effect, Sleep) and self._punctual is not None:
            self._check_sleep(found.effect, answered.at)
        if isinstance(answered.answer, Started | Submitted):
            found.answers.append(answered.answer)
        if not isinstance(answered.answer, Submitted):
            del self._open[key]
        if isinstance(answered.answer, Started):
            self._open[key] = found  # its handler was called then, after the effects that had begun before
        return answered

    def _check_sleep(self, sleep: Sleep, woken: int) -> None:
        if sleep.until > woken or (self._punctual and sleep.until < woken):
            recorded, now = (
                f"sleeps until {at - self._start_time:,} ms after the start" for at in (woken, sleep.until)
            )
            raise self._divergence(sleep.key, "wait time differs", recorded, now)

    def _divergence(self, key: str, what: str, recorded: str, now: str) -> DivergenceError:
        state = self._state_of(key.rpartition(":")[0])
        return divergence(what, state, recorded, now)
