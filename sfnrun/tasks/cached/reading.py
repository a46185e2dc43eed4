"""A Task that reads: the cache's answer if there is a good one, else the handler's, which is kept for the next."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.cache.backend import ANY_AGE
from sfnrun.cache.concurrency import Flight
from sfnrun.cache.entry import Entry
from sfnrun.cache.key import key_of, key_text, select_key
from sfnrun.cache.outcome import Outcome
from sfnrun.cache.policy import Policy, Verdict, expiry, judge, retention_seconds
from sfnrun.cache.store import Lookup
from sfnrun.config.names import tasks_named
from sfnrun.effects import Handler, Reply, Request
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload
from sfnrun.tasks.cached.shared import COUNTERS, KEY_SHOWN, Caching, Called, about

__all__ = ["Asked", "Reader"]


class Asked(Struct, frozen=True):
    """One request as the cache sees it; `forced` if no kept answer will do."""

    request: Request
    key: str
    question: Json
    resource: str
    code: Mapping[str, str]
    forced: bool = False


class Found(Struct, frozen=True):
    """What the cache has for it, and what that is good for."""

    look: Lookup
    verdict: Verdict


class Reader:
    """Answers the requests of one Task; raises KeyNotFound if what counts is not in the payload."""

    __slots__ = ("_caching", "_handler", "_policy", "_store", "waits")

    def __init__(self, handler: Handler, policy: Policy, caching: Caching) -> None:
        self._handler = handler
        self._policy = policy
        self._caching = caching
        self._store = caching.store
        self.waits = False
        """Whether somebody else is waited for, whose time is not the handler's."""

    def __call__(self, request: Request) -> Reply:
        asked = self.asked(request)
        flights = self._caching.flights
        while True:
            flight, leads = flights.enter(asked.key)
            outcome = self._lead(asked, flight) if leads else self._follow(asked, flight)
            if isinstance(outcome, Found):
                return self._answer(asked, outcome)
            if outcome is not None:
                return outcome

    def cached_reply(self, asked: Asked, look: Lookup) -> Reply | None:
        """What was found, if it answers; nothing is called."""
        found = self._judged(asked, look)
        return self._answer(asked, found) if found.verdict.is_usable and not found.verdict.refresh else None

    def asked(self, request: Request) -> Asked:
        policy, caching = self._policy, self._caching
        question = select_key(policy, request.payload)
        resource = request.resource.arn
        key = key_of(policy, question, caching.environment, resource)
        function = request.function_name
        if function is not None and request.resource.kind == "service":
            resource = f"{resource} {function}"
        names = tasks_named(caching.refresh, request.state, function, request.resource.arn) if caching.refresh else []
        forced = bool(names) and key not in caching.refreshed
        return Asked(request, key, question, resource, caching.fingerprint_of(self._handler) or {}, forced)

    def _lead(self, asked: Asked, flight: Flight[Reply]) -> Found | Reply:
        """What the cache has, or else what the handler says."""
        reply = None
        try:
            found = self._take(asked)
            if found.verdict.is_usable and not asked.forced:
                if found.look.lease is not None:
                    self._store.release(asked.key, found.look)
                return found
            reply = self._ask(asked, found)
            return reply
        finally:
            self._caching.flights.finish(asked.key, flight, _shared(reply))

    def _follow(self, asked: Asked, flight: Flight[Reply]) -> Found | Reply | None:
        """What the cache has, or else what another thread's call brings; nothing if that is not for others."""
        found = self._find(asked)
        if found.verdict.is_usable and not asked.forced:
            return found
        if flight.is_reentrant:
            return self._ask_aside(asked, "it is asked by the very call that answers it")
        self.waits = True
        began = monotonic()
        shared = flight.wait(self._caching.patience)
        self.waits = False
        if shared is not None:
            return self._joined(asked, shared)
        if monotonic() - began >= self._caching.patience:
            return self._ask_aside(asked, "another call takes too long")
        return None

    def _take(self, asked: Asked) -> Found:
        """An answer, or the lease to ask for one; neither if another process has that for longer than we wait."""
        late = self._policy.stale_while_revalidate_ms
        found = self._find(asked, ANY_AGE if asked.forced else self._caching.time(asked.request) - late)
        if _settles(asked, found):
            return found
        self.waits = True
        settled = self._caching.patiently(lambda: self._settled(asked))
        self.waits = False
        return settled or found

    def _settled(self, asked: Asked) -> Found | None:
        found = self._find(asked, ANY_AGE)
        return found if _settles(asked, found) else None

    def _find(self, asked: Asked, dead: int | None = None) -> Found:
        """One trip to the cache; with the lease if there is nothing, or what expires by `dead`."""
        policy = self._policy
        return self._judged(asked, self._store.lookup(asked.key, policy.task, dead, policy.tagged, policy.written))

    def _judged(self, asked: Asked, look: Lookup) -> Found:
        policy, request = self._policy, asked.request
        if look.entry is None or look.tag_version is None:
            return Found(look, Verdict("unusable", look.problem))
        now = self._caching.time(request)
        verdict = judge(look.entry, policy, now, asked.code, asked.resource, look.tag_version, request.attempt)
        return Found(look, verdict)

    def _answer(self, asked: Asked, found: Found) -> Reply:
        """The answer that was found; if it is time for the next, that is fetched beside."""
        verdict = found.verdict
        if verdict.refresh:
            self._caching.background(asked.key, lambda: self._refresh(asked))
        if verdict.freshness == "stale":
            return self._stale(asked, found, f"{verdict.reason}, the next is being fetched")
        if found.look.lagging:
            return self._stale(asked, found, "the replica is behind")
        return self._hit(asked, found)

    def _hit(self, asked: Asked, found: Found) -> Reply:
        entry, verdict = _entry(found), found.verdict
        # Under the virtual clock the call that brings it may still be under way: then this one takes as long.
        wait = max(0, entry.stored_at - self._caching.time(asked.request))
        note = Outcome(
            outcome="hit",
            task=self._policy.task,
            key=asked.key[:KEY_SHOWN],
            age_ms=verdict.age_ms,
            expires_in_ms=verdict.expires_in_ms,
            saved_ms=max(0, entry.took_ms - wait),
        )
        note.real_saved_ms = max(0, entry.real_took_ms - wait)
        self._store.count(self._policy.task, hits=1, saved_ms=note.real_saved_ms)
        if verdict.refresh:
            note["refreshing"] = True
        if wait:
            note["reason"] = "joined a call under way"
        if entry.kind == "error":
            note["reason"] = "a kept failure"
        return self._kept(found, note, wait)

    def _stale(self, asked: Asked, found: Found, reason: str) -> Reply:
        entry = _entry(found)
        note = Outcome(
            outcome="stale",
            task=self._policy.task,
            key=asked.key[:KEY_SHOWN],
            reason=reason,
            age_ms=found.verdict.age_ms,
            saved_ms=entry.took_ms,
        )
        note.real_saved_ms = entry.real_took_ms
        self._store.count(self._policy.task, stale=1, saved_ms=entry.real_took_ms)
        return self._kept(found, note)

    def _kept(self, found: Found, note: Outcome, duration_ms: int = 0) -> Reply:
        """A Reply of what was found."""
        look, entry = found.look, _entry(found)
        if entry.kind == "error":
            failure = TaskFailed(look.failure.get("error"), look.failure.get("cause"))
            return Reply(failure=failure, note=note, duration_ms=duration_ms)
        submitted = None if entry.submitted is None else Payload.parse(entry.submitted)
        return Reply(look.payload, submitted=submitted, note=note, duration_ms=duration_ms)

    def _ask_aside(self, asked: Asked, reason: str) -> Reply:
        return self._caching.unkept(self._policy, self._caching.call(self._handler, asked.request), reason)

    def _joined(self, asked: Asked, shared: Reply) -> Reply:
        """What another thread's call brought."""
        note = dict(shared.note)
        if note["outcome"] == "miss" and shared.failure is None:
            note |= {"outcome": "hit", "reason": "joined a call under way", "age_ms": 0, "saved_ms": 0}
        self._store.count(self._policy.task, **{COUNTERS[note["outcome"]]: 1})
        return Reply(shared.output, shared.failure, shared.submitted, None, shared.duration_ms, note)

    def _ask(self, asked: Asked, found: Found, *, quietly: bool = False) -> Reply:
        """Call the handler, and keep what it answers."""
        entry: Entry | None = None
        try:
            called = self._caching.call(self._handler, asked.request)
            entry = self._entry(asked, found, called, quietly)
        finally:
            if entry is None:
                self._store.release(asked.key, found.look)
        kept = entry is not None and self._store.release(
            asked.key,
            found.look,
            entry,
            called.text,
            retention_seconds(self._policy, failed=called.reply.failure is not None),
        )
        return self._told(asked, found, called, entry if kept else None, quietly)

    def _told(self, asked: Asked, found: Found, called: Called, kept: Entry | None, quietly: bool) -> Reply:
        """The handler's answer, and that it was a miss."""
        policy, failure = self._policy, called.reply.failure
        if failure is None and not called.succeeded:
            return self._caching.unkept(policy, called, called.why_not)
        if failure is not None and quietly:
            return self._caching.unkept(policy, called, "a refresh failed")
        if failure is not None and found.verdict.freshness in ("stale_if_error", "stale"):
            return self._stale(asked, found, f"the handler failed: {failure.name}")
        now = self._caching.time(asked.request)
        reason = "refresh asked for" if asked.forced else found.verdict.reason or found.look.miss_reason(now)
        self._caching.refreshed.add(asked.key)
        self._store.count(policy.task, calls=1, stores=int(bool(kept)), **{"refreshes" if quietly else "misses": 1})
        note = {"outcome": "miss", "reason": reason, "kept": kept is not None, "took_ms": called.took_ms}
        if kept is not None and kept.expires_at is not None:
            note["expires_in_ms"] = kept.expires_at - now
        return called.noted(about(policy, asked.key, note))

    def _entry(self, asked: Asked, found: Found, called: Called, quietly: bool) -> Entry | None:
        """What is to be kept of an answer, if anything."""
        policy, reply = self._policy, called.reply
        failed = reply.failure is not None
        if not (policy.negative_ttl_ms if failed else called.succeeded):
            return None
        if failed and (quietly or found.verdict.freshness in ("stale_if_error", "stale")):
            return None  # what is there is better
        if policy.written and found.look.etag is None:
            return None  # without a claim it may be older than what was written meanwhile
        stored_at = self._caching.time(asked.request) + reply.duration_ms
        return Entry(
            "error" if failed else "value",
            policy.task,
            asked.request.state,
            called.called_at,
            stored_at,
            expiry(policy, asked.key, stored_at, failed=failed),
            called.took_ms,
            called.real_took_ms,
            policy.version,
            dict(asked.code),
            asked.resource,
            found.look.tag_version or "",
            key_text(asked.question, policy.redact),
            submitted=called.submitted,
        )

    def _refresh(self, asked: Asked) -> None:
        """Fetch the next answer while the last one is still given; whatever comes of it, nobody waits."""
        flight, leads = self._caching.flights.enter(asked.key)
        if not leads:
            return
        reply = None
        try:
            found = self._find(asked, ANY_AGE)
            if found.look.lease is None:
                return
            if found.verdict.freshness == "fresh" and not found.verdict.refresh:
                self._store.release(asked.key, found.look)
                return
            request = copy(asked.request)
            request.log = _say_nothing
            reply = self._ask(replace(asked, request=request), found, quietly=True)
        finally:
            self._caching.flights.finish(asked.key, flight, _shared(reply))


def _settles(asked: Asked, found: Found) -> bool:
    return found.look.lease is not None or (found.verdict.is_usable and not asked.forced)


def _entry(found: Found) -> Entry:
    assert found.look.entry is not None
    return found.look.entry


def _shared(reply: Reply | None) -> Reply | None:
    """What others may have too: not the promise of an answer, nor one that could not be kept for another reason."""
    return None if reply is None or reply.note["outcome"] == "bypass" else reply


def _say_nothing(line: str) -> None:
    """A line that a handler prints while nobody waits for it has no place in the trace."""
