"""Import an execution of AWS: re-run the interpreter over AWS's events to recover the answers to its effects.

AWS records the result of a Task, but not the branch it belongs to, nor the key of the engine's effect. So the
definition is run once against the events: each event that happens is matched with one of AWS's, each answer is taken
from AWS's next event, and any difference is a DivergenceError. The result is recorded like any execution.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.asl.load import Definition, as_source, load
from sfnrun.asl.model import Machine
from sfnrun.effects import Answered
from sfnrun.engine.execution import LIMITS, Execution, start_line
from sfnrun.engine.run import Outcome, Redrive, interpret
from sfnrun.errors import DivergenceError, HistoryError
from sfnrun.history.aws.events import keep_difference
from sfnrun.history.aws.read import AwsHistory, read_aws
from sfnrun.history.aws.times import milliseconds
from sfnrun.history.journal import NullJournal
from sfnrun.payload import Json, Payload
from sfnrun.record import ACCOUNT, PAYLOADS, REGION, Event, Journal, Note
from sfnrun.replayer.aws_driver import AwsReplayDriver, GivenAnswer
from sfnrun.replayer.aws_events import AwsEventIndex
from sfnrun.replayer.nondeterminism import nondeterministic_states
from sfnrun.replayer.recorded import Exhausted

__all__ = ["ImportedExecution", "import_aws"]


class ImportedExecution(Struct, frozen=True):
    """An execution of AWS as it is recorded: the start line, then events, notes and answers in order."""

    start: dict[str, Json]
    happened: list[Event | Note | Answered]

    @property
    def name(self) -> str:
        name: str = self.start["name"]
        return name

    def record(self, journal: Journal) -> None:
        """Write everything to a journal."""
        for happened in self.happened:
            if isinstance(happened, Event):
                journal.event(happened)
            elif isinstance(happened, Note):
                journal.note(happened)
            else:
                journal.answer(happened)


def import_aws(
    documents: Iterable[Json],
    definition: Definition | None,
    *,
    input: Payload | None = None,
    substitutions: Mapping[str, Json] | None = None,
    execution: str | None = None,
    name: str | None = None,
) -> ImportedExecution:
    """Import an execution from AWS's JSON documents (see history.aws.read).

    `definition` is the one that ran; None takes it from the documents. `input` is used if the events lack it.
    `execution` is the ARN or name of one of several in a log, `name` the name to record it by.
    Raises DivergenceError if the definition does not lead to these events, HistoryError if events are missing, cut, or
    of several executions, and DefinitionError.
    """
    history = read_aws(documents, execution)
    first = history.events[0]
    if first.type != "ExecutionStarted":
        raise HistoryError(
            f"incomplete history: it starts with {first.type}, not ExecutionStarted",
            "set the log level to ALL: other levels omit events",
        )
    source = as_source(_definition(history, definition), substitutions)
    identity = _Identity(history, name or "", input)
    machine = load(source, workflow_type=identity.type)
    imported = identity.execution(machine)
    index = AwsEventIndex(history.events, nondeterministic_states(machine))
    driver, notes = AwsReplayDriver(index), _NoteList()

    def redrives(outcome: Outcome) -> Redrive | None:
        answered = driver.redriven()
        return None if answered is None else Redrive(answered, machine)

    try:
        with suppress(Exhausted):
            interpret(machine, imported, driver, notes, LIMITS, stepping=True, foreign=index, redrives=redrives)
        index.end()
    except DivergenceError as divergence:
        raise _of_another_definition(divergence) from None
    start = start_line(machine, imported, limits=True, stepping=True)
    form = {"form": history.form, "time": history.time}
    happened = list(_in_order(history, index, driver.given, notes.notes))
    return ImportedExecution({**start, "imported": form}, happened)


def _definition(history: AwsHistory, given: Definition | None) -> Definition:
    if given is not None:
        return given
    text = history.machine.get("definition")
    if not isinstance(text, str):
        raise HistoryError(
            "missing definition: the history does not contain one",
            "pass --definition FILE, or also pass the output of `describe-state-machine-for-execution`",
        )
    return text if text.lstrip().startswith("{") else "\n" + text


class _Identity:
    """Names and ARNs of the execution: from describe-execution, from its ARN in a log, else from its events."""

    def __init__(self, history: AwsHistory, name: str, input: Payload | None) -> None:
        described, first = history.execution, history.events[0]
        arn = str(described.get("executionArn", ""))
        parts = arn.split(":")
        self.arn = arn
        is_express = ":express:" in arn or (history.form == "logs" and ":execution:" not in arn)
        self.type: Any = "EXPRESS" if is_express else "STANDARD"
        self.region = parts[3] if arn else _region(history)
        self.account = parts[4] if arn else _account(history)
        self.machine_arn = str(described.get("stateMachineArn", "") or history.machine.get("stateMachineArn", ""))
        self.machine = parts[6] if len(parts) > 6 else ""
        own_name = str(described.get("name", "") or (parts[7] if len(parts) > 7 else ""))
        self.name = name or own_name
        self.start = milliseconds(described["startDate"]) if "startDate" in described else first.at
        given = first.details.get("input", described.get("input"))
        if isinstance(given, str):
            given = Payload.parse(given)
        self.input = given or input or Payload.parse("{}")
        self.role = str(first.details.get("roleArn", ""))

    def execution(self, machine: Machine) -> Execution:
        """Return the execution as the engine needs it."""
        machine_name = self.machine or machine.name
        prefix = f"arn:aws:states:{self.region}:{self.account}"
        name = self.name or f"{machine_name}-{self.start}"
        return Execution(
            name=name,
            arn=self.arn or f"{prefix}:execution:{machine_name}:{name}",
            state_machine_name=machine_name,
            state_machine_arn=self.machine_arn or f"{prefix}:stateMachine:{machine_name}",
            role_arn=self.role,
            input=self.input,
            start_time=self.start,
            workflow_type=self.type,
            region=self.region,
            account=self.account,
        )


def _region(history: AwsHistory) -> str:
    return next((str(event.details["region"]) for event in history.events if "region" in event.details), REGION)


def _account(history: AwsHistory) -> str:
    parts = str(history.events[0].details.get("roleArn", "")).split(":")
    return parts[4] if len(parts) > 5 and parts[4] else ACCOUNT


class _NoteList(NullJournal):
    """Keeps the engine's notes, each with the last event that had happened in its fiber or below."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self.notes: list[tuple[int, Note]] = []

    def event(self, event: Event) -> None:
        self._last[event.fiber] = event.id

    def note(self, note: Note) -> None:
        prefix = f"{note.fiber}/" if note.fiber else ""
        below = (id for path, id in self._last.items() if path == note.fiber or path.startswith(prefix))
        self.notes.append((max(below, default=0), note))


