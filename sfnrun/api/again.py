"""A recorded execution happens again, each attempt with a machine of its own: the one way to run a recording."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from sfnrun.api.conduct import relaxed_gc
from sfnrun.api.recorded import Redriving, execution_of, redrives_of
from sfnrun.asl.model import Machine
from sfnrun.effects import Driver
from sfnrun.engine.execution import LIMITS, NO_LIMITS
from sfnrun.engine.loop import ForeignHistory
from sfnrun.engine.run import Outcome, interpret
from sfnrun.history.file import Recording
from sfnrun.history.journal import Journal, Told
from sfnrun.record import Listener
from sfnrun.replayer.aws_events import Ledger, entries
from sfnrun.replayer.recorded import Exhausted, ReplayDriver

__all__ = ["happen", "happen_again", "ledger_of"]


class RecordedDriver(Driver, Redriving, Protocol):
    """A driver that answers from a recording."""


def happen(
    recording: Recording,
    machines: Sequence[Machine],
    driver: RecordedDriver,
    journal: Journal,
    ledger: ForeignHistory | None = None,
) -> Outcome:
    """Run the machines over what the driver knows of a recording."""
    start = recording.start
    with relaxed_gc():
        return interpret(
            machines[0],
            execution_of(recording),
            driver,
            journal,
            LIMITS if start["limits"] else NO_LIMITS,
            stepping=start["stepping"],
            foreign=ledger,
            redrives=redrives_of(driver, machines),
        )


def happen_again(recording: Recording, machines: Sequence[Machine], listener: Listener) -> None:
    """Run the machines, those that were recorded but for what they tell, over the recorded answers."""
    driver = ReplayDriver(recording.of_kind("answer"), recording.start["start_time"])
    with suppress(Exhausted):
        happen(recording, machines, driver, Told(listener), ledger_of(recording, machines[0]))


def ledger_of(recording: Recording, machine: Machine) -> Ledger | None:
    """AWS's numbers and times, for an execution that AWS ran; ours have the same ones again by themselves."""
    if "imported" not in recording.start:
        return None
    from sfnrun.replayer.nondeterminism import states_using_chance

    return Ledger(entries(recording), states_using_chance(machine))
