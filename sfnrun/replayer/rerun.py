"""Re-run a recorded execution: its identity, state machines and clock, and the run over its recorded answers.

A redriven execution has a state machine for each attempt. An execution of AWS is run against its events, which give the
new ones their ids and times; the events of sfnrun's own executions have the same ones by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Literal, Protocol

from sfnrun.asl.load import Definition, load
from sfnrun.asl.model import Machine, every_state
from sfnrun.asl.text.source import from_text
from sfnrun.effects import Answered, Driver
from sfnrun.engine.execution import LIMITS, NO_LIMITS, Execution
from sfnrun.engine.loop import ForeignHistory
from sfnrun.engine.run import Outcome, Redrive, Redrives, interpret
from sfnrun.errors import DivergenceError
from sfnrun.history.journal import EventList, ListenerJournal, combined
from sfnrun.history.recording import Recording
from sfnrun.payload import Json, Payload
from sfnrun.record import Event, Journal, Listener
from sfnrun.replayer.aws_events import AwsEventIndex
from sfnrun.replayer.by_state import RecordedPaths, StatePathDriver, StatePathMatcher, UnrecordedTask
from sfnrun.replayer.compare import Comparison
from sfnrun.replayer.matching import divergence
from sfnrun.replayer.nondeterminism import nondeterministic_states
from sfnrun.replayer.recorded import Exhausted, ReplayDriver

__all__ = [
    "RecordedDriver",
    "changed_machine",
    "clock_of",
    "execution_of",
    "latest",
    "machines_of",
    "redrives_of",
    "replay_driver",
    "replay_recording",
    "replay_with_new_tasks",
    "rerun",
    "states_of",
]


def execution_of(recording: Recording) -> Execution:
    """Return the identity of a recorded execution."""
    start = recording.start
    return Execution(
        name=start["name"],
        arn=start["arn"],
        state_machine_name=start["state_machine_name"],
        state_machine_arn=start["state_machine_arn"],
        role_arn=start["role_arn"],
        input=Payload.parse(start["input"]),
        start_time=start["start_time"],
        seed=start["seed"],
        workflow_type=start["type"],
        region=start["region"],
        account=start["account"],
        synchronous=start.get("synchronous", True),
        activities=None if start.get("activities") is None else frozenset(start["activities"]),
    )


def clock_of(recording: Recording) -> Literal["virtual", "real"]:
    """Return the clock of a recorded execution."""
    return "virtual" if recording.start.get("clock") == "virtual" else "real"


def latest(recording: Recording) -> int:
    """Return the time of an execution's clock now: a virtual clock is at the time of the last line."""
    if clock_of(recording) == "real":
        return int(time.time() * 1000)
    last: int = recording.lines[-1]["at"] if recording.lines else 0
    return recording.start_time + last


def machines_of(recording: Recording, definition: Definition | None = None) -> list[Machine]:
    """Return the machine of the first attempt and of each redrive. With a `definition` all of them are that one."""
    start = recording.start
    machines = [_recorded_machine(start, start) if definition is None else changed_machine(recording, definition)]
    for line in recording.of_kind("answer"):
        if line["answer"] == "Redriven":
            changed = definition is None and "definition" in line
            machines.append(_recorded_machine(line, start) if changed else machines[-1])
    return machines


def changed_machine(recording: Recording, definition: Definition) -> Machine:
    """Return the machine of another definition, loaded with the settings of the recorded execution."""
    return _load(definition, recording.start, recording.start["substitutions"])


def _recorded_machine(line: Mapping[str, Json], start: Mapping[str, Json]) -> Machine:
    source = from_text(line["definition"], line["file"], substitutions=line["substitutions"], limits=start["limits"])
    return _load(source, start)


def _load(
    definition: Definition, start: Mapping[str, Json], substitutions: Mapping[str, Json] | None = None
) -> Machine:
    ignore = start.get("ignore", ())
    return load(
        definition, substitutions=substitutions, workflow_type=start["type"], limits=start["limits"], ignore=ignore
    )


def states_of(machines: Sequence[Machine]) -> frozenset[str]:
    """Return the names of all states of all machines."""
    return frozenset(state.name for machine in machines for state in every_state(machine.graph))


class RecordedDriver(Driver, Protocol):
    """A driver that answers from a recording, and knows when the execution was redriven."""

    def redriven(self) -> Answered | None: ...


def redrives_of(driver: RecordedDriver, machines: Sequence[Machine]) -> Redrives:
    """Return the recorded redrives, in their order."""
    following = iter(machines[1:])

    def redrives(outcome: Outcome) -> Redrive | None:
        answered = driver.redriven()
        return None if answered is None else Redrive(answered, next(following))

    return redrives


