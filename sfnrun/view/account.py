"""One visit of a state, for eyes: what its data was at every stage and what changed it, and why it went as it did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sfnrun.history.account import Account, Stage
from sfnrun.history.aws_time import written
from sfnrun.payload import Json, Payload, dumps
from sfnrun.view.changes import summary
from sfnrun.view.line import MARKS, Line
from sfnrun.view.measures import clean, counted, duration, fit
from sfnrun.view.tidy_json import tidy

__all__ = ["account_as_json", "stages", "why"]

_LINES = 40
# Stages that are mostly the data of the stage before with something changed.
_CHANGING = ("afterResultPath", "output", "afterInputPath")
_NAME_COLUMN = 22
_EXPRESSION = 90


def heading(account: Account) -> Iterator[Line]:
    """Which visit it is, when, and how it ended."""
    visit = account.visit
    parts = [visit.type, f"event {visit.entered}", str(written(visit.began, "zulu"))]
    if account.visits > 1:
        parts.append(f"visit {account.place} of {account.visits} (--visit N for another)")
    if account.attempts > 1:
        parts.append(f"attempt {account.attempt} of {account.attempts}")
    if visit.fiber:
        parts.append(f"in {visit.fiber}")
    parts.append(f"{visit.outcome} after {duration(visit.took)}" if visit.took else visit.outcome)
    kind = {"succeeded": "good", "failed": "bad", "caught": "warn"}.get(visit.outcome, "faint")
    yield Line(kind, text=f"{clean(visit.name)}  {' · '.join(parts)}")


def stages(account: Account) -> Iterator[Line]:
    """Each stage with its data, or with what changed since the one before."""
    yield from heading(account)
    before: Payload | None = None
    for stage in account.stages:
        # A ResultPath puts the result into the input, and is read best as what it changed there.
        puts = stage.name == "afterResultPath" and stage.expression
        yield from _stage(stage, account.visit.input if puts else before)
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
    """Whether most of the one is in the other, so that changes say more than the whole."""
    a, b = one.value, other.value
    return isinstance(a, dict) and isinstance(b, dict) and bool(a.keys() & b.keys())


def _pretty(value: Json) -> Iterator[str]:
    lines = list(tidy(value, indent="  "))
    yield from lines[:_LINES]
    if len(lines) > _LINES:
        yield f"  … {counted(len(lines) - _LINES, 'more line')} (--format json has them)"


def why(account: Account) -> Iterator[Line]:
    """Each thing that was decided, with its evidence."""
    yield from heading(account)
    if not account.reasons:
        yield Line("faint", text="    nothing was decided here: no rule, no failure, no cache")
    for reason in account.reasons:
        indent = "" if MARKS[reason.mark][0] else "      "
        yield Line(reason.mark, text=indent + clean(reason.text))
        yield from (Line("faint", text=f"          {clean(detail)}") for detail in reason.details if detail)


def account_as_json(account: Account) -> str:
    """All of it as one JSON object: inspectionData under TestState's names, and the reasons."""
    visit = account.visit
    data: dict[str, Any] = {stage.name: stage.payload.value for stage in account.stages if stage.payload is not None}
    failed = {stage.name: stage.error for stage in account.stages if stage.error is not None}
    told = {
        "state": visit.name,
        "type": visit.type,
        "fiber": visit.fiber,
        "visit": account.place,
        "visits": account.visits,
        "attempt": account.attempt,
        "attempts": account.attempts,
        "outcome": visit.outcome,
        "inspectionData": data,
        "errors": failed,
        "expressions": {stage.name: stage.expression for stage in account.stages if stage.expression},
        "reasons": [{"text": reason.text, "details": list(reason.details)} for reason in account.reasons],
    }
    return json.dumps(told, indent=2, ensure_ascii=False)
