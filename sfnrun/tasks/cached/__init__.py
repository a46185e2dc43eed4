"""A task that is asked only when the cache has no answer; it may wrap any task, and nobody else knows of it.

Time is the engine's: TTLs are judged by it, so they pass under the virtual clock as waits do. Whatever happens to the
cache, the task's own answer is given. What the cache did goes into the note of the Reply (see sfnrun.cache.outcome).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.cache.policy import KeyNotFound, Policy
from sfnrun.cache.store import Lookup
from sfnrun.effects import Answerer, Handler, Reply, Request
from sfnrun.tasks.cached.reading import Asked, Reader
from sfnrun.tasks.cached.shared import Caching
from sfnrun.tasks.cached.writing import Writer

__all__ = ["Cached", "CachedHandlers", "Caching"]

_A_LITTLE = 0.05


class CachedHandlers:
    """An Answerer that puts the cache before handlers with a policy. Replies of a mock file are never cached."""

    def __init__(self, answerer: Answerer, caching: Caching) -> None:
        self._answerer = answerer
        self._caching = caching

    def for_request(self, request: Request) -> Handler:
        handler, policy = self._answerer.for_request(request), self._caching.policy_for(request)
        if policy is None or self._caching.fingerprint_of(handler) is None:
            return handler
        cached = Cached(handler, policy, self._caching)
        return replace(handler, call=cached, overtime=cached.overtime, submit=None)

    def cached_replies(self, asked: Sequence[tuple[Request, Handler]]) -> Mapping[str, Reply]:
        """The cached replies to requests that are made at the same time, by key; one trip to the cache for all."""
        wanted = [
            want
            for request, handler in asked
            if isinstance(handler.call, Cached) and (want := handler.call.want(request))
        ]
        looks = self._caching.store.lookup_many([want.place for want in wanted]) if wanted else ()
        found = ((want, want.answer(look)) for want, look in zip(wanted, looks, strict=True) if look is not None)
        return {want.asked.request.key: reply for want, reply in found if reply is not None}

    def close(self) -> None:
        self._answerer.close()


class Want(Struct, frozen=True):
    """What a request that may be answered by the cache alone asks it."""

    reader: Reader
    asked: Asked
    place: tuple[str, str, bool]

    def answer(self, look: Lookup) -> Reply | None:
        return self.reader.cached_reply(self.asked, look)


class Cached:
    """Calls a handler only if the cache has no reply. Its time limit is that of the handler."""

    __slots__ = ("_answer", "_caching", "_handler", "_policy")

    def __init__(self, handler: Handler, policy: Policy, caching: Caching) -> None:
        self._handler = handler
        self._policy = policy
        self._caching = caching
        self._answer = Writer(handler, policy, caching) if policy.is_writer else Reader(handler, policy, caching)

    def overtime(self, request: Request) -> float:
        """Seconds that a call still has at its time limit; waiting for another call does not count."""
        return _A_LITTLE if self._answer.waits else self._handler.overtime(request)

    def want(self, request: Request) -> Want | None:
        """What to look for; None if the cache alone cannot answer."""
        reader = self._answer
        if isinstance(reader, Writer) or self._elsewhere(request):
            return None
        try:
            asked = reader.asked(request)
        except KeyNotFound:
            return None
        return None if asked.forced else Want(reader, asked, (asked.key, self._policy.task, self._policy.tagged))

    def __call__(self, request: Request) -> Reply:
        """The answer with what the cache did in its note. A failure is in the Reply; it raises what only bugs raise."""
        elsewhere = self._elsewhere(request)
        if elsewhere:
            return self._bypass(request, elsewhere)
        try:
            return self._answer(request)
        except KeyNotFound as error:
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
