"""What can be told of one visit of a state: its data at every stage, and why it went as it did.

Stages have the names of AWS's TestState: input, afterInputPath, afterParameters or afterArguments, result,
afterResultSelector, afterResultPath, output, variables.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_InspectionData.html
"""

from __future__ import annotations

from msgspec import Struct

from sfnrun.history.visits import Visit
from sfnrun.payload import Payload

__all__ = ["Account", "Reason", "Stage"]


class Stage(Struct, frozen=True):
    """The data at one stage. `expression` is what made it, "" where the state says nothing; `error` why it has none."""

    name: str
    payload: Payload | None
    expression: str = ""
    error: str | None = None


class Reason(Struct, frozen=True):
    """One thing that was decided: `mark` is yes, no or what happened (a kind of view.line), `details` the evidence."""

    mark: str
    text: str
    details: tuple[str, ...] = ()


class Account(Struct, frozen=True):
    """A visit; `visits` counts those of its state, of which it is number `place`, `attempt` is the one that is told."""

    visit: Visit
    place: int
    visits: int
    attempt: int
    attempts: int
    stages: tuple[Stage, ...]
    reasons: tuple[Reason, ...]
