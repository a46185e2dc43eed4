"""A task that is asked only when the cache has no answer; it may wrap any task, and nobody else knows of it.

Time is the engine's: TTLs are judged by it, so they pass under the virtual clock as waits do. Whatever happens to the
cache, the task's own answer is given. What the cache did goes into the note of the Reply (see sfnrun.cache.outcome).
"""

from __future__ import annotations

from sfnrun.cache.policy import NoKey, Policy
from sfnrun.engine.effects import Failed, Reply, Request, TaskHandler
from sfnrun.tasks.answers import remaining
from sfnrun.tasks.cached.reading import Reader
from sfnrun.tasks.cached.shared import Caching, HandlerFor
from sfnrun.tasks.cached.writing import Writer

__all__ = ["Cached", "Caching", "cached"]

_A_LITTLE = 0.05


def cached(handler_for: HandlerFor, caching: Caching) -> HandlerFor:
    """The same handlers, those with a policy behind the cache; what a mock file answers is never kept."""

    def cached_for(request: Request) -> TaskHandler:
        handler, policy = handler_for(request), caching.policy_for(request)
        if policy is None or caching.code_of(handler, request) is None:
            return handler
        return Cached(handler, policy, caching)

    return cached_for


class Cached:
    """A TaskHandler that answers from the cache what it can. Its time limit is that of the handler."""

    __slots__ = ("_answer", "_caching", "_handler", "_policy", "time_limit")

    def __init__(self, handler: TaskHandler, policy: Policy, caching: Caching) -> None:
        self._handler = handler
        self._policy = policy
        self._caching = caching
        self._answer = Writer(handler, policy, caching) if policy.is_writer else Reader(handler, policy, caching)
        self.time_limit = handler.time_limit

    def timed_out(self, request: Request) -> Failed:
        return self._handler.timed_out(request)

    def overtime(self, request: Request) -> float:
        """Seconds that a call has left when its time limit is over: waiting for somebody else does not count."""
        return _A_LITTLE if self._answer.waits else remaining(self._handler, request)

    def at_hand(self, request: Request) -> Reply | None:
        """The kept answer, if it is good, and kept so near that nobody has to wait for it."""
        reader = self._answer
        if not self._caching.store.backend.near or isinstance(reader, Writer) or self._elsewhere(request):
            return None
        try:
            return reader.at_hand(request)
        except NoKey:
            return None

    def __call__(self, request: Request) -> Reply:
        """The answer with what the cache did in its note. A failure is in the Reply; it raises what only bugs raise."""
        elsewhere = self._elsewhere(request)
        if elsewhere:
            return self._bypass(request, elsewhere)
        try:
            return self._answer(request)
        except NoKey as error:
            return self._bypass(request, f"no key: {error}")

    def _elsewhere(self, request: Request) -> str:
        """Why the cache is passed by, if it is."""
        if self._caching.bypass:
            return self._caching.bypass
        if request.token is not None or request.resource.kind == "activity":
            return "its answer comes from elsewhere"
        return ""

    def _bypass(self, request: Request, reason: str) -> Reply:
        return self._caching.unkept(self._policy, self._caching.call(self._handler, request), reason)
