"""The result of an execution, as run, wait, replay, resume and redrive return it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from msgspec import Struct

from sfnrun.engine.execution import Execution
from sfnrun.engine.run import Outcome
from sfnrun.errors import HistoryError, SfnrunError
from sfnrun.history.store import FolderStore, Store
from sfnrun.payload import Json, Payload, loads
from sfnrun.record import STATUS_OF, Event, Listener, Status

if TYPE_CHECKING:
    from sfnrun.api.lookup import LocatedRun
    from sfnrun.api.visits import Places, StateVisits, TaskCalls
    from sfnrun.asl.model import Machine
    from sfnrun.history.timeline import Timeline

__all__ = ["ExecutionFailed", "Happened", "ReplayedEvents", "Result", "StoredRun", "recorded_result", "result_of"]

_MOST_CHARACTERS = 100


class Happened(Protocol):
    """What happened in an execution: its events, and the same with the notes in between."""

    def events(self) -> Iterator[Event]: ...

    def replay_to(self, listener: Listener) -> None: ...


class StoredRun:
    """What a store has recorded of an execution; it is read when it is looked at."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    def events(self) -> Iterator[Event]:
        return self._store.read(self._name, lazily=True).events()

    def replay_to(self, listener: Listener) -> None:
        self._store.read(self._name, lazily=True).replay_to(listener)


class ReplayedEvents:
    """The events of a replay, which has no notes."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = events

    def events(self) -> Iterator[Event]:
        self._events = self._events if isinstance(self._events, list) else list(self._events)
        return iter(self._events)

    def replay_to(self, listener: Listener) -> None:
        for event in self.events():
            listener.event(event)


class ExecutionFailed(SfnrunError):
    """Raised by `Result.raise_for_status` for an execution that did not succeed; `result` is its Result."""

    exit_code = 1

    def __init__(self, result: Result) -> None:
        super().__init__(f"execution '{result.name}' {_ending(result)}")
        self.result = result


class Result(Struct, frozen=True, dict=True, eq=False):
    """How an execution ended. A failed execution is a Result, too.

    `status` is AWS's: SUCCEEDED, FAILED, TIMED_OUT, ABORTED; RUNNING for a replay of a recording without an end.
    `machine` is the name of the state machine. `started` and `ended` are UTC, by the clock of the execution.
    `history` is the file that the execution is recorded in, if it is recorded in a file. What is read from the events
    (`events`, `place`, `states`, `tasks`) is empty with `keep_events=False` unless the execution is recorded.
    """

    status: Status
    name: str
    arn: str
    machine: str
    started: datetime
    ended: datetime
    event_count: int
    error: str | None = None
    cause: str | None = None
    history: Path | None = None
    payload: Payload | None = None
    happened: Happened | None = None
    definition: Machine | None = None

    @property
    def took(self) -> timedelta:
        """From the start to the end, by the clock of the execution."""
        return self.ended - self.started

    @property
    def output(self) -> Json:
        """The output as a JSON value; None unless the status is SUCCEEDED."""
        return None if self.payload is None else self.payload.value

    @property
    def output_text(self) -> str | None:
        """The exact text of the output; None unless the status is SUCCEEDED."""
        return None if self.payload is None else self.payload.text

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The history events as boto3's `get_execution_history` returns them."""
        return [] if self.happened is None else [event.to_aws() for event in self.happened.events()]

    @cached_property
    def place(self) -> str | None:
        """The address of the state that failed."""
        origin = self._timeline.origin
        return None if origin is None else self._places.text(origin)

    @cached_property
    def states(self) -> Mapping[str, StateVisits]:
        """The visits of the states, by PLACE: `result.states["Save"].input`."""
        from sfnrun.api.visits import states_of

        return states_of(self._places)

    @cached_property
    def tasks(self) -> Mapping[str, TaskCalls]:
        """The calls of the Tasks, by the name of a state, function or resource: `result.tasks["ChargeCard"].calls`."""
        from sfnrun.api.visits import tasks_of

        return tasks_of(self._places, self.definition)

    def located(self) -> LocatedRun:
        """The store of the execution, and its name there. Raises HistoryError if it is not recorded in a file."""
        from sfnrun.api.lookup import locate

        if self.history is None:
            raise HistoryError(f"execution '{self.name}' is not recorded in a file", "pass its name and store=")
        return locate(self.history)

    def raise_for_status(self) -> Self:
        """Return the Result of an execution that succeeded; raise ExecutionFailed for any other."""
        if self.status != "SUCCEEDED":
            raise ExecutionFailed(self)
        return self

    @cached_property
    def _timeline(self) -> Timeline:
        from sfnrun.history.timeline import Timeline

        timeline = Timeline()
        if self.happened is not None:
            self.happened.replay_to(timeline)
        return timeline

    @cached_property
    def _places(self) -> Places:
        from sfnrun.api.visits import Places
        from sfnrun.asl.model import every_state

        states = [] if self.definition is None else [state.name for state in every_state(self.definition.graph)]
        return Places(self._timeline.visits, states)

    def __repr__(self) -> str:
        return f"<Result {_ending(self)}>"


