"""The identity of an execution, its task tokens, and the quotas that it is subject to."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from msgspec import Struct

from sfnrun.asl.model import Machine
from sfnrun.digest import sha256_hex
from sfnrun.payload import Json, Payload
from sfnrun.record import ACCOUNT, REGION, timestamp

__all__ = [
    "LIMITS",
    "NO_LIMITS",
    "Execution",
    "Issuer",
    "Limits",
    "key_digest",
    "key_of_token",
    "names_in_token",
    "start_line",
    "task_token",
]

DAY_MS = 86_400_000


class Limits(Struct, frozen=True):
    """Quotas of AWS: bytes of UTF-8, numbers of events and items, milliseconds. None removes a quota.

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
    """The identity of an execution. `start_time` and `redrive_time` are in milliseconds since 1970.

    `seed` determines all its randomness. `synchronous` is whether StartSyncExecution started an EXPRESS execution.
    `activities` are the ARNs of the activities that exist; None: all that Tasks name.
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
    region: str = REGION
    account: str = ACCOUNT
    redrive_count: int = 0
    redrive_time: int | None = None
    activities: frozenset[str] | None = None

    def context(self) -> dict[str, Json]:
        """Return the part of the context object that all states share; its order depends on the type, as on AWS."""
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
            shown = ("Id", "Input", "Name", "RoleArn", "StartTime")  # tests/engine/express.yaml
            members = {name: members[name] for name in (shown if self.synchronous else (*shown, "RedriveCount"))}
        machine = {"Id": self.state_machine_arn, "Name": self.state_machine_name}
        return {"Execution": members, "StateMachine": machine}


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


# What follows the execution's name in a token: the path of a fiber, the count of the key, and the digest.
KEY_IN_TOKEN = re.compile(r"(?P<path>(?:[0-9]+\.[0-9]+(?:\.[0-9]+\.[0-9]+)*)?):(?P<count>[0-9]+)-[0-9a-f]{16}")


class Issuer(NamedTuple):
    """What of an execution its task tokens are made of."""

    name: str
    arn: str
    seed: int


def task_token(execution: Execution | Issuer, key: str) -> str:
    """Return the task token of a Task: the execution's name, the key, and a digest that proves both."""
    return f"{execution.name}{key.replace('/', '.')}-{key_digest(execution, key)[:16]}"


def key_of_token(execution: Execution | Issuer, token: str) -> str | None:
    """Return the key of the Task that a token names; None if the execution has no such token."""
    found = KEY_IN_TOKEN.fullmatch(token.removeprefix(execution.name))
    if found is None:
        return None
    numbers = found["path"].split(".")
    path = "/".join(f"{fork}.{index}" for fork, index in zip(numbers[::2], numbers[1::2], strict=False))
    key = f"{path}:{found['count']}"
    return key if task_token(execution, key) == token else None


def names_in_token(token: str) -> list[str]:
    """Return the names that the execution of a token can have; there are several where the name ends in digits.

    Empty for a string that is not a task token.
    """
    return [token[:end] for end in range(1, len(token)) if KEY_IN_TOKEN.fullmatch(token, end)]


def key_digest(execution: Execution | Issuer, key: str) -> str:
    """Return a digest of an effect's key and its execution, the same in every replay."""
    return sha256_hex(f"{execution.seed}/{execution.arn}/{key}")
