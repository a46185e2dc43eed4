"""What an execution came to, as it is handed to whoever ran, replayed, resumed or redrove it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct

from sfnrun.engine.execution import Execution
from sfnrun.engine.run import Outcome
from sfnrun.payload import Json, Payload
from sfnrun.record import Event, Status

__all__ = ["Result", "result_of"]


class Result(Struct, frozen=True, dict=True):
    """How an execution ended. `output` is a JSON value (None unless it succeeded), `output_text` its text.

    `status` is AWS's: SUCCEEDED, FAILED, TIMED_OUT, ABORTED; RUNNING for a replay whose recording has no end. Times
    are in milliseconds since 1970, by the clock of the run. `history` is the file it was recorded in, if any.
    """

    status: Status
    name: str
    execution_arn: str
    start_time: int
    stop_time: int
    event_count: int
    error: str | None = None
    cause: str | None = None
    history: Path | None = None
    payload: Payload | None = None
    recorded: Iterable[Event] = ()

    @property
    def output(self) -> Json:
        return None if self.payload is None else self.payload.value

    @property
    def output_text(self) -> str | None:
        return None if self.payload is None else self.payload.text

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The history as boto3's `get_execution_history` gives it; a replay's as recorded, none if it was not kept."""
        return [event.to_aws() for event in self.recorded]


def result_of(execution: Execution, outcome: Outcome, events: Iterable[Event], history: Path | None) -> Result:
    """What is told of an execution that ended so."""
    return Result(
        status=outcome.status,
        name=execution.name,
        execution_arn=execution.arn,
        start_time=execution.start_time,
        stop_time=outcome.at,
        event_count=outcome.events,
        error=outcome.error,
        cause=outcome.cause,
        history=history,
        payload=outcome.output,
        recorded=events,
    )