def _of_another_definition(divergence: DivergenceError) -> DivergenceError:
    return DivergenceError(
        divergence.message,
        state=divergence.state,
        recorded=divergence.recorded,
        now=divergence.now,
        hint="import with the definition that ran (aws stepfunctions describe-state-machine-for-execution), then "
        "replay with the changed one: sfnrun trace replay last --definition FILE",
    )


def _in_order(
    history: AwsHistory, index: AwsEventIndex, given: list[GivenAnswer], notes: list[tuple[int, Note]]
) -> Iterator[Event | Note | Answered]:
    """Yield the events in AWS's order; before each the answers that it was taken for, after each the notes about it."""
    answers, remarks = deque(given), deque(sorted(notes, key=lambda one: one[0]))
    for event, happened in zip(index.events, index.happened, strict=True):
        while answers and answers[0].event <= event.id:
            yield answers.popleft().answered
        assert happened is not None
        merged = replace(happened, details={**_besides(event), **happened.details})
        yield keep_difference(merged, event.raw or {}, history.form, history.time)
        while remarks and remarks[0][0] <= event.id:
            yield remarks.popleft()[1]


def _besides(event: Event) -> dict[str, Any]:
    """Return the details that only AWS has: versions, workers."""
    return {name: value for name, value in event.details.items() if name not in _WITH_PAYLOADS}


_WITH_PAYLOADS = PAYLOADS | {"assignedVariables", "inputDetails", "outputDetails", "assignedVariablesDetails"}
