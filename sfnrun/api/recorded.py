"""What the start of a history says, for whoever runs the execution again: who it was, its machines, its clock."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from sfnrun.asl.load import Definition, load
from sfnrun.asl.model import Machine, every_state
from sfnrun.asl.text.source import from_text
from sfnrun.effects import Answered
from sfnrun.engine.execution import Execution
from sfnrun.engine.run import Outcome, Redrive, Redrives
from sfnrun.history.file import Recording
from sfnrun.payload import Json, Payload
from sfnrun.world.world import Clock

__all__ = [
    "Redriving",
    "changed_machine",
    "clock_of",
    "execution_of",
    "latest",
    "machines_of",
    "redrives_of",
    "start_line",
    "states_of",
]


def start_line(machine: Machine, execution: Execution, *, limits: bool, stepping: bool) -> dict[str, Json]:
    """The first line of a history: all that it takes to run the execution again."""
    from sfnrun.version import __version__

    return {
        "version": __version__,
        "name": execution.name,
        "arn": execution.arn,
        "type": execution.workflow_type,
        "state_machine_name": execution.state_machine_name,
        "state_machine_arn": execution.state_machine_arn,
        "role_arn": execution.role_arn,
        "region": execution.region,
        "account": execution.account,
        "seed": execution.seed,
        "start_time": execution.start_time,
        "limits": limits,
        "synchronous": execution.synchronous,
        "activities": None if execution.activities is None else sorted(execution.activities),
        "stepping": stepping,
        "input": execution.input.text,
        "sha256": machine.sha256,
        "file": machine.file,
        "definition": machine.text,
        "substitutions": dict(machine.substitutions),
    }


def execution_of(recording: Recording) -> Execution:
    """Who the recorded execution was."""
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


def clock_of(recording: Recording) -> Clock:
    """The clock that an execution ran under."""
    return "virtual" if recording.start.get("clock") == "virtual" else "real"


def latest(recording: Recording) -> int:
    """Where the execution's clock is now: the real one goes on, the virtual one stands at the last that happened."""
    if clock_of(recording) == "real":
        return int(time.time() * 1000)
    happened = recording.lines[-1]["at"] if recording.lines else 0
    return int(recording.start["start_time"] + happened)


def machines_of(recording: Recording, definition: Definition | None = None) -> list[Machine]:
    """The machine that an execution began with, and for each redrive the one that it went on with.

    With a `definition` all of them are that one.
    """
    start = recording.start
    machines = [_recorded_machine(start, start) if definition is None else changed_machine(recording, definition)]
    for line in recording.of_kind("answer"):
        if line["answer"] == "Redriven":
            changed = definition is None and "definition" in line
            machines.append(_recorded_machine(line, start) if changed else machines[-1])
    return machines


def changed_machine(recording: Recording, definition: Definition) -> Machine:
    """Another definition for the recorded execution, under its settings."""
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
    """The names of all states of all of them."""
    return frozenset(state.name for machine in machines for state in every_state(machine.graph))


class Redriving(Protocol):
    """A driver that knows when the execution was redriven."""

    def redriven(self) -> Answered | None: ...


def redrives_of(driver: Redriving, machines: Sequence[Machine]) -> Redrives:
    """The redrives that were recorded, in their order."""
    following = iter(machines[1:])

    def redrives(outcome: Outcome) -> Redrive | None:
        answered = driver.redriven()
        return None if answered is None else Redrive(answered, next(following))

    return redrives
