"""Data flow of a state: one Flow for each query language, with the same steps.

    JSONPath  input -> InputPath -> Parameters -> (work) -> ResultSelector -> ResultPath -> OutputPath
    JSONata   input -> Arguments -> (work) -> Output
    both      Assign, which sees the variables as they were before the state

A step whose field the state does not have returns the same Payload, so that its text is made once.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-input-output-filtering.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from sfnrun.asl.model import Catcher, ChoiceRule
from sfnrun.engine.visit import Visit
from sfnrun.errors import StatesError
from sfnrun.expr.scope import Expression, PathError
from sfnrun.payload import Json, Payload

if TYPE_CHECKING:
    from sfnrun.expr.jsonpath import ReferencePath

__all__ = ["FLOWS", "Flow"]


class Flow(Protocol):
    """The seam between the interpreter and a query language."""

    def effective_input(self, visit: Visit) -> Payload:
        """Return the state's effective input: after InputPath."""

    def arguments(self, visit: Visit, effective: Payload) -> Payload:
        """Return the input of the state's Task, branches or items."""

    def output(self, visit: Visit, effective: Payload, result: Payload | None) -> Payload:
        """Return the state's output; `result` is None for a state that has none."""

    def choice_output(self, visit: Visit, effective: Payload, rule: ChoiceRule | None) -> Payload:
        """Return the output of a Choice whose `rule` matched (None: its Default)."""

    def catch_output(self, visit: Visit, catcher: Catcher, error: Payload) -> Payload:
        """Return the output of a state whose error a Catcher matched."""


class JsonPathFlow:
    """Paths, payload templates and the five filters."""

    def effective_input(self, visit: Visit) -> Payload:
        return _filtered(visit, "InputPath", visit.state.input_path, visit.input)

    def arguments(self, visit: Visit, effective: Payload) -> Payload:
        template = visit.state.parameters
        return effective if template is None else visit.provided(visit.evaluate(template, effective))

    def output(self, visit: Visit, effective: Payload, result: Payload | None) -> Payload:
        state = visit.state
        if result is None:
            result = effective
        if state.result_selector is not None:
            result = Payload(visit.evaluate(state.result_selector, result))
        _assign(visit, state.assign, result)
        if state.type in ("Pass", "Task", "Parallel", "Map"):
            result = _placed(visit, state.result_path, "ResultPath" in state.discards, result)
        return _filtered(visit, "OutputPath", state.output_path, result)

    def choice_output(self, visit: Visit, effective: Payload, rule: ChoiceRule | None) -> Payload:
        _assign(visit, visit.state.assign if rule is None else rule.assign, effective)
        return _filtered(visit, "OutputPath", visit.state.output_path, effective)

    def catch_output(self, visit: Visit, catcher: Catcher, error: Payload) -> Payload:
        _assign(visit, catcher.assign, error)
        return _placed(visit, catcher.result_path, catcher.discards_error, error)


def _filtered(visit: Visit, field: str, path: Expression | None, payload: Payload) -> Payload:
    if path is None:
        return Payload({}) if field in visit.state.discards else payload
    value = visit.evaluate(path, payload)
    return payload if value is payload.value else Payload(value)


def _placed(visit: Visit, path: Expression | None, discards: bool, result: Payload) -> Payload:
    """Apply ResultPath: put the result into the state's input."""
    if discards:
        return visit.input
    if path is None:
        return result
    target = cast("ReferencePath", path)
    assert target.keys is not None
    if len(target.keys) == 1 and isinstance(target.keys[0], str) and isinstance(visit.input.value, dict):
        return visit.input.with_member(target.keys[0], result.value)
    try:
        return Payload(target.put(visit.input.value, result.value))
    except PathError as error:
        # AWS's name for the specification's ResultPathMatchFailure, and no prefix; see tests/engine/catch.yaml.
        name, aliases = "States.ReferencePathConflict", ("States.ResultPathMatchFailure",)
        raise StatesError(name, error.message, aliases=aliases) from None


def _assign(visit: Visit, template: Expression | None, document: Payload) -> None:
    if template is not None:
        visit.assigned = visit.evaluate(template, document)


class JsonataFlow:
    """One expression language for everything, on the `$states` object."""

    def effective_input(self, visit: Visit) -> Payload:
        return visit.input

    def arguments(self, visit: Visit, effective: Payload) -> Payload:
        arguments = visit.state.arguments
        if arguments is None:
            return effective
        return visit.provided(visit.evaluate_states(arguments, {"input": effective.value}))

    def output(self, visit: Visit, effective: Payload, result: Payload | None) -> Payload:
        states: dict[str, Json] = {"input": effective.value}
        if result is not None:
            states["result"] = result.value
        state = visit.state
        return _concluded(visit, state.assign, state.output, states, effective if result is None else result)

    def choice_output(self, visit: Visit, effective: Payload, rule: ChoiceRule | None) -> Payload:
        source = visit.state if rule is None else rule
        output = source.output or visit.state.output
        return _concluded(visit, source.assign, output, {"input": effective.value}, effective)

    def catch_output(self, visit: Visit, catcher: Catcher, error: Payload) -> Payload:
        states = {"input": visit.input.value, "errorOutput": error.value}
        return _concluded(visit, catcher.assign, catcher.output, states, error)


def _concluded(
    visit: Visit, assign: Expression | None, output: Expression | None, states: dict[str, Json], default: Payload
) -> Payload:
    if assign is not None:
        visit.assigned = visit.evaluate_states(assign, states)
    return default if output is None else Payload(visit.evaluate_states(output, states))


FLOWS: dict[str, Flow] = {"JSONPath": JsonPathFlow(), "JSONata": JsonataFlow()}
