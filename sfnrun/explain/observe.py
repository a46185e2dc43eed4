"""A machine whose expressions tell what they gave, and the observer that they tell it to.

Only the states of one name are watched. What the expressions do not tell (the results of Tasks and branches, the
variables) the observer takes from the events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from sfnrun.asl.field_table import fields_of
from sfnrun.asl.model import (
    Catcher,
    Choice,
    ChoiceRule,
    Field,
    Machine,
    Map,
    Parallel,
    State,
    StateMachine,
)
from sfnrun.engine.visit import Visit
from sfnrun.errors import StatesError
from sfnrun.expr.jsonpath import PathError
from sfnrun.expr.scope import Expression, Scope
from sfnrun.payload import Json, Payload
from sfnrun.record import Event, Note

__all__ = ["AttemptSeen", "Describe", "Evaluated", "Finding", "Observer", "RuleSeen", "VisitSeen", "watched"]


Finding = tuple[str, bool | None, str]
"""A part of a rule, what it came to (None: it failed, or is no condition), and what its operand held."""

Describe = Callable[[int, Json, Scope], list[Finding]]


class Evaluated(NamedTuple):
    """What an expression gave: `value`, or the `error` that it failed with."""

    field: str
    text: str
    value: Json = None
    error: str | None = None


class RuleSeen(NamedTuple):
    """A Choice rule that was looked at, its place from 0: what came out (None: it failed), and what its parts did."""

    place: int
    outcome: bool | None
    findings: list[Finding]
    error: str | None = None


class AttemptSeen(msgspec.Struct):
    """What was seen in one attempt: what a Task was `asked` with, `result` what it, the branches or the items gave."""

    asked: Payload | None = None
    evaluated: list[Evaluated] = msgspec.field(default_factory=list)
    result: Payload | None = None
    error: str | None = None
    cause: str | None = None
    retry: Note | None = None
    redriven: bool = False


class VisitSeen(msgspec.Struct):
    """What was seen of one visit: its attempts, its rules, the notes of the engine, and the variables before it."""

    variables: Mapping[str, Payload]
    attempts: list[AttemptSeen]
    rules: list[RuleSeen] = msgspec.field(default_factory=list)
    notes: list[Note] = msgspec.field(default_factory=list)
    assigned: Mapping[str, Payload] = msgspec.field(default_factory=dict)


class Observer:
    """Hears expressions and events of a replay; `visits` has what was seen, by the id of the StateEntered event.

    `describe(index, document, scope)` finds out what the parts of a Choice rule come to, while its scope lasts.
    """

    def __init__(self, state: str, describe: Describe) -> None:
        self.state = state
        self._describe = describe
        self.visits: dict[int, VisitSeen] = {}
        self._open: dict[str, VisitSeen] = {}
        self._variables: dict[str, Mapping[str, Payload]] = {"": {}}
        self._outputs: dict[str, Payload] = {}

    # --- what expressions tell ---

    def evaluated(self, scope: Scope, told: Evaluated) -> None:
        """An expression of a watched state was evaluated."""
        self._seen(scope).attempts[-1].evaluated.append(told)

    def ruled(self, scope: Scope, index: int, document: Json, outcome: bool | None, error: str | None = None) -> None:
        """A Choice rule of a watched state was looked at."""
        findings = self._describe(index, document, scope)
        self._seen(scope).rules.append(RuleSeen(index, outcome, findings, error))

    def _seen(self, scope: Scope) -> VisitSeen:
        assert isinstance(scope, Visit)
        return self.visits[scope.entered]

    # --- what the engine tells ---

    def event(self, event: Event) -> None:
        fiber, type = event.fiber, event.type
        if fiber not in self._variables:
            self._variables[fiber] = self._variables[fiber.rpartition("/")[0]]
        if type.endswith("StateEntered"):
            left = self._open.pop(fiber, None)
            if left is not None and len(left.attempts) > 1 and left.attempts[-2].redriven:
                del left.attempts[-1]  # the redrive did not go on with it, but from another state
                left.attempts[-1].redriven = False
            if event.details["name"] == self.state:
                seen = VisitSeen(self._variables[fiber], [AttemptSeen()])
                self._open[fiber] = self.visits[event.id] = seen
        elif type.endswith("StateExited"):
            self._exited(event)
        elif type == "ExecutionRedriven":
            for seen in self._open.values():
                seen.attempts[-1].redriven = True
                seen.attempts.append(AttemptSeen())
        elif fiber in self._open:
            self._inside(event, self._open[fiber].attempts[-1])

    def _exited(self, event: Event) -> None:
        assigned = event.details.get("assignedVariables") or {}
        self._variables[event.fiber] = {**self._variables[event.fiber], **assigned}
        self._outputs[event.fiber] = event.details["output"]
        seen = self._open.pop(event.fiber, None)
        if seen is not None:
            seen.assigned = assigned

    def _inside(self, event: Event, attempt: AttemptSeen) -> None:
        if event.type in ("MapStateSucceeded", "ParallelStateSucceeded"):
            attempt.result = self._joined(event.fiber)
        elif event.type.endswith("Scheduled"):
            attempt.asked = event.details.get("parameters") or event.details.get("input")
        elif event.type.endswith("Succeeded") and "output" in event.details:
            attempt.result = event.details["output"]
        elif event.type.endswith(("Failed", "TimedOut")) and "error" in event.details:
            attempt.error, attempt.cause = event.details.get("error"), event.details.get("cause")

    def _joined(self, fiber: str) -> Payload:
        """The outputs of the children of a fiber, those of its last attempt."""
        children = {}
        for path, output in self._outputs.items():
            parent, _, last = path.rpartition("/")
            if path and parent == fiber:
                fork, index = last.split(".")
                children[int(fork), int(index)] = output
        latest = max((fork for fork, _ in children), default=0)
        return Payload.joined([children[key] for key in sorted(children) if key[0] == latest])

    def note(self, note: Note) -> None:
        seen = self._open.get(note.fiber)
        if seen is None:
            return
        seen.notes.append(note)
        if note.kind in ("retry", "catch"):
            attempt = seen.attempts[-1]
            attempt.error = note.details.get("error") or attempt.error
            attempt.cause = note.details.get("cause") or attempt.cause
        if note.kind == "retry":
            seen.attempts[-1].retry = note
            seen.attempts.append(AttemptSeen())


# --- a machine that tells ---


def watched(machine: Machine, observer: Observer) -> Machine:
    """The machine with the observed states' expressions replaced by ones that tell the observer."""
    return msgspec.structs.replace(machine, graph=_graph(machine.graph, observer))


