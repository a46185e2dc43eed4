"""Lines and JSON of an Explanation: the data of a visit at every stage, and the reasons for its outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sfnrun.explain.explanation import Explanation, Stage
from sfnrun.payload import Json, Payload, dumps
from sfnrun.record import timestamp
from sfnrun.view.changes import summary
from sfnrun.view.line import MARKS, Line
from sfnrun.view.pretty_json import pretty
from sfnrun.view.text import clean, counted, duration, fit

__all__ = ["explanation_as_json", "stages", "why"]

_LINES = 40
# Stages that are usually the data of the stage before with a few changes.
_CHANGING = ("afterResultPath", "output", "afterInputPath")
_NAME_COLUMN = 22
_EXPRESSION = 90


def heading(explanation: Explanation) -> Iterator[Line]:
    """Yield the line with the visit, its time and its outcome."""
    visit = explanation.visit
    parts = [visit.type, f"event {visit.entered}", timestamp(visit.began)]
    if explanation.visits > 1:
        parts.append(f"visit {explanation.visit_number} of {explanation.visits} (--visit N for another)")
    if explanation.attempts > 1:
        parts.append(f"attempt {explanation.attempt} of {explanation.attempts}")
    if visit.fiber:
        parts.append(f"in {visit.fiber}")
    parts.append(f"{visit.outcome} after {duration(visit.took)}" if visit.took else visit.outcome)
    kind = {"succeeded": "good", "failed": "bad", "caught": "warn"}.get(visit.outcome, "faint")
    yield Line(kind, text=f"{clean(visit.name)}  {' · '.join(parts)}")


def stages(explanation: Explanation) -> Iterator[Line]:
    """Yield each stage with its data, or with the changes since the stage before."""
    yield from heading(explanation)
    before: Payload | None = None
    for stage in explanation.stages:
        # ResultPath puts the result into the input, so the changes are shown against the input.
        into_input = stage.name == "afterResultPath" and stage.expression
        yield from _stage(stage, explanation.visit.input if into_input else before)
        before = stage.payload or before


def _stage(stage: Stage, before: Payload | None) -> Iterator[Line]:
    name = stage.name.ljust(_NAME_COLUMN)
    made = f"  {fit(clean(stage.expression), _EXPRESSION)}" if stage.expression else ""
    if stage.error is not None:
        yield Line("text", text="")
        yield Line("bad", text=f"{name.rstrip()}{made}")
        yield Line("bad", text=f"  {clean(stage.error)}")
    elif stage.payload is not None and before is not None and _same(stage.payload, before):
        yield Line("faint", text=f"{name}as before{made}")
    elif stage.payload is not None:
        yield Line("text", text="")
        yield Line("text", text=f"{name.rstrip()}{made}")
        if before is not None and stage.name in _CHANGING and _is_alike(stage.payload, before):
            whole = "the input, and" if stage.name == "afterResultPath" else "as before, but"
            yield Line("faint", text=f"  {whole}")
            yield from (Line(one.kind, text=one.text) for one in summary(before.value, stage.payload.value, _LINES))
        else:
            yield from (Line("text", text=clean(line)) for line in _pretty(stage.payload.value))


def _same(one: Payload, other: Payload) -> bool:
    return one.value is other.value or dumps(one.value) == dumps(other.value)


def _is_alike(one: Payload, other: Payload) -> bool:
    """Return whether the two share keys, so that the changes are shorter than the whole."""
    a, b = one.value, other.value
    return isinstance(a, dict) and isinstance(b, dict) and bool(a.keys() & b.keys())


def _pretty(value: Json) -> Iterator[str]:
    lines = list(pretty(value, indent="  "))
    yield from lines[:_LINES]
    if len(lines) > _LINES:
        yield f"  … {counted(len(lines) - _LINES, 'more line')} (--format json has them)"


def why(explanation: Explanation) -> Iterator[Line]:
    """Yield each decision with its evidence."""
    yield from heading(explanation)
    if not explanation.reasons:
        yield Line("faint", text="    nothing to explain: no Choice rule, no failure, no cache lookup")
    for reason in explanation.reasons:
        indent = "" if MARKS[reason.mark][0] else "      "
        yield Line(reason.mark, text=indent + clean(reason.text))
        yield from (Line("faint", text=f"          {clean(detail)}") for detail in reason.details if detail)


def explanation_as_json(explanation: Explanation) -> str:
    """Return the explanation as one JSON object: inspectionData under TestState's names, and the reasons."""
    visit = explanation.visit
    data: dict[str, Any] = {
        stage.name: stage.payload.value for stage in explanation.stages if stage.payload is not None
    }
    failed = {stage.name: stage.error for stage in explanation.stages if stage.error is not None}
    explained = {
        "state": visit.name,
        "type": visit.type,
        "fiber": visit.fiber,
        "visit": explanation.visit_number,
        "visits": explanation.visits,
        "attempt": explanation.attempt,
        "attempts": explanation.attempts,
        "outcome": visit.outcome,
        "inspectionData": data,
        "errors": failed,
        "expressions": {stage.name: stage.expression for stage in explanation.stages if stage.expression},
        "reasons": [{"text": reason.text, "details": list(reason.details)} for reason in explanation.reasons],
    }
    return json.dumps(explained, indent=2, ensure_ascii=False)
