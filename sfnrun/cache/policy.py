"""Cache policies, and whether an entry is fresh, stale or expired at a given time.

Nothing here reads a clock. Times are milliseconds of the engine's clock, so with the virtual clock a `Wait` of 61 s
expires an entry with a TTL of 60 s at once. The words are those of RFC 5861: stale-while-revalidate, stale-if-error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.cache.entry import Entry
from sfnrun.cache.outcome import in_largest_unit
from sfnrun.config import CacheRule, CacheTarget, Project
from sfnrun.config.names import same_function
from sfnrun.effects import Request
from sfnrun.errors import UsageError
from sfnrun.payload import Json

__all__ = [
    "CompileKey",
    "KeyNotFound",
    "Policies",
    "Policy",
    "Strategy",
    "Target",
    "Verdict",
    "expiry",
    "judge",
    "retention_seconds",
]

Strategy = Literal["lazy", "write-through", "refresh-ahead"]
Code = Mapping[str, str]

# Clocks of two machines differ by this much without an entry counting as stored in the future.
SKEW_MS = 1000

# An expired entry is retained for another hour, so that a miss can report "expired".
_GRACE_SECONDS = 3600.0


class KeyNotFound(Exception):
    """The payload lacks the part that a policy uses as key; the message says what is missing."""


Select = Callable[[Json], Json]
"""Selects the part of a payload that is the key. Raises KeyNotFound."""


class Target(Struct, frozen=True):
    """What a writing Task invalidates or writes: all entries of `reader`, or the one that `key` selects."""

    reader: Policy
    key: Select | None = None


class Policy(Struct, frozen=True):
    """How the results of one Task are cached.

    `task` is the name of the rule in sfnrun.yaml, by which a writing Task refers to it. `by_resource`: the rule is a
    pattern, so the resource is part of the key. `key` selects the part of the payload that is the key (None: all of
    it); the environment variables in `vary` are part of the key too.
    `writes` is the entry in which this Task stores its result for the Task that reads it, `invalidates` are the entries
    that this Task invalidates; the handler of a Task with either is always called. `tagged`: another policy invalidates
    all entries of this task. `written`: another policy writes or invalidates single entries of it.
    `refresh_ahead` is the last fraction of the TTL in which a hit refreshes the entry. Values of the keys in `redact`
    are never shown.
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
    tagged: bool = False
    written: bool = False
    redact: frozenset[str] = frozenset()

    @property
    def is_writer(self) -> bool:
        return self.writes is not None or bool(self.invalidates)


class Verdict(Struct, frozen=True):
    """Whether an entry can be returned, and why it is not fresh.

    "fresh": return it; "stale": return it and refresh it; "stale_if_error": return it if the handler fails; "unusable":
    a miss. `refresh`: call the handler in the background.
    """

    freshness: Literal["fresh", "stale", "stale_if_error", "unusable"]
    reason: str = ""
    age_ms: int = 0
    expires_in_ms: int | None = None
    refresh: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether the entry can be returned without calling the handler first."""
        return self.freshness in {"fresh", "stale"}


def expiry(policy: Policy, key: str, stored_at: int, *, failed: bool = False) -> int | None:
    """Return when an entry expires. Jitter only shortens a TTL, by a fraction that depends on the key alone."""
    ttl = policy.negative_ttl_ms if failed else policy.ttl_ms
    if ttl is None:
        return None
    share = int(key[:8], 16) / 0xFFFFFFFF if policy.jitter else 0.0
    return stored_at + round(ttl * (1 - policy.jitter * share))


def retention_seconds(policy: Policy, *, failed: bool = False) -> float | None:
    """Return for how many seconds of real time a backend retains an entry; None for ever."""
    ttl = policy.negative_ttl_ms if failed else policy.ttl_ms
    windows = max(policy.stale_if_error_ms, policy.stale_while_revalidate_ms)
    return None if ttl is None else (ttl + windows) / 1000 + _GRACE_SECONDS


def judge(
    entry: Entry, policy: Policy, now: int, code: Code, resource: str, tag_version: str, attempt: int = 0
) -> Verdict:
    """Judge an entry at `now` for a Task with this policy, code and resource, on its `attempt` (from 0)."""
    invalid = _why_invalid(entry, policy, now, code, resource, tag_version, attempt)
    if invalid:
        return Verdict("unusable", invalid)
    age = max(0, now - entry.stored_at)
    expires_at = _expires_at(entry, policy)
    if expires_at is None:
        return Verdict("fresh", age_ms=age)
    left = expires_at - now
    if left > 0:
        ahead = policy.strategy == "refresh-ahead" and left <= (expires_at - entry.stored_at) * policy.refresh_ahead
        return Verdict("fresh", age_ms=age, expires_in_ms=left, refresh=ahead and entry.kind == "value")
    reason = f"expired {in_largest_unit(-left)} ago"
    if entry.kind == "value" and -left < policy.stale_while_revalidate_ms:
        return Verdict("stale", reason, age, left, refresh=True)
    if entry.kind == "value" and -left < policy.stale_if_error_ms:
        return Verdict("stale_if_error", reason, age, left)
    return Verdict("unusable", reason, age, left)


def _why_invalid(
    entry: Entry, policy: Policy, now: int, code: Code, resource: str, tag_version: str, attempt: int
) -> str:
    """Return why an entry cannot be returned at any age; "" if it can."""
    if entry.kind == "tombstone":
        return f"invalidated by {entry.written_by}" if entry.written_by else "invalidated"
    if policy.tagged and entry.tag_version != tag_version:
        return "invalidated"
    if entry.version != policy.version:
        return "version changed"
    if entry.resource is not None and entry.resource != resource:
        return "resource changed"
    if entry.code is not None and entry.code != code:
        return f"code changed: {_changed(entry.code, code)}"
    if entry.kind == "error" and attempt > 0:
        return "retries do not use cached errors"
    # A run with the virtual clock can store entries with a future timestamp.
    if entry.called_at > now + SKEW_MS:
        return "stored at a later time"
    return ""


def _expires_at(entry: Entry, policy: Policy) -> int | None:
    """Return the earlier of the entry's own expiry and that by the policy, whose TTL can be shorter by now."""
    ttl = policy.negative_ttl_ms if entry.kind == "error" else policy.ttl_ms
    if ttl is None:
        return entry.expires_at
    by_policy = entry.stored_at + ttl
    return by_policy if entry.expires_at is None else min(entry.expires_at, by_policy)


