"""The data of a visit at every stage, under the names of TestState, from what was observed and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sfnrun.asl.model import Fail, Field, Map, Pass, State
from sfnrun.explain.explanation import Stage
from sfnrun.explain.observe import Evaluated, Observed
from sfnrun.expr.jsonpath import ReferencePath
from sfnrun.expr.scope import PathError
from sfnrun.history.visit import Visit
from sfnrun.payload import Payload

__all__ = ["stages_of"]

_SHOWN = 200  # characters of a value that should have been an array


class _Attempt(NamedTuple):
    """The attempt that is described: the payload and result of its Task, and its expressions."""

    payload: Payload | None
    result: Payload | None
    evaluated: list[Evaluated]


def stages_of(state: State, observed: Observed, number: int) -> Iterator[Stage]:
    """Yield the stages of attempt `number` (from 1) in order, without those that it did not reach."""
    visit, found = observed.visit, observed.visit.attempts[number - 1]
    attempt = _Attempt(found.payload, found.result, observed.evaluated[number - 1])
    is_last = number == len(visit.attempts)
    flow = _jsonata if state.query_language == "JSONata" else _jsonpath
    yield Stage("input", visit.input)
    yield from flow(state, visit, attempt)
    if found.error is not None and found.result is None:
        yield Stage("error", None, "", found.error + (f": {found.cause}" if found.cause else ""))
    if is_last and visit.output is not None:
        yield Stage("output", visit.output, _output_text(attempt))
    variables = {**visit.variables, **visit.assigned} if is_last else visit.variables
    if variables:
        values = Payload({name: payload.value for name, payload in variables.items()})
        yield Stage("variables", values, _text_of(_find(attempt, "Assign")))


def _jsonpath(state: State, visit: Visit, attempt: _Attempt) -> Iterator[Stage]:
    """TestState returns every filter that a state's type can have, set or not: tests/conformance/test_test_state.py."""
    if isinstance(state, Fail):
        return
    if isinstance(state, Pass) and state.is_constant:
        yield from _after_result(state, visit, attempt, Payload(state.result))
        return
    effective = _effective(state, visit, attempt)
    yield effective
    if effective.payload is None:
        return
    if isinstance(state, Map):
        yield from _map_stages(state, attempt, effective.payload)
    elif state.type in ("Pass", "Task", "Parallel"):
        sent = _sent(_stage("afterParameters", _find(attempt, "Parameters"), effective.payload), attempt)
        yield sent
        if isinstance(state, Pass) and sent.payload is not None:
            yield from _selected(state, visit, attempt, sent.payload)
    if attempt.result is not None:
        yield from _after_result(state, visit, attempt, attempt.result)


def _after_result(state: State, visit: Visit, attempt: _Attempt, result: Payload) -> Iterator[Stage]:
    yield Stage("result", result)
    yield from _selected(state, visit, attempt, result)


def _selected(state: State, visit: Visit, attempt: _Attempt, result: Payload) -> Iterator[Stage]:
    """Yield the stages after a result. The value that a Pass makes of its Parameters is not a result."""
    selected = _stage("afterResultSelector", _find(attempt, "ResultSelector"), result)
    yield selected
    if selected.payload is not None:
        yield _after_result_path(state, visit, selected.payload)


def _effective(state: State, visit: Visit, attempt: _Attempt) -> Stage:
    if "InputPath" in state.discards:
        return Stage("afterInputPath", Payload({}), "null")
    return _stage("afterInputPath", _find(attempt, "InputPath"), visit.input)


def _sent(stage: Stage, attempt: _Attempt) -> Stage:
    """The payload of a Task is in its event, with the recorded random values and tokens."""
    return stage if attempt.payload is None else Stage(stage.name, attempt.payload, stage.expression)


def _after_result_path(state: State, visit: Visit, result: Payload) -> Stage:
    if "ResultPath" in state.discards:
        return Stage("afterResultPath", visit.input, "null")
    path = state.result_path
    if not isinstance(path, ReferencePath) or visit.input is None:
        return Stage("afterResultPath", result)
    try:
        return Stage("afterResultPath", Payload(path.put(visit.input.value, result.value)), path.text)
    except PathError as error:
        return Stage("afterResultPath", None, path.text, error.message)


def _jsonata(state: State, visit: Visit, attempt: _Attempt) -> Iterator[Stage]:
    if isinstance(state, Map):
        yield from _map_stages(state, attempt, visit.input)
    elif state.arguments is not None:
        yield _sent(_stage("afterArguments", _find(attempt, "Arguments"), visit.input), attempt)
    if attempt.result is not None:
        yield Stage("result", attempt.result)


def _map_stages(state: Map, attempt: _Attempt, given: Payload | None) -> Iterator[Stage]:
    items = _items(state, attempt, given)
    if items is not None:
        yield items
    if items is None or items.payload is None:
        return
    yield from _bounds(state, attempt)
    selected = [each for each in attempt.evaluated if each.field == "ItemSelector"]
    if selected:
        failed = next((each.error for each in selected if each.error), None)
        yield Stage("afterItemSelector", Payload([each.value for each in selected]), selected[0].text, failed)


def _items(state: Map, attempt: _Attempt, given: Payload | None) -> Stage | None:
    """Return the array of a Map, or an error if the value is not an array. None if the attempt did not reach it."""
    field = state.items
    found = None if field is None else _find(attempt, field.name)
    if field is not None and field.expression is not None and found is None:
        return None
    stage = _stage("afterItemsPath", found, given if field is None else Payload(field.literal))
    if stage.payload is None or isinstance(stage.payload.value, list):
        return stage
    return Stage(stage.name, None, stage.expression, f"not an array: {stage.payload.text[:_SHOWN]}")


def _bounds(state: Map, attempt: _Attempt) -> Iterator[Stage]:
    """Yield the concurrency, which TestState returns for every Map, and the failure tolerances that are set."""
    bounds = {
        "maxConcurrency": state.max_concurrency or Field("MaxConcurrency", 0),
        "toleratedFailureCount": state.tolerated_failure_count,
        "toleratedFailurePercentage": state.tolerated_failure_percentage,
    }
    for name, field in bounds.items():
        if field is not None and (field.expression is None or _find(attempt, field.name)):
            yield _stage(name, _find(attempt, field.name), Payload(field.literal))


def _output_text(attempt: _Attempt) -> str:
    """Return the text of the expression that made the output: the last one evaluated for it."""
    made = [one for one in attempt.evaluated if one.field == "OutputPath" or one.field.rpartition("/")[2] == "Output"]
    return made[-1].text if made else ""


def _find(attempt: _Attempt, field: str) -> Evaluated | None:
    return next((each for each in attempt.evaluated if each.field.rpartition("/")[2] == field), None)


def _text_of(evaluated: Evaluated | None) -> str:
    return "" if evaluated is None else evaluated.text


def _stage(name: str, evaluated: Evaluated | None, default: Payload | None) -> Stage:
    if evaluated is None:
        return Stage(name, default)
    if evaluated.error is not None:
        return Stage(name, None, evaluated.text, evaluated.error)
    return Stage(name, Payload(evaluated.value), evaluated.text)
