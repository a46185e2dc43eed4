"""One execution as a whole: who it is, what it may cost, and its first and last event."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from sfnrun.asl.model import Machine
from sfnrun.payload import Json, Payload

__all__ = ["LIMITS", "NO_LIMITS", "Execution", "Limits", "start_line", "timestamp"]

DAY_MS = 86_400_000


class Limits(Struct, frozen=True):
    """Quotas of the service: bytes of UTF-8, numbers of events and items, milliseconds. None lifts one.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    """

    data_bytes: int | None = 262_144
    events: int | None = 25_000
    standard_ms: int | None = 365 * DAY_MS
    express_ms: int | None = 300_000
    map_concurrency: int | None = 40


LIMITS = Limits()
NO_LIMITS = Limits(data_bytes=None, events=None, standard_ms=None, express_ms=None, map_concurrency=None)


class Execution(Struct, frozen=True):
    """Who an execution is. `start_time` is in milliseconds since 1970, and `redrive_time`, if it was redriven.

    `seed` decides all its randomness.

    `synchronous` tells an EXPRESS execution that StartSyncExecution started from one that StartExecution did.
    `activities` are the ARNs of the activities that exist; None: every one that a Task names.
    """

    name: str
    arn: str
    state_machine_name: str
    state_machine_arn: str
    role_arn: str
    input: Payload
    start_time: int
    seed: int = 0
    workflow_type: Literal["STANDARD", "EXPRESS"] = "STANDARD"
    synchronous: bool = True
    region: str = "us-east-1"
    account: str = "123456789012"
    redrive_count: int = 0
    redrive_time: int | None = None
    activities: frozenset[str] | None = None

    def context(self) -> dict[str, Json]:
        """The part of the context object that all states share; AWS orders the keys differently by type."""
        members: dict[str, Json] = {
            "Id": self.arn,
            "Input": self.input.value,
            "StartTime": timestamp(self.start_time),
            "Name": self.name,
            "RoleArn": self.role_arn,
            "RedriveCount": self.redrive_count,
        }
        if self.redrive_time is not None:
            members["RedriveTime"] = timestamp(self.redrive_time)
        if self.workflow_type == "EXPRESS":
            shown = ("Id", "Input", "Name", "RoleArn", "StartTime")  # StartSyncExecution knows no redrive (recorded)
            members = {name: members[name] for name in (shown if self.synchronous else (*shown, "RedriveCount"))}
        machine = {"Id": self.state_machine_arn, "Name": self.state_machine_name}
        return {"Execution": members, "StateMachine": machine}


@lru_cache(maxsize=256)
def timestamp(ms: int) -> str:
    """A time of the engine as AWS writes it: `2026-11-22T08:30:00.000Z`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def start_line(machine: Machine, execution: Execution, *, limits: bool, stepping: bool) -> dict[str, Json]:
    """Return the start line of a history: everything that a replay needs besides the answers."""
    from sfnrun.version import __version__

    return {
        "version": __version__,
        "name": execution.name,
        "arn": execution.arn,
        "type": execution.workflow_type,
        "state_machine_name": execution.state_machine_name,
        "state_machine_arn": execution.state_machine_arn,
        "role_arn": execution.role_arn,
        "region": execution.region,
        "account": execution.account,
        "seed": execution.seed,
        "start_time": execution.start_time,
        "limits": limits,
        "synchronous": execution.synchronous,
        "activities": None if execution.activities is None else sorted(execution.activities),
        "stepping": stepping,
        "input": execution.input.text,
        "sha256": machine.sha256,
        "file": machine.file,
        "definition": machine.text,
        "substitutions": dict(machine.substitutions),
    }
