"""A recorded execution happens again before a listener, each attempt with a machine of its own; nothing is compared."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sfnrun.api.conduct import conduct
from sfnrun.api.recorded import execution_of, redrives_of
from sfnrun.asl.chance import states_using_chance
from sfnrun.asl.model import Machine
from sfnrun.drivers.replay import Exhausted, ReplayDriver
from sfnrun.history.file import Recording
from sfnrun.history.journal import Told
from sfnrun.history.ledger import Ledger, entries
from sfnrun.record import Listener

__all__ = ["happen_again"]


def happen_again(recording: Recording, machines: Sequence[Machine], listener: Listener) -> None:
    """Run the machines, those that were recorded but for what they tell, over the recorded answers."""
    start = recording.start
    driver = ReplayDriver(recording.of_kind("answer"), start["start_time"])
    is_imported = "imported" in start
    with suppress(Exhausted):
        conduct(
            machines[0],
            execution_of(recording),
            driver,
            Told(listener),
            limits=start["limits"],
            stepping=start["stepping"],
            redrives=redrives_of(driver, machines),
            ledger=Ledger(entries(recording), states_using_chance(machines[0])) if is_imported else None,
        )
