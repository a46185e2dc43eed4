"""The data of a state at every stage, under the names of TestState, from what was seen and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.asl.model import Map, Pass, State
from sfnrun.explain.observe import AttemptSeen, Evaluated, VisitSeen
from sfnrun.expr.jsonpath import PathError, ReferencePath
from sfnrun.history.account import Stage
from sfnrun.history.visits import Visit
from sfnrun.payload import Payload

__all__ = ["stages_of"]

_WORKING = ("Pass", "Task", "Parallel", "Map")


def stages_of(state: State, visit: Visit, seen: VisitSeen, attempt: AttemptSeen, last: bool) -> Iterator[Stage]:
    """The stages of one attempt, in order; those that it did not come to are left out."""
    flow = _jsonata if state.query_language == "JSONata" else _jsonpath
    yield Stage("input", visit.input)
    yield from flow(state, visit, attempt)
    if attempt.error is not None and attempt.result is None:
        yield Stage("error", None, "", attempt.error + (f": {attempt.cause}" if attempt.cause else ""))
    if last and visit.output is not None:
        yield Stage("output", visit.output, _output_text(attempt))
    variables = {**seen.variables, **seen.assigned} if last else seen.variables
    if variables:
        told = Payload({name: payload.value for name, payload in variables.items()})
        yield Stage("variables", told, _text_of(_find(attempt, "Assign")))


def _jsonpath(state: State, visit: Visit, attempt: AttemptSeen) -> Iterator[Stage]:
    effective = _effective(state, visit, attempt)
    yield effective
    given = effective.payload
    if isinstance(state, Map):
        yield from _map_stages(attempt)
    elif state.type in ("Pass", "Task", "Parallel") and not (isinstance(state, Pass) and state.has_result):
        stage = _asked(_stage("afterParameters", _find(attempt, "Parameters"), given), attempt)
        yield stage
        given = stage.payload
    if visit.outcome == "caught" and attempt.result is None:
        return
    result = _result(state, attempt, given)
    if result is None or state.type not in _WORKING:
        return
    yield Stage("result", result)
    selected = _find(attempt, "ResultSelector")
    if selected is not None:
        stage = _stage("afterResultSelector", selected, result)
        yield stage
        if stage.payload is None:
            return
        result = stage.payload
    yield _after_result_path(state, visit, result)


def _effective(state: State, visit: Visit, attempt: AttemptSeen) -> Stage:
    if "InputPath" in state.discards:
        return Stage("afterInputPath", Payload({}), "null")
    return _stage("afterInputPath", _find(attempt, "InputPath"), visit.input)


def _asked(stage: Stage, attempt: AttemptSeen) -> Stage:
    """What a Task was asked with is in its event, chance and tokens as they were."""
    return stage if attempt.asked is None else Stage(stage.name, attempt.asked, stage.expression)


def _result(state: State, attempt: AttemptSeen, given: Payload | None) -> Payload | None:
    if isinstance(state, Pass):
        return Payload(state.result) if state.has_result else given
    return attempt.result


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


def _jsonata(state: State, visit: Visit, attempt: AttemptSeen) -> Iterator[Stage]:
    if isinstance(state, Map):
        yield from _map_stages(attempt)
    elif state.arguments is not None:
        yield _asked(_stage("afterArguments", _find(attempt, "Arguments"), visit.input), attempt)
    if attempt.result is not None:
        yield Stage("result", attempt.result)


def _map_stages(attempt: AttemptSeen) -> Iterator[Stage]:
    items = _find(attempt, "ItemsPath") or _find(attempt, "Items")
    if items is not None:
        yield _stage("afterItemsPath", items, None)
    selected = [each for each in attempt.evaluated if each.field == "ItemSelector"]
    if selected:
        failed = next((each.error for each in selected if each.error), None)
        yield Stage("afterItemSelector", Payload([each.value for each in selected]), selected[0].text, failed)


def _output_text(attempt: AttemptSeen) -> str:
    """The text of the expression that made the output: the last one that was evaluated for it."""
    made = [one for one in attempt.evaluated if one.field == "OutputPath" or one.field.rpartition("/")[2] == "Output"]
    return made[-1].text if made else ""


def _find(attempt: AttemptSeen, field: str) -> Evaluated | None:
    return next((each for each in attempt.evaluated if each.field.rpartition("/")[2] == field), None)


def _text_of(evaluated: Evaluated | None) -> str:
    return "" if evaluated is None else evaluated.text


def _stage(name: str, evaluated: Evaluated | None, default: Payload | None) -> Stage:
    if evaluated is None:
        return Stage(name, default)
    if evaluated.error is not None:
        return Stage(name, None, evaluated.text, evaluated.error)
    return Stage(name, Payload(evaluated.value), evaluated.text)