# --- running ---


def _run(
    recording: Recording,
    machines: Sequence[Machine],
    driver: RecordedDriver,
    journal: Journal,
    foreign: ForeignHistory | None = None,
) -> Outcome:
    start = recording.start
    limits = LIMITS if start["limits"] else NO_LIMITS
    redrives = redrives_of(driver, machines)
    return interpret(
        machines[0], execution_of(recording), driver, journal, limits, start["stepping"], foreign, redrives
    )


def _is_of_aws(recording: Recording) -> bool:
    return "imported" in recording.start


def _index_of(recording: Recording, machine: Machine) -> AwsEventIndex | None:
    """Return the recorded events of an execution of AWS; None for one of sfnrun's own."""
    if not _is_of_aws(recording):
        return None
    return AwsEventIndex(recording.events(), nondeterministic_states(machine), fibers_known=True)


def rerun(recording: Recording, machines: Sequence[Machine], listener: Listener) -> None:
    """Run the recorded machines, which may be instrumented, over the recorded answers. Nothing is compared."""
    driver = ReplayDriver(recording.of_kind("answer"), recording.start_time)
    with suppress(Exhausted):
        _run(recording, machines, driver, ListenerJournal(listener), _index_of(recording, machines[0]))


def replay_recording(
    recording: Recording, machines: Sequence[Machine], listener: Listener | None
) -> tuple[Outcome, Iterable[Event]]:
    """Replay a recording and compare; return the outcome and the events. Raises DivergenceError.

    The status is RUNNING if the recording has no end.
    """
    index = _index_of(recording, machines[0])
    if index is not None:
        return _replay_aws(recording, machines, listener, index)
    # The events of a complete recording need not be kept a second time.
    kept: list[Event] | None = None if recording.complete else []
    comparison = Comparison(recording, listener, kept, states=states_of(machines))
    driver = replay_driver(recording, comparison)
    try:
        outcome = _run(recording, machines, driver, comparison)
        comparison.end()
    except Exhausted:
        comparison.compare()
        outcome = Outcome("RUNNING", comparison.last_at, comparison.happened)
    return outcome, recording.events() if kept is None else kept


def replay_driver(recording: Recording, comparison: Comparison) -> ReplayDriver:
    """Return the driver of a replay that is compared."""
    return ReplayDriver(
        recording.of_kind("answer"),
        recording.start_time,
        state_of=comparison.state_of,
        punctual=recording.start.get("clock") == "virtual",
    )


def _replay_aws(
    recording: Recording, machines: Sequence[Machine], listener: Listener | None, index: AwsEventIndex
) -> tuple[Outcome, list[Event]]:
    kept = EventList()
    driver = ReplayDriver(recording.of_kind("answer"), recording.start_time)
    journal = combined([kept] if listener is None else [kept, ListenerJournal(listener)])
    try:
        outcome = _run(recording, machines, driver, journal, index)
    except Exhausted:
        outcome = _still_running(kept.events)
    index.end()
    return outcome, kept.events


def replay_with_new_tasks(
    recording: Recording, machines: Sequence[Machine], listener: Listener | None, live: Driver | None
) -> tuple[Outcome, list[Event]]:
    """Replay a recording with a definition that has new states; `live` answers Tasks that are not recorded.

    Without `live` the replay ends at the first such Task, with status RUNNING. Everything recorded has to happen as it
    did. Raises DivergenceError.
    """
    nondeterministic: frozenset[str] = frozenset().union(*map(nondeterministic_states, machines))
    recorded = RecordedPaths(recording)
    matcher = StatePathMatcher(recorded, listener, nondeterministic)
    driver = StatePathDriver(recorded, recording.start_time, matcher, live)
    try:
        outcome = _run(recording, machines, driver, matcher, matcher if _is_of_aws(recording) else None)
        matcher.end()
    except UnrecordedTask:
        outcome = _still_running(matcher.events)
    except Exhausted:
        if recording.complete:
            raise _waiting(matcher.events) from None
        outcome = _still_running(matcher.events)
    return outcome, matcher.events


def _still_running(events: Sequence[Event]) -> Outcome:
    return Outcome("RUNNING", events[-1].at, len(events))


def _waiting(events: Sequence[Event]) -> DivergenceError:
    state = next((event.details["name"] for event in reversed(events) if event.type.endswith("StateEntered")), None)
    return divergence("waiting for a result that was not recorded", state, "no result", "waiting")
