"""Run an execution with what only AWS decides: its ARN, when it is stopped, which activities exist."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec.structs import replace

import sfnrun
from sfnrun.api.options import moment
from sfnrun.payload import Payload

__all__ = ["run"]


def run(
    definition: Any,
    input: Any = None,
    *,
    name: str = "n",
    start_time: int | None = None,
    stop_at: int | None = None,
    activities: Collection[str] | None = None,
    synchronous: bool = True,
    execution_arn: str | None = None,
    state_machine_name: str | None = None,
    **options: Any,
) -> sfnrun.Result:
    """`sfnrun.run`; `start_time` and `stop_at`, when StopExecution is called, are milliseconds since the Unix epoch."""
    if start_time is not None:
        options["start_time"] = moment(start_time)
    with sfnrun.Session(**options) as session:
        prepared = session._machines.prepare(definition)
        prepared = prepared._replace(name=state_machine_name or prepared.name)
        payload = input if isinstance(input, Payload) else Payload.from_python({} if input is None else input)
        identity = session.identify(prepared, name, payload)
        identity = replace(
            identity,
            arn=execution_arn or identity.arn,
            synchronous=synchronous,
            activities=None if activities is None else frozenset(activities),
        )
        execution = session.begin(prepared, identity)
        if stop_at is not None:
            session._world.call_at(stop_at, execution.stop)
        return execution.wait()
