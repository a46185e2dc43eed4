"""Replays a recording with a definition that has Tasks which were never asked, as if it had had them.

`run` asks the handlers of now, `mock` takes what sfnrun.yaml and the mock file say, or `{}`, and runs no code, `stop`
ends the replay there. Everything that the recording knows has to happen as it was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from sfnrun.api.again import happen
from sfnrun.api.result import Result, result_of
from sfnrun.api.world import configured
from sfnrun.asl.model import Machine
from sfnrun.config import Project, Settings
from sfnrun.effects import Answerer, CachedReplies, Handler, Request
from sfnrun.engine.execution import Execution
from sfnrun.engine.run import Outcome
from sfnrun.errors import DivergenceError, UnansweredTaskError
from sfnrun.history.file import Recording
from sfnrun.record import Event, Listener
from sfnrun.replayer.by_state import Missing, PlaceDriver
from sfnrun.replayer.nondeterminism import states_using_chance
from sfnrun.replayer.recorded import Exhausted
from sfnrun.replayer.state_matcher import ByPlace, RecordedPlaces
from sfnrun.world.pulled import PulledWorld

if TYPE_CHECKING:
    from sfnrun.tasks.callables import Tasks
    from sfnrun.tasks.resolve import Resolver

__all__ = ["OnMissing", "replay_past_new_tasks"]

OnMissing = Literal["run", "mock", "stop"]


def replay_past_new_tasks(
    recording: Recording,
    machines: Sequence[Machine],
    execution: Execution,
    on_missing: OnMissing,
    *,
    tasks: Tasks = None,
    config: Project | Settings | str | Path | Sequence[str | Path] | None = None,
    functions: str | Path | None = None,
    listener: Listener | None = None,
) -> Result:
    """Replay, with answers from elsewhere for Tasks that the recording does not know.

    The Result's status is RUNNING where the replay was stopped. Raises DivergenceError at any other difference.
    """
    recorded = RecordedPlaces(recording)
    journal = ByPlace(recorded, listener, frozenset().union(*map(states_using_chance, machines)))
    events = journal.kept
    live = None
    if on_missing != "stop":
        settings = configured(config, machines[-1], tasks, functions)
        live = PulledWorld(_answering(settings if on_missing == "run" else _mocks_of(settings), tasks, on_missing))
    driver = PlaceDriver(recorded, execution.start_time, journal.places.of, live)
    try:
        outcome = happen(recording, machines, driver, journal, journal if "imported" in recording.start else None)
        journal.end()
    except Missing:
        outcome = Outcome("RUNNING", events[-1].at, len(events))
    except Exhausted:
        if recording.complete:
            raise _waits_in_vain(events) from None
        outcome = Outcome("RUNNING", events[-1].at, len(events))
    return result_of(execution, outcome, events, recording.path)


def _waits_in_vain(events: list[Event]) -> DivergenceError:
    state = next((event.details["name"] for event in reversed(events) if event.type.endswith("StateEntered")), None)
    what = "It waits for an answer that was not recorded."
    return DivergenceError(f"In state '{state}': {what}", state=state, recorded="no answer", now="waiting")


def _mocks_of(project: Project) -> Project:
    """The project without anything that would run code."""
    rules = {name: rule.without_handlers() for name, rule in project.settings.tasks.items()}
    own = {
        name: replace(entry, tasks={key: rule.without_handlers() for key, rule in entry.tasks.items()})
        for name, entry in project.settings.machines.items()
    }
    settings = replace(project.settings, tasks=rules, machines=own, functions={}, functions_dir=Path("/dev/null"))
    return replace(project, settings=settings)


def _answering(project: Project, tasks: Tasks, on_missing: OnMissing) -> Answerer:
    from sfnrun.tasks.callables import from_callables
    from sfnrun.tasks.resolve import Resolver

    return _Unrecorded(Resolver(project, *([] if tasks is None else [from_callables(tasks)])), on_missing)


class _Unrecorded:
    """An Answerer for Tasks that the recording does not have: raises UnansweredTaskError, or mocks them with `{}`."""

    cached_replies: CachedReplies | None = None

    def __init__(self, resolver: Resolver, on_missing: OnMissing) -> None:
        self._resolver = resolver
        self._on_missing = on_missing

    def close(self) -> None:
        self._resolver.close()

    def for_request(self, request: Request) -> Handler:
        from sfnrun.tasks.mocks import static_result
        from sfnrun.tasks.resolve import TaskNames

        task = TaskNames(request.state, request.function_name, request.resource, request.attempt)
        found = self._resolver.find(task)
        if found is not None:
            return self._resolver.for_request(request)
        if self._on_missing == "mock":
            return static_result({})
        raise UnansweredTaskError(
            f"Nothing answers the Task '{request.state}', which the recording does not know.",
            "Give it a handler or an answer in sfnrun.yaml, or use --on-missing mock.",
        )
