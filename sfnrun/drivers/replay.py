"""Recorded answers in recorded order, at their recorded times. No handler is called, or even looked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from sfnrun.engine import effects
from sfnrun.engine.effects import Answer, Answered, Call, Pause, Sleep
from sfnrun.errors import Divergence, HistoryError
from sfnrun.payload import Json, Payload

__all__ = ["Exhausted", "ReplayDriver", "answered_from_line"]

ANSWERS: dict[str, type[Answer]] = {
    kind.__name__: kind
    for kind in (
        effects.Failed,
        effects.Resumed,
        effects.Slept,
        effects.Started,
        effects.Stopped,
        effects.Submitted,
        effects.Succeeded,
        effects.TimedOut,
    )
}


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


class ReplayDriver:
    """Gives recorded answers. Raises Divergence for one that nobody asked for, Exhausted where there are no more."""

    def __init__(self, answers: Iterable[Mapping[str, Json]], start_time: int) -> None:
        self._answers = deque(answers)
        self._start_time = start_time
        self._open: dict[str, Sleep | Call | Pause] = {}

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        self._open[key] = effect

    def cancel(self, key: str) -> None:
        self._open.pop(key, None)

    def close(self) -> None:
        """Nothing to let go of."""

    def next(self) -> Answered:
        if not self._answers:
            raise Exhausted
        line = self._answers.popleft()
        key = line["key"]
        if key and key not in self._open:
            asked = ", ".join(sorted(self._open)) or "nothing"
            raise Divergence(
                f"The recording has an answer ({line['answer']}) that is not asked for now.",
                state=None,
                recorded=f"{line['answer']} for {key}",
                now=f"waiting for {asked}",
            )
        return answered_from_line(line, self._start_time)
