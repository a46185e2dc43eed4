"""Runs the interpreter over a recording's answers, and compares as it goes. No handler is ever imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sfnrun.api.again import happen, ledger_of
from sfnrun.api.conduct import relaxed_gc
from sfnrun.api.recorded import execution_of, machines_of, states_of
from sfnrun.api.result import Result, result_of
from sfnrun.asl.load import Definition
from sfnrun.asl.model import Machine
from sfnrun.engine.execution import Execution
from sfnrun.engine.run import Outcome
from sfnrun.history.file import Recording, read
from sfnrun.history.journal import Kept, Told, together
from sfnrun.history.retold import Retold
from sfnrun.record import Event, Listener
from sfnrun.replayer.aws_events import Ledger
from sfnrun.replayer.compare import Comparison
from sfnrun.replayer.recorded import Exhausted, ReplayDriver

if TYPE_CHECKING:
    from sfnrun.api.what_if import OnMissing
    from sfnrun.config import Project, Settings
    from sfnrun.tasks.callables import Tasks

__all__ = ["replay", "replay_driver"]


def replay(
    recording: Recording | str | Path,
    *,
    definition: Definition | None = None,
    listener: Listener | None = None,
    on_missing: OnMissing | None = None,
    tasks: Tasks = None,
    config: Project | Settings | str | Path | Sequence[str | Path] | None = None,
    functions: str | Path | None = None,
) -> Result:
    """Replay a recording with its own definition, or another. Raises DivergenceError where the two part.

    A Task that the recording does not know is such a place, unless `on_missing` says what happens to it: "run" asks
    the handlers, which are found as for `sfnrun.run`, "mock" takes the fixed answers of sfnrun.yaml, or `{}`, and
    "stop" ends the replay there. Then all that the recording knows has to happen as it did, whatever is between.

    The Result's status is RUNNING if the recording has no end: its process was killed, or is still at work.
    """
    if not isinstance(recording, Recording):
        with relaxed_gc():
            recording = read(Path(recording), lazily=True)
    machines = machines_of(recording, definition)
    execution = execution_of(recording)
    if on_missing is not None:
        from sfnrun.api.what_if import replay_past_new_tasks

        return replay_past_new_tasks(
            recording,
            machines,
            execution,
            on_missing,
            tasks=tasks,
            config=config,
            functions=functions,
            listener=listener,
        )
    ledger = ledger_of(recording, machines[0])
    if ledger is None:
        return _compared(recording, machines, execution, listener)
    return _beside(recording, machines, execution, listener, ledger)


def _compared(
    recording: Recording, machines: Sequence[Machine], execution: Execution, listener: Listener | None
) -> Result:
    """Replay an execution of ours. What has happened as it was recorded need not be kept a second time."""
    kept: list[Event] | None = None if recording.complete else []
    comparison = Comparison(recording, listener, kept, states=states_of(machines))
    driver = replay_driver(recording, comparison)
    try:
        outcome = happen(recording, machines, driver, comparison)
        comparison.end()
    except Exhausted:
        comparison.compare()
        outcome = Outcome("RUNNING", comparison.last_at, comparison.happened)
    return result_of(execution, outcome, Retold(recording) if kept is None else kept, recording.path)


def _beside(
    recording: Recording,
    machines: Sequence[Machine],
    execution: Execution,
    listener: Listener | None,
    ledger: Ledger,
) -> Result:
    """Replay an execution of AWS's, with its numbers and times."""
    kept = Kept()
    driver = ReplayDriver(recording.of_kind("answer"), execution.start_time)
    journal = together([kept] if listener is None else [kept, Told(listener)])
    try:
        outcome = happen(recording, machines, driver, journal, ledger)
    except Exhausted:
        outcome = Outcome("RUNNING", kept.events[-1].at, len(kept.events))
    ledger.end()
    return result_of(execution, outcome, kept.events, recording.path)


def replay_driver(recording: Recording, comparison: Comparison) -> ReplayDriver:
    """The driver that gives a recording's answers, and knows where the comparison is."""
    start = recording.start
    return ReplayDriver(
        recording.of_kind("answer"),
        start["start_time"],
        state_of=comparison.state_of,
        punctual=start.get("clock") == "virtual",
    )
