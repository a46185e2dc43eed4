"""When an answer may be given again: what a policy says, and the verdict on one entry at one time; no clock is read.

Times are the engine's milliseconds, so a `Wait 61` under the virtual clock expires an entry of 60 s at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

from sfnrun.cache.entry import Entry
from sfnrun.payload import Json

__all__ = ["NoKey", "Policy", "Strategy", "Target", "Verdict", "expiry", "judge", "keep_seconds"]

Strategy = Literal["lazy", "write-through", "refresh-ahead"]
Code = Mapping[str, str]

# Two machines' clocks, or two threads that asked within the same moment, may differ by this much and still be "now".
SKEW_MS = 1000

_GRACE_SECONDS = 3600.0


class NoKey(Exception):
    """The part of a payload that counts is not in it; the message says what is missing."""


Select = Callable[[Json], Json]
"""The part of a payload that counts. Raises NoKey."""


class Target(Struct, frozen=True):
    """What a writing Task makes stale, or writes through to: all that `reader` keeps, or the entry that `key` names."""

    reader: Policy
    key: Select | None = None


class Policy(Struct, frozen=True):
    """How the answers of one Task are kept.

    `task` is the name they are kept under: that of the rule in sfnrun.yaml, so that a writing Task can name it.
    `by_resource`: the rule is a pattern, so the resource is part of the key. `key` picks the part of the payload that
    counts (None: all of it), `vary` names environment variables that count too. `writes` is the entry that this Task's
    result is put into for the Task that reads it, and `invalidates` what this Task makes stale; a Task with either is
    never answered from the cache itself. `watched` says that another policy invalidates all of this task, `written`
    that another writes, or makes stale, single entries of it.
    `refresh_ahead` is the last part of the TTL in which a hit fetches the next answer already. `redact` names members
    that are never shown.
    """

    task: str
    by_resource: bool = False
    strategy: Strategy = "lazy"
    ttl_ms: int | None = None
    key: Select | None = None
    vary: tuple[str, ...] = ()
    version: str = ""
    stale_if_error_ms: int = 0
    stale_while_revalidate_ms: int = 0
    negative_ttl_ms: int = 0
    jitter: float = 0.0
    refresh_ahead: float = 0.2
    writes: Target | None = None
    invalidates: tuple[Target, ...] = ()
    watched: bool = False
    written: bool = False
    redact: frozenset[str] = frozenset()

    @property
    def is_writer(self) -> bool:
        return self.writes is not None or bool(self.invalidates)


class Verdict(Struct, frozen=True):
    """What an entry is good for, and why it is not fresh.

    "fresh": an answer; "late": an answer while the next one is fetched; "spare": an answer if the handler fails;
    "gone": nothing. `refresh`: fetch the next one already.
    """

    good: Literal["fresh", "late", "spare", "gone"]
    reason: str = ""
    age_ms: int = 0
    expires_in_ms: int | None = None
    refresh: bool = False

    @property
    def answers(self) -> bool:
        """Whether it is an answer without asking the handler."""
        return self.good in {"fresh", "late"}


def expiry(policy: Policy, key: str, stored_at: int, *, failed: bool = False) -> int | None:
    """When what is stored now expires. Jitter only shortens a TTL, by a part that depends on the key alone."""
    ttl = policy.negative_ttl_ms if failed else policy.ttl_ms
    if ttl is None:
        return None
    share = int(key[:8], 16) / 0xFFFFFFFF if policy.jitter else 0.0
    return stored_at + round(ttl * (1 - policy.jitter * share))


def keep_seconds(policy: Policy, *, failed: bool = False) -> float | None:
    """When an entry is garbage, in seconds of real time: an hour after its windows; till then a miss says "expired"."""
    ttl = policy.negative_ttl_ms if failed else policy.ttl_ms
    windows = max(policy.stale_if_error_ms, policy.stale_while_revalidate_ms)
    return None if ttl is None else (ttl + windows) / 1000 + _GRACE_SECONDS


def judge(
    entry: Entry, policy: Policy, now: int, code: Code, resource: str, generation: str, attempt: int = 0
) -> Verdict:
    """What `entry` is good for at `now`, asked for by a Task of this policy, code and resource."""
    unfit = _unfit(entry, policy, now, code, resource, generation, attempt)
    if unfit:
        return Verdict("gone", unfit)
    age = max(0, now - entry.stored_at)
    expires_at = _expires_at(entry, policy)
    if expires_at is None:
        return Verdict("fresh", age_ms=age)
    left = expires_at - now
    if left > 0:
        ahead = policy.strategy == "refresh-ahead" and left <= (expires_at - entry.stored_at) * policy.refresh_ahead
        return Verdict("fresh", age_ms=age, expires_in_ms=left, refresh=ahead and entry.kind == "value")
    reason = f"expired {_ago(-left)} ago"
    if entry.kind == "value" and -left < policy.stale_while_revalidate_ms:
        return Verdict("late", reason, age, left, refresh=True)
    if entry.kind == "value" and -left < policy.stale_if_error_ms:
        return Verdict("spare", reason, age, left)
    return Verdict("gone", reason, age, left)


def _unfit(entry: Entry, policy: Policy, now: int, code: Code, resource: str, generation: str, attempt: int) -> str:
    """Why an entry is no answer whatever its age; nothing if it may be one."""
    if entry.kind == "gone":
        return f"invalidated by {entry.by}" if entry.by else "invalidated"
    if policy.watched and entry.generation != generation:
        return "invalidated"
    if entry.version != policy.version:
        return "version changed"
    if entry.resource is not None and entry.resource != resource:
        return "resource changed"
    if entry.code is not None and entry.code != code:
        return f"code changed: {_changed(entry.code, code)}"
    if entry.kind == "error" and attempt > 0:
        return "a retry asks anew"
    # A run under the virtual clock may have kept it in a year that has not come yet.
    if entry.asked_at > now + SKEW_MS:
        return "from the future"
    return ""


def _expires_at(entry: Entry, policy: Policy) -> int | None:
    """The earlier of what the entry says and what the policy says now, which may have been shortened since."""
    ttl = policy.negative_ttl_ms if entry.kind == "error" else policy.ttl_ms
    if ttl is None:
        return entry.expires_at
    by_policy = entry.stored_at + ttl
    return by_policy if entry.expires_at is None else min(entry.expires_at, by_policy)


def _changed(before: Code, after: Code) -> str:
    """The first file that differs, and how many more."""
    files = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def _ago(ms: int) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms >= size:
            return f"{ms // size}{unit}"
    return f"{ms}ms"
