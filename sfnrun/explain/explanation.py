"""The explanation of one visit of a state: its data at every stage, and the reasons for its outcome.

Stages have the names of AWS's TestState: input, afterInputPath, afterParameters or afterArguments, result,
afterResultSelector, afterResultPath, output, variables.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_InspectionData.html
"""

from __future__ import annotations

from msgspec import Struct

from sfnrun.history.visit import Visit
from sfnrun.payload import Payload

__all__ = ["Explanation", "Reason", "Stage"]


class Stage(Struct, frozen=True):
    """The data at one stage; `expression` made it, "" if the state does not set it; `error` says why it is missing."""

    name: str
    payload: Payload | None
    expression: str = ""
    error: str | None = None


class Reason(Struct, frozen=True):
    """One decision: `mark` is its kind (one of view.line.MARKS), `details` are the evidence."""

    mark: str
    text: str
    details: tuple[str, ...] = ()


class Explanation(Struct, frozen=True):
    """Visit `visit_number` of `visits` of its state (from 1); `attempt` of `attempts` is the one described."""

    visit: Visit
    visit_number: int
    visits: int
    attempt: int
    attempts: int
    stages: tuple[Stage, ...]
    reasons: tuple[Reason, ...]
