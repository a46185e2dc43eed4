"""The cache of a run: policies from the settings, a place to keep answers, and the code behind the handlers.

cache = open_cache(project, CacheOptions(), say)  # None: nothing is to be kept
answerer = cache.around(answerer)
cache.by_clock(driver.now)                       # under the real clock
...
cache.close()
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from sfnrun.cache.backends import open_backend
from sfnrun.cache.concurrency import BackgroundJobs
from sfnrun.cache.policy import KeyNotFound, Policies, Select
from sfnrun.cache.store import Store
from sfnrun.config import CacheRule, Project
from sfnrun.effects import Answerer
from sfnrun.errors import ConfigError, ExpressionError, Problem, StatesError
from sfnrun.expr.scope import PlainScope
from sfnrun.payload import Json
from sfnrun.tasks.cached import CachedHandlers, Caching
from sfnrun.tasks.cached.fingerprint import CodeFingerprints

__all__ = ["CacheOptions", "RunCache", "compile_key", "open_cache"]

# How long a run that is over waits for the answers that it began to fetch for the next.
_LAST_WAIT = 10.0


class CacheOptions(Struct, frozen=True):
    """What the command line says: --no-cache, --cache, --refresh STATE, --cache-ttl."""

    off: bool = False
    everything: bool = False
    refresh: frozenset[str] = frozenset()
    ttl_ms: int | None = None


class RunCache:
    """The cache of one run, put around its handlers."""

    def __init__(self, project: Project, options: CacheOptions, say: Callable[[str], None]) -> None:
        everything = CacheRule() if options.everything else None
        policies = Policies(project, compile_key, default=everything, ttl_ms=options.ttl_ms)
        self.store = Store(open_backend(project.cache), say)
        self._background = BackgroundJobs()
        self._caching = Caching(
            self.store,
            policies,
            CodeFingerprints(project.root).of,
            refresh=options.refresh,
            bypass="--no-cache" if options.off else "",
        )

    def around(self, answerer: Answerer) -> Answerer:
        """The same handlers, those with a policy behind the cache."""
        return CachedHandlers(answerer, self._caching)

    def by_clock(self, now: Callable[[], int]) -> None:
        """Judge by a real clock, and fetch ahead beside the execution; without it, time is that of each request."""
        self._caching.now = now
        self._caching.background = self._background

    def close(self) -> None:
        """Wait for what is still being fetched, and write down what was counted."""
        self._background.close(_LAST_WAIT)
        self.store.close()


def open_cache(project: Project, options: CacheOptions, say: Callable[[str], None]) -> RunCache | None:
    """The cache that the settings and the command line ask for; None if they ask for none.

    `say` is given each thing once that the person at the keyboard should know (a node that is down). Raises UsageError
    for a backend or a rule that makes no sense, ConfigError for a key that does not compile.
    """
    asked = options.everything or any(rule.cache is not None and rule.cache.enabled for rule in project.rules.values())
    return RunCache(project, options, say) if asked else None


def compile_key(text: str) -> Select:
    """The part of a payload that a JSONPath, or a JSONata expression in `{% %}`, picks. Raises ConfigError."""
    try:
        return _jsonata(text) if text.lstrip().startswith("{%") else _path(text)
    except ExpressionError as error:
        raise ConfigError([Problem("SFN-CFG", f"the cache key does not compile: {error}")]) from error


def _jsonata(text: str) -> Select:
    from sfnrun.expr.jsonata import compile_jsonata

    expression = compile_jsonata(text, "key", allowed=frozenset({"input"}))

    def select(payload: Json) -> Json:
        try:
            return expression.evaluate({"input": payload}, PlainScope())
        except StatesError as error:
            raise KeyNotFound(str(error.cause)) from error

    return select


def _path(text: str) -> Select:
    from sfnrun.expr.jsonpath import compile_path
    from sfnrun.expr.scope import PathError

    path = compile_path(text)

    def select(payload: Json) -> Json:
        try:
            return path.evaluate(payload, PlainScope())
        except PathError as error:
            raise KeyNotFound(error.message) from error

    return select
