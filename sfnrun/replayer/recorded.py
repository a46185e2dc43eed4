"""Recorded answers in recorded order, at their recorded times, and then those of any other driver.

No handler is called, or even looked for, as long as there are recorded answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from sfnrun import effects
from sfnrun.effects import Answer, Answered, Call, Pause, Redriven, Sleep, Started, Submitted
from sfnrun.errors import DivergenceError, HistoryError
from sfnrun.payload import Json, Payload

__all__ = ["Exhausted", "LiveSink", "ReplayDriver", "answered_from_line"]

ANSWERS: dict[str, type[Answer]] = {
    kind.__name__: kind
    for kind in (
        effects.Failed,
        effects.Redriven,
        effects.Resumed,
        effects.Slept,
        effects.Started,
        effects.Stopped,
        effects.Submitted,
        effects.Succeeded,
        effects.TimedOut,
    )
}


def nowhere(fiber: str) -> None:
    """Nobody knows what state a fiber is in."""


class Exhausted(Exception):
    """The recording ends here: its process was killed, or it is still running."""


def answered_from_line(line: Mapping[str, Json], start_time: int) -> Answered:
    """The answer of a history's answer line."""
    kind = ANSWERS.get(line["answer"])
    if kind is None:
        raise HistoryError(f"The history has an answer of an unknown kind, {line['answer']!r}.", "Upgrade sfnrun.")
    members = {name: line[name] for name in kind._fields if name in line}
    for name in ("output", "input"):
        if isinstance(members.get(name), str):
            members[name] = Payload.parse(members[name])
    return Answered(start_time + line["at"], line["key"], kind(**members))


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
    """Gives recorded answers; `hand_over` has a World go on where there are no more.

    Raises DivergenceError for an answer that nobody asked for, or that came before it was asked for; `state_of` tells
    the state of a fiber for that. `punctual`: a sleep ends at its time and no later, as under the virtual clock; None:
    the times are those of another interpreter. Raises Exhausted where there are no more answers.
    """

    def __init__(
        self,
        answers: Iterable[Mapping[str, Json]],
        start_time: int,
        *,
        state_of: Callable[[str], str | None] = nowhere,
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
        """The order to redrive the execution that was recorded after its end, if there was one."""
        if self._answers and self._answers[0]["answer"] == Redriven.__name__:
            return answered_from_line(self._answers.popleft(), self._start_time)
        return None

    def next(self, flush: Callable[[], None]) -> Answered:
        if not self._answers:
            raise Exhausted
        return self._recorded(self._answers.popleft())

    def hand_over(self, live: LiveSink) -> None:
        """Have the effects that are open at the end of the recording continued."""
        for key, (effect, at, answers) in self._open.items():
            live.adopt(key, effect, at, answers)
        self._open.clear()

    def _recorded(self, line: Mapping[str, Json]) -> Answered:
        answered = answered_from_line(line, self._start_time)
        key = answered.key
        if not key:
            return answered
        asked = self._open.get(key)
        if asked is None:
            waiting = ", ".join(sorted(self._open)) or "nothing"
            raise self._divergence(
                key,
                "The recording has an answer that is not asked for now.",
                f"{line['answer']} for {key}",
                f"waiting for {waiting}",
            )
        if isinstance(asked.effect, Sleep) and self._punctual is not None:
            self._check_sleep(asked.effect, answered.at)
        if isinstance(answered.answer, Started | Submitted):
            asked.answers.append(answered.answer)
        if not isinstance(answered.answer, Submitted):
            del self._open[key]
        if isinstance(answered.answer, Started):
            self._open[key] = asked  # its task was run then, after what was begun before
        return answered

    def _check_sleep(self, sleep: Sleep, woken: int) -> None:
        if sleep.until > woken or (self._punctual and sleep.until < woken):
            recorded, now = (
                f"sleeps until {at - self._start_time:,} ms after the start" for at in (woken, sleep.until)
            )
            raise self._divergence(sleep.key, "It sleeps for another time now.", recorded, now)

    def _divergence(self, key: str, what: str, recorded: str, now: str) -> DivergenceError:
        state = self._state_of(key.rpartition(":")[0])
        where = f"In state '{state}': " if state else ""
        return DivergenceError(where + what, state=state, recorded=recorded, now=now)
