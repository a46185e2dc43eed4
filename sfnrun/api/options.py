"""Options of running executions, declared once for `run`, `Session`, `resume`, `redrive` and `replay`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from sfnrun.errors import UsageError, did_you_mean
from sfnrun.payload import Json

if TYPE_CHECKING:
    from sfnrun.api.caching import CacheOptions
    from sfnrun.asl.load import WorkflowType
    from sfnrun.config import Settings
    from sfnrun.effects import Pause, Resumed
    from sfnrun.history.store import Store
    from sfnrun.record import Listener
    from sfnrun.tasks.callables import Tasks

__all__ = ["IDENTITY", "ClockName", "Duration", "Options", "check", "milliseconds", "moment", "moment_ms"]

ClockName = Literal["virtual", "real"]

# Seconds, text such as "90s" or "1h30m", or a timedelta.
Duration = float | str | timedelta


class Options(TypedDict, total=False):
    """Options of running executions. All are optional, and named as on the command line and in sfnrun.yaml.

    Who answers Tasks:
        tasks: a callable for all Tasks, or a mapping of state, function or resource names to callables and fixed
            results. It takes precedence over everything below.
        config: Settings, or the files to read instead of sfnrun.yaml; the later override the earlier ones.
        functions: directory of Python handlers.
        mock_config, test_case: a MockConfigFile.json and the test case to use.
        cache: CacheOptions; True caches every Task, False none. By default the settings decide.
        debug: call handlers one by one on the calling thread and without time limits, for `breakpoint()`.
        step: called before every state with a Pause; returns how to continue.
    The execution:
        type: STANDARD or EXPRESS; by default what the template says, else STANDARD.
        substitutions: values for `${Name}` in definitions, on top of those in the settings.
        limits: whether AWS's quotas apply (256 KiB, 25,000 events, …); True by default.
        region, account, role_arn: parts of the ARNs.
    Time and randomness:
        clock: "virtual" (the default in Python: waits pass instantly) or "real".
        seed: decides all randomness; with a virtual clock the same seed gives the same history.
        start_time: when the execution starts; a datetime with a time zone.
    Recording:
        store: a Store or a directory to record in; by default nothing is recorded.
        fsync: write each answer to the disk before it counts.
        keep_events: keep the events in memory, for the Result; True by default.
        listener: receives events and notes as they happen.
        warn: receives each warning once: of the definition, or of a cache that cannot be used.
        interruptible: Ctrl-C aborts the executions, and only a second one raises KeyboardInterrupt.
    """

    tasks: Tasks
    config: Settings | str | Path | Sequence[str | Path] | None
    functions: str | Path | None
    mock_config: str | Path | None
    test_case: str | None
    cache: CacheOptions | bool | None
    debug: bool
    step: Callable[[Pause], Resumed] | None
    type: WorkflowType | None
    substitutions: Mapping[str, Json] | None
    limits: bool
    region: str | None
    account: str | None
    role_arn: str | None
    clock: ClockName | None
    seed: int | None
    start_time: datetime | None
    store: Store | str | Path | None
    fsync: bool
    keep_events: bool
    listener: Listener | None
    warn: Callable[[str], None] | None
    interruptible: bool


# What a recorded execution is; it cannot be changed when it goes on or is replayed.
IDENTITY = ("type", "substitutions", "limits", "region", "account", "role_arn", "seed", "start_time")


def check(options: Options, *, without: Sequence[str] = ()) -> Options:
    """Return the options, which Python does not check. Raises TypeError for an unknown one, UsageError for a value."""
    known = Options.__annotations__
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known)
            raise TypeError(f"unexpected option {name!r}" + (hint and f"; {hint}"))
        if name in without:
            raise UsageError(f"'{name}' is as recorded and cannot be changed", f"remove {name}")
    clock = options.get("clock")
    if clock not in (None, "virtual", "real"):
        raise UsageError(f"invalid clock '{clock}'", "a clock is 'virtual' or 'real'")
    return options


def milliseconds(duration: Duration) -> int:
    """The milliseconds of a duration. Raises UsageError."""
    if isinstance(duration, timedelta):
        return round(duration / timedelta(milliseconds=1))
    from sfnrun.config import milliseconds as parsed

    try:
        return parsed(duration)
    except ValueError:
        raise UsageError(f"invalid duration: {duration!r}", "write seconds, or 90s, 15m, 2h, 1d") from None


def moment(ms: int) -> datetime:
    """The UTC time of milliseconds since the Unix epoch."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def moment_ms(moment: datetime) -> int:
    """Milliseconds since the Unix epoch. Raises UsageError for a datetime without a time zone."""
    if moment.tzinfo is None:
        raise UsageError(f"{moment} has no time zone", "pass an aware datetime, such as datetime.now(UTC)")
    return round((moment - datetime.fromtimestamp(0, UTC)) / timedelta(milliseconds=1))
