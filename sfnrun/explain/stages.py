"""The data of a state at every stage, under the names of TestState, from what was seen and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.asl.model import Fail, Field, Map, Pass, State
from sfnrun.explain.observe import AttemptSeen, Evaluated, VisitSeen
from sfnrun.expr.jsonpath import PathError, ReferencePath
from sfnrun.history.account import Stage
from sfnrun.history.visits import Visit
from sfnrun.payload import Payload

__all__ = ["stages_of"]

_SHOWN = 200  # characters of what should have been something else


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
    """Every filter that a state of its type may have is told, whether the definition has it or not (recorded)."""
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
        asked = _asked(_stage("afterParameters", _find(attempt, "Parameters"), effective.payload), attempt)
        yield asked
        if isinstance(state, Pass) and asked.payload is not None:
            yield from _selected(state, visit, attempt, asked.payload)
    if attempt.result is not None:
        yield from _after_result(state, visit, attempt, attempt.result)


def _after_result(state: State, visit: Visit, attempt: AttemptSeen, result: Payload) -> Iterator[Stage]:
    yield Stage("result", result)
    yield from _selected(state, visit, attempt, result)


def _selected(state: State, visit: Visit, attempt: AttemptSeen, result: Payload) -> Iterator[Stage]:
    """What became of a result; a Pass that has none gives on what its Parameters made, and that is no result."""
    selected = _stage("afterResultSelector", _find(attempt, "ResultSelector"), result)
    yield selected
    if selected.payload is not None:
        yield _after_result_path(state, visit, selected.payload)


def _effective(state: State, visit: Visit, attempt: AttemptSeen) -> Stage:
    if "InputPath" in state.discards:
        return Stage("afterInputPath", Payload({}), "null")
    return _stage("afterInputPath", _find(attempt, "InputPath"), visit.input)


def _asked(stage: Stage, attempt: AttemptSeen) -> Stage:
    """What a Task was asked with is in its event, chance and tokens as they were."""
    return stage if attempt.asked is None else Stage(stage.name, attempt.asked, stage.expression)


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
        yield from _map_stages(state, attempt, visit.input)
    elif state.arguments is not None:
        yield _asked(_stage("afterArguments", _find(attempt, "Arguments"), visit.input), attempt)
    if attempt.result is not None:
        yield Stage("result", attempt.result)


def _map_stages(state: Map, attempt: AttemptSeen, given: Payload | None) -> Iterator[Stage]:
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


def _items(state: Map, attempt: AttemptSeen, given: Payload | None) -> Stage | None:
    """The array that a Map works on; what is none is told as what is wrong. None: it did not come to it."""
    field = state.items
    found = None if field is None else _find(attempt, field.name)
    if field is not None and field.expression is not None and found is None:
        return None
    stage = _stage("afterItemsPath", found, given if field is None else Payload(field.literal))
    if stage.payload is None or isinstance(stage.payload.value, list):
        return stage
    return Stage(stage.name, None, stage.expression, f"this is no array: {stage.payload.text[:_SHOWN]}")


def _bounds(state: Map, attempt: AttemptSeen) -> Iterator[Stage]:
    """How many items at once, which every Map has, and how many of them may fail, if it says so (recorded)."""
    bounds = {
        "maxConcurrency": state.max_concurrency or Field("MaxConcurrency", 0),
        "toleratedFailureCount": state.tolerated_failure_count,
        "toleratedFailurePercentage": state.tolerated_failure_percentage,
    }
    for name, field in bounds.items():
        if field is not None and (field.expression is None or _find(attempt, field.name)):
            yield _stage(name, _find(attempt, field.name), Payload(field.literal))


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
