"""Turns an execution that AWS ran into one of our histories: the interpreter runs over AWS's events and finds answers.

AWS tells what a Task answered, but not in which branch, nor under which key the engine asks. So the definition is run
once beside the events (history.ledger): each event that happens is looked up among AWS's, each answer is what AWS's
next event says, and what happens otherwise than on AWS is a DivergenceError. The result is an ordinary recording.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sfnrun.api.recorded import start_line
from sfnrun.asl.load import Definition, as_source, load
from sfnrun.asl.model import Machine
from sfnrun.engine.execution import LIMITS, Execution
from sfnrun.engine.run import Outcome, Redrive, interpret
from sfnrun.errors import DivergenceError, HistoryError
from sfnrun.history.aws import AwsHistory, read_aws
from sfnrun.history.aws_time import milliseconds
from sfnrun.history.exports.aws import verbatim
from sfnrun.history.file import HistoryFile
from sfnrun.history.journal import Nowhere
from sfnrun.payload import Json, Payload
from sfnrun.record import Event, Note
from sfnrun.replayer.aws_driver import Given, RetraceDriver
from sfnrun.replayer.aws_events import Entry, Ledger
from sfnrun.replayer.nondeterminism import states_using_chance
from sfnrun.replayer.recorded import Exhausted

__all__ = ["import_execution"]


def import_execution(
    documents: Mapping[str, Json] | Iterable[Json],
    definition: Definition | None,
    folder: str | Path,
    *,
    input: Payload | None = None,
    substitutions: Mapping[str, Json] | None = None,
    execution: str | None = None,
    name: str | None = None,
) -> Path:
    """Make an execution that AWS ran one of ours: a history in `folder`, whose file is returned.

    `documents` are what AWS says of it, as JSON values (boto3's answers as they are): the pages of
    get_execution_history in any order, or for EXPRESS the log events of CloudWatch; beside them what
    describe_execution and describe_state_machine_for_execution answer. One document need not be in a list.

        pages = boto3.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        history = sfnrun.import_execution(pages, "order.asl.yaml", "histories")
        sfnrun.replay(history, definition="changed.asl.yaml")  # DivergenceError: the first state that goes another way

    `definition` is the one that ran, with `substitutions` for its `${Name}`s; None takes it from the documents. `input`
    counts where the events lack it. `execution`, an ARN or a name, chooses one of several in a log. `name` is the
    recording's, else the execution's own. Executions that were redriven are imported with all their attempts.

    Raises DivergenceError where the definition does not lead to these events; HistoryError for events that are
    missing, cut where a Task's answer is needed, or of several executions, and for a name that is taken;
    DefinitionError.
    """
    documents = [documents] if isinstance(documents, Mapping) else documents
    history = read_aws(documents, execution)
    _check(history)
    source = as_source(_definition(history, definition), substitutions)
    who = _Identity(history, name or "", input)
    machine = load(source, workflow_type=who.type)
    told = who.execution(machine)
    path = Path(folder) / f"{told.name}.jsonl"
    if path.exists():
        raise HistoryError(f"An execution is recorded as {path} already.", "Choose another --name.")
    entries = [Entry(e.id, e.previous, e.at, e.type, e.details, e.original) for e in history.events]
    ledger = Ledger(entries, states_using_chance(machine))
    driver, notes = RetraceDriver(ledger), _Notes()

    def redrives(outcome: Outcome) -> Redrive | None:
        answered = driver.redriven()
        return None if answered is None else Redrive(answered, machine)

    try:
        with suppress(Exhausted):
            interpret(machine, told, driver, notes, LIMITS, stepping=True, foreign=ledger, redrives=redrives)
        ledger.end()
    except DivergenceError as divergence:
        raise _not_of_this_definition(divergence) from None
    with closing(HistoryFile(path, _start(machine, told, history))) as file:
        _write(file, history, ledger, driver.given, notes.notes)
    return path


def _check(history: AwsHistory) -> None:
    first = history.events[0]
    if first.type != "ExecutionStarted":
        raise HistoryError(f"The history begins with {first.type}.", "Log at level ALL; the others leave events out.")


def _definition(history: AwsHistory, given: Definition | None) -> Definition:
    if given is not None:
        return given
    text = history.machine.get("definition")
    if not isinstance(text, str):
        raise HistoryError(
            "There is no definition to understand the events by.",
            "Give --definition, or what describe-state-machine-for-execution prints beside the history.",
        )
    return text if text.lstrip().startswith("{") else "\n" + text


class _Identity:
    """Who the execution was: from describe-execution, from its ARN in a log, else from what its events say."""

    def __init__(self, history: AwsHistory, name: str, input: Payload | None) -> None:
        described, first = history.execution, history.events[0]
        arn = str(described.get("executionArn", ""))
        parts = arn.split(":")
        self.arn = arn
        self.is_express = ":express:" in arn or (history.form == "logs" and ":execution:" not in arn)
        self.type: Any = "EXPRESS" if self.is_express else "STANDARD"
        self.region = parts[3] if arn else _region(history)
        self.account = parts[4] if arn else _account(history)
        self.machine_arn = str(described.get("stateMachineArn", "") or history.machine.get("stateMachineArn", ""))
        self.machine = parts[6] if len(parts) > 6 else ""
        self.own_name = str(described.get("name", "") or (parts[7] if len(parts) > 7 else ""))
        self.name = name or self.own_name
        self.start = milliseconds(described["startDate"]) if "startDate" in described else first.at
        text = first.details.get("input", described.get("input"))
        self.input = Payload.parse(text) if isinstance(text, str) else input or Payload.parse("{}")
        self.role = str(first.details.get("roleArn", ""))

    def execution(self, machine: Machine) -> Execution:
        """The execution as the engine knows it."""
        name = self.machine or machine.name
        prefix = f"arn:aws:states:{self.region}:{self.account}"
        own = self.name or f"{name}-{self.start}"
        return Execution(
            name=own,
            arn=self.arn or f"{prefix}:execution:{name}:{own}",
            state_machine_name=name,
            state_machine_arn=self.machine_arn or f"{prefix}:stateMachine:{name}",
            role_arn=self.role,
            input=self.input,
            start_time=self.start,
            workflow_type=self.type,
            region=self.region,
            account=self.account,
        )


def _region(history: AwsHistory) -> str:
    return next((str(event.details["region"]) for event in history.events if "region" in event.details), "us-east-1")


def _account(history: AwsHistory) -> str:
    parts = str(history.events[0].details.get("roleArn", "")).split(":")
    return parts[4] if len(parts) > 5 and parts[4] else "123456789012"


class _Notes(Nowhere):
    """Keeps what the engine notes, each with the last event that had happened in its fiber or below."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self.notes: list[tuple[int, Note]] = []

    def event(self, event: Event) -> None:
        self._last[event.fiber] = event.id

    def note(self, note: Note) -> None:
        prefix = f"{note.fiber}/" if note.fiber else ""
        below = (id for path, id in self._last.items() if path == note.fiber or path.startswith(prefix))
        self.notes.append((max(below, default=0), note))


def _not_of_this_definition(divergence: DivergenceError) -> DivergenceError:
    return DivergenceError(
        divergence.message,
        state=divergence.state,
        recorded=divergence.recorded,
        now=divergence.now,
        hint="Import with the definition that ran (aws stepfunctions describe-state-machine-for-execution), then "
        "replay with the changed one: sfnrun trace replay last --definition FILE.",
    )


def _start(machine: Machine, execution: Execution, history: AwsHistory) -> dict[str, Json]:
    imported = {"form": history.form, "time": history.time}
    return {**start_line(machine, execution, limits=True, stepping=True), "imported": imported}


def _write(
    file: HistoryFile, history: AwsHistory, ledger: Ledger, given: list[Given], notes: list[tuple[int, Note]]
) -> None:
    """Events in AWS's order; before each the answers that it tells of, after each what was noted of it."""
    answers, remarks = deque(given), deque(sorted(notes, key=lambda one: one[0]))
    for entry in ledger.entries:
        while answers and answers[0].event <= entry.id:
            file.answer(answers.popleft().answered)
        event = Event(entry.id, entry.previous, entry.at, entry.type, entry.fiber or "", _details(entry))
        members = {**event.details, **verbatim(event, entry.original, history.form, history.time)}
        file.event(replace(event, details=members))
        while remarks and remarks[0][0] <= entry.id:
            file.note(remarks.popleft()[1])


def _details(entry: Entry) -> dict[str, Any]:
    """What happened, and what AWS says besides of its own events (versions, workers)."""
    besides = {name: value for name, value in entry.details.items() if name not in _OF_PAYLOADS}
    return {**besides, **entry.happened}


_OF_PAYLOADS = frozenset({
    "input", "output", "parameters", "assignedVariables", "inputDetails", "outputDetails", "assignedVariablesDetails",
})  # fmt: skip
