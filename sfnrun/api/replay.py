"""Replay executions: run the interpreter over recorded answers and compare. No handler is imported."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Literal, Unpack

from msgspec.structs import replace

from sfnrun.api.conduct import relaxed_gc
from sfnrun.api.handlers import NOWHERE, project_of
from sfnrun.api.lookup import RunLike, locate
from sfnrun.api.options import IDENTITY, Options, check
from sfnrun.api.result import ReplayedEvents, Result, result_of
from sfnrun.asl.load import Definition
from sfnrun.config import Project
from sfnrun.effects import CachedReplies, Handler, Request
from sfnrun.errors import UnansweredTaskError, UsageError
from sfnrun.history.recording import Recording
from sfnrun.replayer.rerun import execution_of, machines_of, replay_recording, replay_with_new_tasks

if TYPE_CHECKING:
    from sfnrun.tasks.callables import Tasks
    from sfnrun.tasks.resolve import Resolver
    from sfnrun.world.pulled import PulledWorld

__all__ = ["Unrecorded", "replay", "replay_of"]

Unrecorded = Literal["fail", "run", "mock", "stop"]


def replay(
    run: RunLike = "last",
    *,
    definition: Definition | None = None,
    unrecorded: Unrecorded = "fail",
    **options: Unpack[Options],
) -> Result:
    """Replay an execution with its own or another definition.

    Args:
        run: RUN, the path of its history, or a handle or Result of it.
        definition: Definition to replay with, instead of the recorded one.
        unrecorded: What happens to a Task that is not in the recording. "fail": it is a difference. "run": its handler
            is called. "mock": the static mocks of sfnrun.yaml are used, or `{}`. "stop": the replay ends there. Unless
            it is "fail", everything recorded has to happen as it did, whatever is new in between.
        options: `store` has the recording, `listener` receives what happens; with "run" and "mock" the others say who
            answers.

    Returns:
        The Result. Its status is RUNNING if the recording has no end: its process has crashed, or is still running.

    Raises:
        DivergenceError: Something else happens than was recorded.
        HistoryError: The recording is not found, or damaged.
    """
    check(options, without=IDENTITY)
    store, name = locate(run, options.get("store"))
    with relaxed_gc():
        return replay_of(store.read(name, lazily=True), definition=definition, unrecorded=unrecorded, **options)


def replay_of(
    recording: Recording,
    *,
    definition: Definition | None = None,
    unrecorded: Unrecorded = "fail",
    **options: Unpack[Options],
) -> Result:
    """Replay a recording that has been read; see `replay`."""
    if unrecorded not in ("fail", "run", "mock", "stop"):
        raise UsageError(f"invalid value for unrecorded: {unrecorded!r}", "choose from fail, run, mock, stop")
    listener = options.get("listener")
    machines = machines_of(recording, definition)
    if unrecorded == "fail":
        outcome, events = replay_recording(recording, machines, listener)
    elif unrecorded == "stop":
        outcome, events = replay_with_new_tasks(recording, machines, listener, None)
    else:
        live = _live_driver(project_of(machines[-1], options), options.get("tasks"), unrecorded)
        with closing(live):
            outcome, events = replay_with_new_tasks(recording, machines, listener, live)
    execution, path = execution_of(recording), recording.path
    return result_of(execution, outcome, ReplayedEvents(events), path, machines[-1])


def _live_driver(project: Project, tasks: Tasks, unrecorded: Unrecorded) -> PulledWorld:
    """A driver for Tasks that are not in the recording."""
    from sfnrun.tasks.callables import from_callables
    from sfnrun.tasks.resolve import Resolver
    from sfnrun.world.pulled import PulledWorld

    if unrecorded == "mock":
        project = _only_mocks(project)
    resolver = Resolver(project, *([] if tasks is None else [from_callables(tasks)]))
    return PulledWorld(_Unrecorded(resolver, unrecorded))


def _only_mocks(project: Project) -> Project:
    """The project without anything that would run code."""
    rules = {name: rule.without_handlers() for name, rule in project.settings.tasks.items()}
    own = {
        name: replace(entry, tasks={key: rule.without_handlers() for key, rule in entry.tasks.items()})
        for name, entry in project.settings.machines.items()
    }
    settings = replace(project.settings, tasks=rules, machines=own, functions={}, functions_dir=NOWHERE)
    return replace(project, settings=settings)


class _Unrecorded:
    """An Answerer for Tasks that are not in the recording: raises UnansweredTaskError, or mocks them with `{}`."""

    cached_replies: CachedReplies | None = None

    def __init__(self, resolver: Resolver, unrecorded: Unrecorded) -> None:
        self._resolver = resolver
        self._unrecorded = unrecorded

    def close(self) -> None:
        self._resolver.close()

    def for_request(self, request: Request) -> Handler:
        from sfnrun.tasks.mocks import static_result
        from sfnrun.tasks.resolve import TaskNames

        task = TaskNames(request.state, request.function_name, request.resource, request.attempt)
        if self._resolver.find(task) is not None:
            return self._resolver.for_request(request)
        if self._unrecorded == "mock":
            return static_result({})
        raise UnansweredTaskError(
            f"no handler or mock for Task '{request.state}', which is not in the recording",
            "add a handler, add a mock to sfnrun.yaml, or pass --unrecorded mock",
        )