def _changed(before: Code, after: Code) -> str:
    """Return the first file that differs, and how many more do."""
    files = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


CompileKey = Callable[[str], Select]
"""Compiles a JSONPath, or a JSONata expression in `{% %}`."""

KeySpec = str | tuple[str, ...] | None


class Policies:
    """The policies of the Tasks that have one, by request.

    `default` is the rule for Tasks without a rule (`--cache`), `ttl_ms` overrides the TTL of all rules (`--cache-ttl`).
    Raises UsageError if a rule refers to a task without a rule, ConfigError for a key that does not compile.
    """

    def __init__(
        self,
        project: Project,
        compile_key: CompileKey,
        *,
        default: CacheRule | None = None,
        ttl_ms: int | None = None,
    ) -> None:
        self._project = project
        self._compile = compile_key
        self._default = default
        self._ttl_ms = ttl_ms
        self._rules = {name: rule.cache for name, rule in project.rules.items() if rule.cache is not None}
        self._tagged = {
            target.task for rule in self._rules.values() for target in rule.invalidates if target.key is None
        }
        self._written = {
            target.task
            for rule in self._rules.values()
            for target in [*filter(None, [rule.writes]), *rule.invalidates]
            if target.key is not None or target is rule.writes
        }
        self._readers = {name: self._reader(name, rule) for name, rule in self._rules.items() if rule.enabled}
        self._policies = {name: self._policy(name, reader) for name, reader in self._readers.items()}
        self._found: dict[tuple[str, str | None, str], Policy | None] = {}

    def __call__(self, request: Request) -> Policy | None:
        names = (request.state, request.function_name, request.resource.arn)
        try:
            return self._found[names]
        except KeyError:
            return self._found.setdefault(names, self._find(*names))

    def named(self, name: str) -> Policy:
        """Return the policy of the rule with this name. Raises UsageError if there is none."""
        if name not in self._policies:
            hint = f"tasks with a cache rule: {', '.join(self._policies)}" if self._policies else ""
            raise UsageError(f"task '{name}' has no cache rule", hint)
        return self._policies[name]

    def _find(self, state: str, function: str | None, resource: str) -> Policy | None:
        found = self._project.cache_rule(state, function, resource)
        if found is not None:
            name, _ = found
            policy = self._policies.get(name)
            is_of_function = function is not None and same_function(function, [name]) is not None
            return policy and replace(policy, by_resource=name != state and not is_of_function)
        return None if self._default is None else self._reader(state, self._default)

    def _reader(self, name: str, rule: CacheRule) -> Policy:
        """Return the policy of a rule without what it writes."""
        return Policy(
            name,
            strategy=rule.strategy,
            ttl_ms=rule.ttl_ms if self._ttl_ms is None else self._ttl_ms,
            key=self._select(rule.key),
            vary=rule.vary,
            version=str(rule.version),
            stale_if_error_ms=rule.stale_if_error_ms,
            stale_while_revalidate_ms=rule.stale_while_revalidate_ms,
            negative_ttl_ms=rule.negative_ttl_ms,
            jitter=rule.jitter,
            refresh_ahead=rule.refresh_ahead,
            tagged=name in self._tagged,
            written=name in self._written,
            redact=frozenset(self._project.settings.redact),
        )

    def _policy(self, name: str, reader: Policy) -> Policy:
        """Return the whole policy of a rule."""
        rule = self._rules[name]
        if rule.strategy == "write-through" and rule.writes is None:
            raise UsageError(
                f"tasks.{name}.cache: write-through requires `writes`",
                "name the task that reads: {strategy: write-through, writes: GetPrice}",
            )
        through = None if rule.writes is None else self._target(name, rule.writes, rule.key)
        return replace(
            reader,
            writes=through,
            invalidates=tuple(self._target(name, target, None) for target in rule.invalidates),
        )

    def _target(self, name: str, target: CacheTarget, own_key: KeySpec) -> Target:
        """`own_key` is the writer's key, which selects the entry unless the target has a key of its own."""
        reader = self._readers.get(target.task)
        if reader is None:
            raise UsageError(
                f"tasks.{name}.cache refers to {target.task}, which has no cache rule",
                f"add a cache rule: tasks: {{{target.task}: {{cache: 60s}}}}",
            )
        key = target.key if target.key is not None else own_key
        if "*" in target.task and (key is not None or target is self._rules[name].writes):
            raise UsageError(
                f"tasks.{name}.cache refers to one entry of {target.task}, which matches several tasks",
                "name a state or a function, or invalidate all entries of the pattern",
            )
        return Target(reader, self._select(key))

    def _select(self, key: KeySpec) -> Select | None:
        if key is None:
            return None
        return self._compile(key) if isinstance(key, str) else _fields(key)


def _fields(names: tuple[str, ...]) -> Select:
    """Select the values of these keys, as an object."""

    def select(payload: Json) -> Json:
        for name in names:
            if not isinstance(payload, dict) or name not in payload:
                raise KeyNotFound(f"the payload has no key '{name}'")
        return {name: payload[name] for name in names}

    return select