def result_of(
    execution: Execution,
    outcome: Outcome,
    happened: Happened | None,
    history: Path | None,
    definition: Machine | None,
) -> Result:
    """The Result of an execution that ended so."""
    return Result(
        status=outcome.status,
        name=execution.name,
        arn=execution.arn,
        machine=execution.state_machine_name,
        started=datetime.fromtimestamp(execution.start_time / 1000, UTC),
        ended=datetime.fromtimestamp(outcome.at / 1000, UTC),
        event_count=outcome.events,
        error=outcome.error,
        cause=outcome.cause,
        history=history,
        payload=outcome.output,
        happened=happened,
        definition=definition,
    )


def recorded_result(store: Store, name: str) -> Result:
    """The Result of a recorded execution, as far as it has gone."""
    from sfnrun.replayer.rerun import execution_of, machines_of

    recording = store.read(name)
    events = list(recording.of_kind("event"))
    last = events[-1]
    status = STATUS_OF.get(last["event"], "RUNNING")
    output = Payload.parse(last["output"]) if status == "SUCCEEDED" else None
    at = recording.start_time + recording.lines[-1]["at"]
    outcome = Outcome(status, at, len(events), output, last.get("error"), last.get("cause"))
    history = store.path(name) if isinstance(store, FolderStore) else None
    return result_of(execution_of(recording), outcome, recording, history, machines_of(recording)[-1])


def _ending(result: Result) -> str:
    """How an execution ended, in one line: `FAILED KeyError: 'nope' at Save (functions/save.py:2)`."""
    if result.status == "SUCCEEDED":
        return f"SUCCEEDED {_cut(result.output_text or '')}"
    message, line = _raised(result.cause or "")
    error = ": ".join(part for part in (result.error, _cut(message)) if part)
    place = "" if result.place is None else f"at {result.place}"
    return " ".join(part for part in (result.status, error, place, line and f"({line})") if part)


def _raised(cause: str) -> tuple[str, str]:
    """The message in a cause, and the line of code that raised it if the cause is of a Python function."""
    try:
        value = loads(cause)
    except ValueError:
        return cause, ""
    if not isinstance(value, dict) or "errorMessage" not in value:
        return cause, ""
    trace = value.get("stackTrace")
    lines = [_FRAME.match(str(frame)) for frame in trace] if isinstance(trace, list) else []
    last = next((found for found in reversed(lines) if found is not None), None)
    return str(value["errorMessage"]), "" if last is None else f"{_from_here(last[1])}:{last[2]}"


_FRAME = re.compile(r'\s*File "([^"]+)", line ([0-9]+)')


def _from_here(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"
