"""Goes on with an execution whose process died: its history is replayed up to its end, and the world answers the rest.

What was answered is not asked again. A Task that was in flight is asked again under the same key and `Request.id`, a
Wait keeps its end, retries keep their counts. What the crash took of the history is written now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sfnrun.api.conduct import relaxed_gc, run_loop
from sfnrun.api.result import Result, result_of
from sfnrun.api.world import Answering, Stage, unheard
from sfnrun.asl.model import Machine
from sfnrun.config import Project, Settings
from sfnrun.effects import Answered, Pause, Resumed, Stopped
from sfnrun.engine.execution import LIMITS, NO_LIMITS
from sfnrun.engine.run import Redrive, Run, pull
from sfnrun.errors import UsageError
from sfnrun.history.file import HistoryFile
from sfnrun.history.mailbox import MailFile
from sfnrun.history.recording import Recording
from sfnrun.record import Event, Listener, Note
from sfnrun.replayer.compare import Comparison
from sfnrun.replayer.recorded import Exhausted
from sfnrun.replayer.rerun import clock_of, execution_of, latest, machines_of, redrives_of, replay_driver, states_of

if TYPE_CHECKING:
    from sfnrun.api.caching import CacheOptions
    from sfnrun.tasks.callables import Tasks

__all__ = ["Showing", "go_on", "live_world", "resume"]


class Showing(NamedTuple):
    """Who hears of it, as for `run`."""

    listener: Listener | None = None
    keep_events: bool = True
    interruptible: bool = False


def resume(
    execution: str | Path,
    *,
    tasks: Tasks = None,
    config: Project | Settings | str | Path | Sequence[str | Path] | None = None,
    functions: str | Path | None = None,
    mock_config: str | Path | None = None,
    test_case: str | None = None,
    listener: Listener | None = None,
    keep_events: bool = True,
    step: Callable[[Pause], Resumed] | None = None,
    debug: bool = False,
    interruptible: bool = False,
    fsync: bool = False,
    cache: CacheOptions | None = None,
    say: Callable[[str], None] = unheard,
) -> Result:
    """Go on with the execution that a history file records, to its end; its process must be dead.

    The options are those of `run`; those that say who answers Tasks are as they were recorded unless given. Callables
    cannot be recorded: give `tasks` again. The clock is the recorded one: the real one goes on now, the virtual one at
    the last answer. The listener hears what happened before, too.

    Raises UsageError for an execution that has ended, HistoryError if another process runs it or the history is
    damaged, DivergenceError if the history does not come out of its definition.
    """
    from sfnrun.version import __version__

    answering = Answering(
        tasks=tasks,
        config=config,
        functions=functions,
        mock_config=mock_config,
        test_case=test_case,
        cache=cache,
        say=say,
        step=step,
        debug=debug,
    )
    file, recording = HistoryFile.reopen(Path(execution), fsync=fsync)
    with closing(file):
        if "imported" in recording.start:
            message = f"execution '{recording.path.stem}' is running in AWS and cannot be resumed here"
            raise UsageError(message, "import it again after it has ended")
        if recording.complete:
            status = str(recording.lines[-1]["event"]).removeprefix("Execution")
            redrive = f"run `sfnrun redrive {recording.path.stem}` to restart it from the failure"
            message = f"execution '{recording.path.stem}' has already ended ({status})"
            raise UsageError(message, "" if status == "Succeeded" else redrive)
        machines = machines_of(recording)
        with live_world(recording, machines[-1], answering) as live:
            seam = Note("resumed", latest(recording), "", "", {"version": __version__})
            return go_on(file, recording, machines, live, Showing(listener, keep_events, interruptible), seam=seam)


def live_world(recording: Recording, machine: Machine, answering: Answering) -> AbstractContextManager[Stage]:
    """A World with the recorded clock and handlers for the machine's Tasks. Raises UnansweredTaskError."""
    start = recording.start
    answering = answering.or_recorded(start)
    return answering.world(
        machine,
        answering.project(machine).for_machine(start["state_machine_name"]),
        start["state_machine_name"],
        clock_of(recording),
    )


def go_on(
    file: HistoryFile,
    recording: Recording,
    machines: Sequence[Machine],
    stage: Stage | None,
    showing: Showing,
    redrive: Redrive | None = None,
    seam: Note | None = None,
    stopped: Stopped | None = None,
) -> Result:
    """Replay a recording, then continue it on a stage, or else stop it, and append to the file.

    `redrive` is for its end. `seam` is noted where the recording ends.
    """
    execution = execution_of(recording)
    events: list[Event] | None = [] if showing.keep_events else None
    comparison = Comparison(recording, showing.listener, events, beyond=file, seam=seam, states=states_of(machines))
    driver = replay_driver(recording, comparison)
    limits = LIMITS if recording.start["limits"] else NO_LIMITS
    run = Run(machines[0], execution, driver, comparison, limits, stepping=recording.start["stepping"])
    with relaxed_gc(), closing(run):
        with suppress(Exhausted):
            pull(run, driver, redrives_of(driver, machines))
        comparison.flush()
        if stopped is not None:
            run.deliver(Answered(latest(recording), "", stopped))
        if stage is None:
            outcome = run.outcome
        else:
            hosted = stage.world.adopt(run, stage.answerer, step=stage.step, mailbox=MailFile(file.path))
            driver.hand_over(hosted)
            if redrive is not None:
                stage.world.redrive(hosted, redrive)
            outcome = run_loop(stage.world, hosted, interruptible=showing.interruptible)
    comparison.compare()
    assert outcome is not None
    return result_of(execution, outcome, events or [], file.path)
