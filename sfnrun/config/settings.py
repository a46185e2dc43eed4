"""What sfnrun.yaml says: settings that stand beside a definition, so that the definition itself stays deployable.

Durations are written as seconds or as `250ms`, `90s`, `15m`, `2h`, `1d`. Relative paths are relative to the folder of
the file, whose shape is `schema.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from sfnrun.payload import Json

__all__ = [
    "CacheRule",
    "CacheSettings",
    "CacheTarget",
    "Config",
    "FunctionSettings",
    "Reply",
    "TaskRule",
    "milliseconds",
]

_UNITS = {"": 1000, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|)")

# Most resources are optimised integrations, and nobody wants to write this before each.
_INTEGRATION = re.compile(r"arn:[^:]*:states:[^:]*:[^:]*:")


class Reply(Struct, frozen=True):
    """What answers one attempt of a Task.

    A `handler` ("/abs/charge.py:handler", "package.module:handler"), a fixed `result`, an `error` with its `cause`, or
    nothing at all ("pending"). `duration_ms` is the time it is made to take.
    """

    kind: Literal["handler", "result", "error", "pending"]
    handler: str = ""
    result: Json = None
    error: str = ""
    cause: str | None = None
    duration_ms: int | None = None


class CacheTarget(Struct, frozen=True):
    """Another task's entries, by the name under `tasks:`; with a `key` the one that the writer's payload names."""

    task: str
    key: str | tuple[str, ...] | None = None


class CacheRule(Struct, frozen=True):
    """How the answers of a Task are kept. `ttl_ms` None: until evicted. `key`: a path, JSONata, or names of fields."""

    enabled: bool = True
    ttl_ms: int | None = None
    strategy: Literal["lazy", "write-through", "refresh-ahead"] = "lazy"
    key: str | tuple[str, ...] | None = None
    vary: tuple[str, ...] = ()
    version: str = ""
    stale_if_error_ms: int = 0
    stale_while_revalidate_ms: int = 0
    negative_ttl_ms: int = 0
    jitter: float = 0.0
    refresh_ahead: float = 0.2
    writes: CacheTarget | None = None
    invalidates: tuple[CacheTarget, ...] = ()
    redact: tuple[str, ...] = ()


class TaskRule(Struct, frozen=True):
    """Who answers a Task and how: `replies` by attempt, the last one for all further attempts.

    `key` is as written: a state's name, a function's name, or a resource pattern. `timeout` is in seconds of real time.
    """

    key: str
    replies: tuple[Reply, ...] = ()
    duration_ms: int | None = None
    timeout: float | None = None
    cache: CacheRule | None = None

    def reply(self, attempt: int) -> Reply | None:
        """What answers this attempt, counted from 0; None if the rule does not say."""
        return self.replies[min(attempt, len(self.replies) - 1)] if self.replies else None


class FunctionSettings(Struct, frozen=True):
    """Of one function: its handler, its `timeout` in seconds, its `memory` in MB, its environment variables."""

    handler: str | None = None
    timeout: float = 3.0
    memory: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)


class CacheSettings(Struct, frozen=True):
    """Where answers are kept: `backend` "disk", "memory://", "redis://host:port/0" or "memcached://host:port,host:port"."""

    backend: str = "disk"
    dir: Path = Path(".sfnrun/cache")
    size_limit: int = 256 * 1024 * 1024
    eviction: Literal["lru", "lfu"] = "lru"
    timeout_ms: int = 200
    redact: tuple[str, ...] = ()


class Config(Struct, frozen=True, kw_only=True):
    """What sfnrun.yaml says, or would if there were one. `path` is the file, None without one."""

    path: Path | None = None
    functions: Path = Path("functions")
    substitutions: Mapping[str, Json] = field(default_factory=dict)
    function_settings: Mapping[str, FunctionSettings] = field(default_factory=dict)
    tasks: tuple[TaskRule, ...] = ()
    cache: CacheSettings = field(default_factory=CacheSettings)
    environment: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    seed: int | None = None
    region: str | None = None
    account: str | None = None
    role_arn: str | None = None
    state_machine_name: str | None = None
    history: Path | None = None

    def task_rule(self, state_name: str, function_name: str | None, resource_arn: str) -> TaskRule | None:
        """What `tasks:` says of a Task: the rule of its state, else of its function, else of its resource.

        A resource written out wins over patterns, and of patterns the one with most letters. Rules complete each other:
        one for the state that says only `cache` leaves it to the function's, or the resource's, to say who answers.
        """
        rules = list(self._matching(state_name, function_name, resource_arn))
        if len(rules) < 2:
            return rules[0] if rules else None
        return TaskRule(
            rules[0].key,
            next((rule.replies for rule in rules if rule.replies), ()),
            next((rule.duration_ms for rule in rules if rule.duration_ms is not None), None),
            next((rule.timeout for rule in rules if rule.timeout is not None), None),
            next((rule.cache for rule in rules if rule.cache is not None), None),
        )

    def cache_rule(self, state_name: str, function_name: str | None, resource_arn: str) -> TaskRule | None:
        """The rule that says how answers of a Task are kept, whose `key` is the name that they are kept under."""
        rules = self._matching(state_name, function_name, resource_arn)
        return next((rule for rule in rules if rule.cache is not None), None)

    def _matching(self, state_name: str, function_name: str | None, resource_arn: str) -> Iterator[TaskRule]:
        yield from (rule for rule in self.tasks if rule.key == state_name)
        if function_name is not None and function_name != state_name:
            yield from (rule for rule in self.tasks if rule.key == function_name)
        matching = [
            rule
            for rule in self.tasks
            if rule.key not in (state_name, function_name) and _matches(rule.key, resource_arn)
        ]
        yield from sorted(matching, key=lambda rule: _vagueness(rule.key))

    def function(self, name: str) -> FunctionSettings:
        """The settings of a function: its own, else those of the most specific pattern, else AWS's defaults."""
        if name in self.function_settings:
            return self.function_settings[name]
        matching = [pattern for pattern in self.function_settings if "*" in pattern and _wildcard(pattern, name)]
        best = max(matching, key=lambda pattern: len(pattern.replace("*", "")), default=None)
        return FunctionSettings() if best is None else self.function_settings[best]


def _matches(pattern: str, resource_arn: str) -> bool:
    """`dynamodb:*` is short for `arn:aws:states:::dynamodb:*`."""
    if _wildcard(pattern, resource_arn):
        return True
    short = _INTEGRATION.match(resource_arn)
    return short is not None and _wildcard(pattern, resource_arn[short.end() :])


def _vagueness(pattern: str) -> tuple[bool, int]:
    """Sorts the most specific first, whether it is written in short or not."""
    return "*" in pattern, -len(_INTEGRATION.sub("", pattern).replace("*", ""))


def _wildcard(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def milliseconds(written: str | float) -> int:
    """Milliseconds of a duration: seconds, or `250ms`, `90s`, `15m`, `2h`, `1d`. Raises ValueError."""
    found = None if isinstance(written, bool) else _DURATION.fullmatch(str(written))
    if not found:
        raise ValueError(f"{written!r} is not a duration; write seconds, or 90s, 15m, 2h, 1d")
    return round(float(found[1]) * _UNITS[found[2]])
