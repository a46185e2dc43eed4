"""Instrument a Machine so that an observer receives the value of each expression of one state.

Everything else about a visit (attempts, the results of Tasks, variables) is in the Timeline of the re-run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
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
from sfnrun.engine import visit as engine
from sfnrun.errors import StatesError
from sfnrun.expr.scope import Expression, PathError, Scope
from sfnrun.history.timeline import Timeline
from sfnrun.history.visit import Visit
from sfnrun.payload import Json, Payload
from sfnrun.record import Event, Note

__all__ = ["Describe", "Evaluated", "Finding", "Observed", "Observer", "RuleSeen", "instrumented"]


Finding = tuple[str, bool | None, str]
"""A part of a rule, its value (None: it failed, or is not a condition), and the value of its operand."""

Describe = Callable[[int, Json, Scope], list[Finding]]


class Evaluated(NamedTuple):
    """An evaluated expression: its `value`, or the `error` that it failed with."""

    field: str
    text: str
    value: Json = None
    error: str | None = None


class RuleSeen(NamedTuple):
    """An evaluated Choice rule: its number from 1, its outcome (None: it failed), and the findings about its parts."""

    number: int
    outcome: bool | None
    findings: list[Finding]
    error: str | None = None


class Observed(NamedTuple):
    """A visit, the expressions that each of its attempts evaluated, and the Choice rules."""

    visit: Visit
    evaluated: list[list[Evaluated]]
    rules: list[RuleSeen]


class Observer:
    """Receives the expressions of the states with one name, and as a Listener the events and notes of the re-run.

    `describe(index, document, scope)` evaluates the parts of a Choice rule while its scope exists.
    """

    def __init__(self, state: str, describe: Describe, redrives: Iterable[Mapping[str, Json]] = ()) -> None:
        self.state = state
        self.timeline = Timeline(redrives=redrives)
        self._describe = describe
        self._evaluated: dict[tuple[int, int], list[Evaluated]] = defaultdict(list)
        self._rules: dict[int, list[RuleSeen]] = defaultdict(list)

    def observed(self, entered: int) -> Observed:
        """Return what was observed of the visit with this StateEntered event."""
        visit = next(visit for visit in self.timeline if visit.entered == entered)
        evaluated = [self._evaluated[entered, number] for number in range(1, len(visit.attempts) + 1)]
        return Observed(visit, evaluated, self._rules[entered])

    def evaluated(self, scope: Scope, evaluated: Evaluated) -> None:
        """An expression of an observed state was evaluated."""
        visit = self._visit(scope)
        self._evaluated[visit.entered, len(visit.attempts)].append(evaluated)

    def ruled(self, scope: Scope, index: int, document: Json, outcome: bool | None, error: str | None = None) -> None:
        """A Choice rule of an observed state was evaluated."""
        findings = self._describe(index, document, scope)
        self._rules[self._visit(scope).entered].append(RuleSeen(index + 1, outcome, findings, error))

    def _visit(self, scope: Scope) -> Visit:
        assert isinstance(scope, engine.Visit)
        return self.timeline.open[scope.fiber.path]

    def event(self, event: Event) -> None:
        self.timeline.event(event)
        if event.type in ("MapStateSucceeded", "ParallelStateSucceeded"):
            visit = self.timeline.open.get(event.fiber)
            if visit is not None and visit.name == self.state:
                visit.attempts[-1].result = self._joined(visit)

    def _joined(self, visit: Visit) -> Payload:
        """Return the outputs of the branches or items that the last attempt of a visit started."""
        inside = (each for each in self.timeline if each.around is visit and each.fork == visit.forks)
        outputs = {each.item or 0: each.output for each in inside}
        return Payload.joined([output for _, output in sorted(outputs.items()) if output is not None])

    def note(self, note: Note) -> None:
        self.timeline.note(note)


# --- instrumentation ---


def instrumented(machine: Machine, observer: Observer) -> Machine:
    """Return the machine, with expressions of the observed states that report their values to the observer."""
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
        changes |= _observed_fields(state, observer)
    return msgspec.structs.replace(state, **changes) if changes else state


def _observed_fields(state: State, observer: Observer) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for row in fields_of(state.type, state.query_language):
        if not row.attribute or row.attribute in changes or row.kind in ("target", "constant"):
            continue  # ResultPath is not evaluated: `stages` applies it again
        value: Expression | Field | None = getattr(state, row.attribute)
        if isinstance(value, Field):
            if value.expression is not None:
                observed = _Observed(value.expression, value.name, observer)
                changes[row.attribute] = Field(value.name, value.literal, observed)
        elif value is not None:
            changes[row.attribute] = _Observed(value, row.name, observer)
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
        matches=_observed_rule(rule.matches, index, observer),
        assign=_maybe(rule.assign, f"Choices[{index}]/Assign", observer),
        output=_maybe(rule.output, f"Choices[{index}]/Output", observer),
    )


def _observed_rule(
    matches: Callable[[Json, Any], bool], index: int, observer: Observer
) -> Callable[[Json, Scope], bool]:
    def observed(document: Json, scope: Scope) -> bool:
        try:
            outcome = matches(document, scope)
        except StatesError as error:
            observer.ruled(scope, index, document, None, error.cause)
            raise
        observer.ruled(scope, index, document, outcome)
        return outcome

    return observed


def _maybe(expression: Expression | None, field: str, observer: Observer) -> Expression | None:
    return None if expression is None else _Observed(expression, field, observer)


class _Observed:
    """An expression that reports its value."""

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
        evaluated = Evaluated(self._field, self.text)
        try:
            value = self._expression.evaluate(document, scope)
        except PathError as error:
            self._observer.evaluated(scope, evaluated._replace(error=error.message))
            raise
        except StatesError as error:
            self._observer.evaluated(scope, evaluated._replace(error=error.cause or error.name))
            raise
        self._observer.evaluated(scope, evaluated._replace(value=value))
        return value
