"""A recorded execution, brought to the end of its recording by a replay, from where it can be continued."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sfnrun.api.conduct import relaxed_gc
from sfnrun.asl.model import Machine
from sfnrun.engine.execution import LIMITS, NO_LIMITS
from sfnrun.engine.run import Run, pull
from sfnrun.history.recording import Recording
from sfnrun.record import Event, Journal, Listener, Note
from sfnrun.replayer.compare import Comparison
from sfnrun.replayer.recorded import Exhausted, LiveSink
from sfnrun.replayer.rerun import execution_of, redrives_of, replay_driver, states_of

__all__ = ["Continuation"]


class Continuation:
    """The Run of a recording at its end. What happens from then on goes to the journal, behind the `seam`.

    The listener receives what happened before, too. Raises DivergenceError if the recording does not follow from its
    definition.
    """

    def __init__(
        self,
        recording: Recording,
        machines: Sequence[Machine],
        journal: Journal,
        *,
        listener: Listener | None = None,
        seam: Note | None = None,
    ) -> None:
        events: list[Event] | None = None
        self._comparison = Comparison(
            recording, listener, events, beyond=journal, seam=seam, states=states_of(machines)
        )
        self._driver = replay_driver(recording, self._comparison)
        limits = LIMITS if recording.start["limits"] else NO_LIMITS
        stepping = recording.start["stepping"]
        self.run = Run(machines[0], execution_of(recording), self._driver, self._comparison, limits, stepping=stepping)
        try:
            with relaxed_gc():
                with suppress(Exhausted):
                    pull(self.run, self._driver, redrives_of(self._driver, machines))
                self._comparison.flush()
        except BaseException:
            self.run.close()
            raise

    def hand_over(self, live: LiveSink) -> None:
        """Have the effects continued that are open at the end of the recording."""
        self._driver.hand_over(live)

    def end(self) -> None:
        """Compare what has not been compared yet. Raises DivergenceError."""
        self._comparison.compare()