def _graph(graph: StateMachine, observer: Observer) -> StateMachine:
    states = {name: _state(state, observer) for name, state in graph.states.items()}
    return msgspec.structs.replace(graph, states=states)


def _state(state: State, observer: Observer) -> State:
    changes: dict[str, Any] = {}
    if isinstance(state, Parallel):
        changes["branches"] = tuple(_graph(branch, observer) for branch in state.branches)
    if isinstance(state, Map):
        changes["processor"] = _graph(state.processor, observer)
    if state.name == observer.state:
        changes |= _told(state, observer)
    return msgspec.structs.replace(state, **changes) if changes else state


def _told(state: State, observer: Observer) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for row in fields_of(state.type, state.query_language):
        if not row.attribute or row.attribute in changes or row.kind in ("target", "constant"):
            continue  # a ResultPath is not evaluated
        value: Expression | Field | None = getattr(state, row.attribute)
        if isinstance(value, Field):
            if value.expression is not None:
                watched = _Watched(value.expression, value.name, observer)
                changes[row.attribute] = Field(value.name, value.literal, watched)
        elif value is not None:
            changes[row.attribute] = _Watched(value, row.name, observer)
    changes["catch"] = tuple(_catcher(catcher, index, observer) for index, catcher in enumerate(state.catch))
    if isinstance(state, Choice):
        changes["choices"] = tuple(_rule(rule, index, observer) for index, rule in enumerate(state.choices))
    return changes


def _catcher(catcher: Catcher, index: int, observer: Observer) -> Catcher:
    return msgspec.structs.replace(
        catcher,
        assign=_maybe(catcher.assign, f"Catch[{index}]/Assign", observer),
        output=_maybe(catcher.output, f"Catch[{index}]/Output", observer),
    )


def _rule(rule: ChoiceRule, index: int, observer: Observer) -> ChoiceRule:
    return msgspec.structs.replace(
        rule,
        matches=_told_rule(rule.matches, index, observer),
        assign=_maybe(rule.assign, f"Choices[{index}]/Assign", observer),
        output=_maybe(rule.output, f"Choices[{index}]/Output", observer),
    )


def _told_rule(matches: Callable[[Json, Any], bool], index: int, observer: Observer) -> Callable[[Json, Scope], bool]:
    def told(document: Json, scope: Scope) -> bool:
        try:
            outcome = matches(document, scope)
        except StatesError as error:
            observer.ruled(scope, index, document, None, error.cause)
            raise
        observer.ruled(scope, index, document, outcome)
        return outcome

    return told


def _maybe(expression: Expression | None, field: str, observer: Observer) -> Expression | None:
    return None if expression is None else _Watched(expression, field, observer)


class _Watched:
    """An expression that tells what it gave."""

    def __init__(self, expression: Expression, field: str, observer: Observer) -> None:
        self._expression = expression
        self._field = field
        self._observer = observer

    @property
    def text(self) -> str:
        return self._expression.text

    @property
    def reads(self) -> frozenset[str]:
        return self._expression.reads

    def evaluate(self, document: Json, scope: Scope) -> Json:
        told = Evaluated(self._field, self.text)
        try:
            value = self._expression.evaluate(document, scope)
        except PathError as error:
            self._observer.evaluated(scope, told._replace(error=error.message))
            raise
        except StatesError as error:
            self._observer.evaluated(scope, told._replace(error=error.cause or error.name))
            raise
        self._observer.evaluated(scope, told._replace(value=value))
        return value
