"""Run one execution: a Session of one.

machine = sfnrun.load("order.asl.yaml")
result = sfnrun.run(machine, {"id": 7}, tasks={"ChargeCard": charge})
assert result.status == "SUCCEEDED"
"""

from __future__ import annotations

from typing import Unpack

from sfnrun.api.options import Options
from sfnrun.api.result import Result
from sfnrun.api.session import Session
from sfnrun.asl.load import Definition
from sfnrun.payload import Json, Payload

__all__ = ["run"]


def run(
    machine: Definition, input: Json | Payload = None, *, name: str | None = None, **options: Unpack[Options]
) -> Result:
    """Run a state machine to completion.

    The clock is virtual, and nothing is recorded, unless the options say so. The project is found from the definition's
    file; a mapping has none, and nothing is read for it without `config`.

    Args:
        machine: MACHINE (a file, `FILE#NAME`, a name in the project), the text or the mapping of a definition, or a
            Machine.
        input: A JSON value, or a Payload, which keeps its text; None means `{}`.
        name: Name of the execution, made up by default.
        options: See Options.

    Returns:
        The Result, also of an execution that failed.

    Raises:
        DefinitionError, ConfigError, UnansweredTaskError, UsageError: It cannot be run; nothing was.
        ApiError: InvalidName, or ExecutionAlreadyExists.
        WaitingError: Under a virtual clock, only task tokens are left to wait for.
    """
    with Session(**options) as session:
        return session.run(machine, input, name=name)
