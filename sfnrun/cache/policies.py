"""From the rules in sfnrun.yaml to policies, each under the name of its rule, and from a request to its policy."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from sfnrun.cache.policy import NoKey, Policy, Select, Target
from sfnrun.config import CacheRule, CacheTarget, Project
from sfnrun.config.names import same_function
from sfnrun.effects import Request
from sfnrun.errors import UsageError
from sfnrun.payload import Json

__all__ = ["CompileKey", "Policies"]

CompileKey = Callable[[str], Select]
"""From a JSONPath, or a JSONata expression in `{% %}`, to the function that evaluates it and raises NoKey."""

Key = str | tuple[str, ...] | None


class Policies:
    """The policy of every Task that has one.

    `everything` is the rule for Tasks that no rule speaks of (`--cache`), `ttl_ms` goes before all rules'
    (`--cache-ttl`). Raises
    UsageError if a rule names a task whose answers are not kept, ConfigError for a key that does not compile.
    """

    def __init__(
        self,
        project: Project,
        compile_key: CompileKey,
        *,
        everything: CacheRule | None = None,
        ttl_ms: int | None = None,
    ) -> None:
        self._project = project
        self._compile = compile_key
        self._everything = everything
        self._ttl_ms = ttl_ms
        self._rules = {name: rule.cache for name, rule in project.rules.items() if rule.cache is not None}
        self._watched = {
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
        asked = (request.state, request.function_name, request.resource.arn)
        try:
            return self._found[asked]
        except KeyError:
            return self._found.setdefault(asked, self._find(*asked))

    def named(self, name: str) -> Policy:
        """The policy of the rule of this name. Raises UsageError if there is none."""
        if name not in self._policies:
            raise UsageError(f"{name} has no cache rule.", f"Known are: {', '.join(self._policies) or 'none'}.")
        return self._policies[name]

    def _find(self, state: str, function: str | None, resource: str) -> Policy | None:
        found = self._project.cache_rule(state, function, resource)
        if found is not None:
            name, _ = found
            policy = self._policies.get(name)
            is_of_function = function is not None and same_function(function, [name]) is not None
            return policy and replace(policy, by_resource=name != state and not is_of_function)
        return None if self._everything is None else self._reader(state, self._everything)

    def _reader(self, name: str, rule: CacheRule) -> Policy:
        """A rule as far as it speaks of reading."""
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
            watched=name in self._watched,
            written=name in self._written,
            redact=frozenset(self._project.settings.redact),
        )

    def _policy(self, name: str, reader: Policy) -> Policy:
        """The same, with what it writes."""
        rule = self._rules[name]
        if rule.strategy == "write-through" and rule.writes is None:
            raise UsageError(
                f"tasks.{name}.cache does not say for whom it writes through.",
                "Name the task that reads: {strategy: write-through, writes: GetPrice}",
            )
        through = None if rule.writes is None else self._target(name, rule.writes, rule.key)
        return replace(
            reader,
            writes=through,
            invalidates=tuple(self._target(name, target, None) for target in rule.invalidates),
        )

    def _target(self, name: str, target: CacheTarget, own_key: Key) -> Target:
        """`own_key` is the writer's: what it says of the payload holds for what is written, unless the target says."""
        reader = self._readers.get(target.task)
        if reader is None:
            raise UsageError(
                f"tasks.{name}.cache names {target.task}, whose answers are not kept.",
                f"Give it a rule: tasks: {{{target.task}: {{cache: 60s}}}}",
            )
        key = target.key if target.key is not None else own_key
        if "*" in target.task and (key is not None or target is self._rules[name].writes):
            raise UsageError(
                f"tasks.{name}.cache names one entry of {target.task}, which stands for several tasks.",
                "Name a state or a function; only all entries of a pattern can be made stale.",
            )
        return Target(reader, self._select(key))

    def _select(self, key: Key) -> Select | None:
        if key is None:
            return None
        return self._compile(key) if isinstance(key, str) else _fields(key)


def _fields(names: tuple[str, ...]) -> Select:
    """The members of these names, as an object."""

    def select(payload: Json) -> Json:
        for name in names:
            if not isinstance(payload, dict) or name not in payload:
                raise NoKey(f"the payload has no member {name!r}")
        return {name: payload[name] for name in names}

    return select
