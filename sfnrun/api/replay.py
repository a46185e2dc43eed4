"""Replay executions: run the interpreter over recorded answers and compare. No handler is imported."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from sfnrun.api.conduct import relaxed_gc
from sfnrun.api.result import Result, result_of
from sfnrun.api.world import configured
from sfnrun.asl.load import Definition
from sfnrun.config import Project, Settings
from sfnrun.effects import CachedReplies, Handler, Request
from sfnrun.errors import UnansweredTaskError
from sfnrun.history.recording import Recording, read
from sfnrun.record import Listener
from sfnrun.replayer.rerun import execution_of, machines_of, replay_recording, replay_with_new_tasks

if TYPE_CHECKING:
    from sfnrun.tasks.callables import Tasks
    from sfnrun.tasks.resolve import Resolver
    from sfnrun.world.pulled import PulledWorld

__all__ = ["OnMissing", "replay"]

OnMissing = Literal["run", "mock", "stop"]


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
    """Replay a recording with its own or another definition. Raises DivergenceError at the first difference.

    A Task that is not in the recording is a difference, unless `on_missing` is given: "run" calls its handler, which is
    found as for `sfnrun.run`; "mock" uses the static mocks of sfnrun.yaml, or `{}`; "stop" ends the replay there. Then
    everything recorded has to happen as it did, whatever is new in between.

    The status of the Result is RUNNING if the recording has no end: its process was killed, or is still running.
    """
    with relaxed_gc(), ExitStack() as opened:
        if not isinstance(recording, Recording):
            recording = read(Path(recording), lazily=True)
        machines = machines_of(recording, definition)
        if on_missing is None:
            outcome, events = replay_recording(recording, machines, listener)
        else:
            live = None
            if on_missing != "stop":
                live = _live_driver(configured(config, machines[-1], tasks, functions), tasks, on_missing)
                opened.callback(live.close)
            outcome, events = replay_with_new_tasks(recording, machines, listener, live)
    return result_of(execution_of(recording), outcome, events, recording.path)


def _live_driver(project: Project, tasks: Tasks, on_missing: OnMissing) -> PulledWorld:
    """A driver for Tasks that are not in the recording."""
    from sfnrun.tasks.callables import from_callables
    from sfnrun.tasks.resolve import Resolver
    from sfnrun.world.pulled import PulledWorld

    if on_missing == "mock":
        project = _only_mocks(project)
    resolver = Resolver(project, *([] if tasks is None else [from_callables(tasks)]))
    return PulledWorld(_Unrecorded(resolver, on_missing))


def _only_mocks(project: Project) -> Project:
    """The project without anything that would run code."""
    rules = {name: rule.without_handlers() for name, rule in project.settings.tasks.items()}
    own = {
        name: replace(entry, tasks={key: rule.without_handlers() for key, rule in entry.tasks.items()})
        for name, entry in project.settings.machines.items()
    }
    settings = replace(project.settings, tasks=rules, machines=own, functions={}, functions_dir=Path("/dev/null"))
    return replace(project, settings=settings)


class _Unrecorded:
    """An Answerer for Tasks that are not in the recording: raises UnansweredTaskError, or mocks them with `{}`."""

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
        if self._resolver.find(task) is not None:
            return self._resolver.for_request(request)
        if self._on_missing == "mock":
            return static_result({})
        raise UnansweredTaskError(
            f"no handler or mock for Task '{request.state}', which is not in the recording",
            "add a handler, add a mock to sfnrun.yaml, or pass --on-missing mock",
        )
