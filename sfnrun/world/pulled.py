"""A World behind the interface of a Driver, for effects of an execution that itself runs outside of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import cast

from sfnrun.addresses import Place
from sfnrun.effects import Answered, Answerer, Call, Pause, Sleep
from sfnrun.engine.execution import Issuer
from sfnrun.engine.run import Run
from sfnrun.world.hosted import Hosted, run_on
from sfnrun.world.run_loop import RunLoop

__all__ = ["PulledWorld"]


class PulledWorld:
    """Answers effects under a virtual clock; whoever asks for an answer turns it."""

    def __init__(self, answerer: Answerer) -> None:
        self._loop = RunLoop("virtual", threads=True, parallel=False, on_end=lambda: None)
        self._guest = _Guest()
        self._hosted = Hosted(self._loop, cast("Run", self._guest), answerer, run_on, None, None)

    def begin(self, key: str, effect: Sleep | Call | Pause, at: int) -> None:
        self._hosted.begin(key, effect, at)

    def cancel(self, key: str) -> None:
        self._hosted.cancel(key)

    def next(self, flush: Callable[[], None]) -> Answered:
        """Return the next answer. Raises WaitingError if there never is one, and what a handler's own bug raises."""
        answers = self._guest.answers
        self._guest.flush = flush
        while not answers:
            self._loop.step(self._hosted)
            if self._hosted.error is not None:
                raise self._hosted.error
        return answers.popleft()

    def close(self) -> None:
        """Let the handlers' threads end."""
        self._loop.calls.close()


class _Guest:
    """As much of a Run as a World needs that only collects the answers. It is also its own journal."""

    def __init__(self) -> None:
        self.answers: deque[Answered] = deque()
        self.flush: Callable[[], None] = lambda: None
        self.execution = Issuer("", "", 0)
        self.outcome = None
        self.busy = False

    @property
    def journal(self) -> _Guest:
        return self

    def deliver(self, answered: Answered) -> None:
        self.answers.append(answered)

    def place_of(self, key: str) -> Place | None:
        return None

    def places(self) -> list[Place]:
        return []

    def close(self) -> None:
        """Nothing runs here."""
