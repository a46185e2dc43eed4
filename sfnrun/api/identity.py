"""Identity of an execution that starts: its name, its ARN, its seed, and AWS's rules for what it is started with."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING

from sfnrun.engine.execution import LIMITS, Execution
from sfnrun.errors import ApiError, UsageError
from sfnrun.payload import Payload
from sfnrun.record import ACCOUNT, REGION

if TYPE_CHECKING:
    from sfnrun.api.machines import Prepared
    from sfnrun.api.options import Options

__all__ = ["check_start", "default_name", "identity_of", "seed_of"]

# Characters that AWS rejects in the name of an execution, which is also the name of its file.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
NOT_IN_A_NAME = re.compile(r'[\s?*<>{}\[\]:;,\\|^~$#%&`"/\x00-\x1f\x7f-\x9f]')
LAST = re.compile(r"last(?:~[0-9]+)?")


def check_start(name: str | None, input: Payload, *, limits: bool) -> None:
    """Apply StartExecution's own rules, before anything runs. Raises ApiError InvalidName, or UsageError."""
    if name is not None:
        found = NOT_IN_A_NAME.search(name)
        if found or not 0 < len(name) <= 80:
            hint = f"remove {found[0]!r}" if found else "a name has 1 to 80 characters"
            raise ApiError("InvalidName", f"Invalid Name: '{name}'", hint)
        if LAST.fullmatch(name):
            raise UsageError(f"invalid name '{name}'", "last is the address of the execution that was started last")
    if limits and LIMITS.data_bytes is not None and input.exceeds(LIMITS.data_bytes):
        size = len(input.text.encode("utf-8", "surrogatepass"))
        message = f"input is {size:,} bytes, more than the limit of {LIMITS.data_bytes:,}"
        raise UsageError(message, "pass --no-limits to disable AWS quotas")


def seed_of(prepared: Prepared, options: Options) -> int | None:
    """The seed that the options or the settings say."""
    seed = options.get("seed")
    return prepared.project.settings.seed if seed is None else seed


def default_name(prepared: Prepared, seed: int | None) -> str:
    """The name of an execution that gets none: with a `seed` the same one every time."""
    return f"{prepared.machine.name}-{time.strftime('%Y%m%d-%H%M%S') if seed is None else f'seed-{seed}'}"


def identity_of(prepared: Prepared, options: Options, name: str, input: Payload, start_time: int) -> Execution:
    """The identity of an execution that starts at a time, in milliseconds since the Unix epoch."""
    settings = prepared.project.settings
    region = options.get("region") or settings.region or REGION
    account = options.get("account") or settings.account or ACCOUNT
    type = options.get("type") or "STANDARD"
    role_arn = options.get("role_arn") or prepared.project.own.role_arn
    seed = seed_of(prepared, options)
    prefix = f"arn:aws:states:{region}:{account}"
    return Execution(
        name=name,
        arn=f"{prefix}:{'execution' if type == 'STANDARD' else 'express'}:{prepared.name}:{name}",
        state_machine_name=prepared.name,
        state_machine_arn=f"{prefix}:stateMachine:{prepared.name}",
        role_arn=role_arn or f"arn:aws:iam::{account}:role/StepFunctionsRole",
        input=input,
        start_time=start_time,
        seed=random.SystemRandom().getrandbits(48) if seed is None else seed,
        workflow_type=type,
        region=region,
        account=account,
    )
