"""A Task that reads: the cache's answer if there is a good one, else the handler's, which is kept for the next."""

from __future__ import annotations

from copy import copy
from time import monotonic
from typing import Any, NamedTuple

from sfnrun.cache.entry import Entry
from sfnrun.cache.key import key_of, question_of, readable
from sfnrun.cache.policy import Policy, Verdict, expiry, judge, keep_seconds
from sfnrun.cache.store import Look
from sfnrun.engine.effects import Reply, Request, TaskHandler
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload
from sfnrun.tasks.cached.shared import COUNTERS, KEY_SHOWN, Caching, Called, Code, about

__all__ = ["Reader"]


class Asked(NamedTuple):
    """One request as the cache sees it."""

    request: Request
    key: str
    question: Json
    resource: str
    code: Code


class Found(NamedTuple):
    """What the cache has for it, what that is good for, and the mark that entries must bear."""

    look: Look
    verdict: Verdict
    generation: str


class Reader:
    """Answers the requests of one Task; raises NoKey if what counts is not in the payload."""

    __slots__ = ("_caching", "_handler", "_policy", "_store", "waits")

    def __init__(self, handler: TaskHandler, policy: Policy, caching: Caching) -> None:
        self._handler = handler
        self._policy = policy
        self._caching = caching
        self._store = caching.store
        self.waits = False
        """Whether somebody else is waited for, whose time is not the handler's."""

    def __call__(self, request: Request) -> Reply:
        asked = self.asked(request)
        found = self._find(asked)
        answer = None if self._forced(asked) else self._answer(asked, found)
        return self._together(asked, found) if answer is None else answer

    def asked(self, request: Request) -> Asked:
        question = question_of(self._policy, request.payload)
        resource = request.resource.arn
        key = key_of(self._policy, question, self._caching.environment, resource)
        function = request.function_name
        if function is not None and request.resource.kind == "service":
            resource = f"{resource} {function}"
        return Asked(request, key, question, resource, self._caching.code_of(self._handler, request) or {})

    def _forced(self, asked: Asked) -> bool:
        caching = self._caching
        return asked.request.state in caching.refresh and asked.key not in caching.refreshed

    def _find(self, asked: Asked) -> Found:
        policy, request = self._policy, asked.request
        generation = self._store.generation(policy.task) if policy.watched else ""
        look = Look(trouble="the cache is out of reach") if generation is None else self._store.look(asked.key)
        if look.entry is None or generation is None:
            return Found(look, Verdict("gone", look.trouble), generation or "")
        now = self._caching.time(request)
        verdict = judge(look.entry, policy, now, asked.code, asked.resource, generation, request.attempt)
        return Found(look, verdict, generation)

    def _answer(self, asked: Asked, found: Found) -> Reply | None:
        """The answer that was found; None if there is none, or none without a call."""
        verdict = found.verdict
        if verdict.good in ("gone", "spare"):
            return None
        if verdict.refresh:
            self._caching.background(asked.key, lambda: self._refresh(asked))
        if verdict.good == "late":
            return self._stale(asked, found, f"{verdict.reason}, the next is being fetched")
        if found.look.behind:
            return self._stale(asked, found, "the replica is behind")
        return self._hit(asked, found)

    def _hit(self, asked: Asked, found: Found) -> Reply:
        entry, verdict = _entry(found), found.verdict
        # Under the virtual clock the call that brings it may still be under way: then this one takes as long.
        wait = max(0, entry.stored_at - self._caching.time(asked.request))
        saved = max(0, entry.took_ms - wait)
        self._store.count(self._policy.task, hits=1, saved_ms=saved)
        note: dict[str, Any] = {
            "outcome": "hit",
            "task": self._policy.task,
            "key": asked.key[:KEY_SHOWN],
            "age_ms": verdict.age_ms,
            "expires_in_ms": verdict.expires_in_ms,
            "saved_ms": saved,
        }
        if verdict.refresh:
            note["refreshing"] = True
        if wait:
            note["reason"] = "joined a call under way"
        if entry.kind == "error":
            note["reason"] = "a kept failure"
        return self._kept(found, note, wait)

    def _stale(self, asked: Asked, found: Found, reason: str) -> Reply:
        saved = _entry(found).took_ms
        self._store.count(self._policy.task, stale=1, saved_ms=saved)
        note = {"outcome": "stale", "reason": reason, "age_ms": found.verdict.age_ms, "saved_ms": saved}
        return self._kept(found, about(self._policy, asked.key, note))

    def _kept(self, found: Found, note: dict[str, Any], duration_ms: int = 0) -> Reply:
        """A Reply of what was found."""
        look, entry = found.look, _entry(found)
        if entry.kind == "error":
            failure = TaskFailed(look.failure.get("error"), look.failure.get("cause"))
            return Reply(failure=failure, note=note, duration_ms=duration_ms)
        submitted = None if entry.submitted is None else Payload.parse(entry.submitted)
        return Reply(look.payload, submitted=submitted, note=note, duration_ms=duration_ms)

    def _together(self, asked: Asked, found: Found) -> Reply:
        """Ask the handler, or wait for who is asking it already."""
        flights = self._caching.flights
        while True:
            flight, leads = flights.enter(asked.key)
            if leads:
                reply = None
                try:
                    reply = self._lead(asked, found)
                finally:
                    flights.land(asked.key, flight, _shared(reply))
                return reply
            if flight.mine:
                return self._ask_aside(asked, "it is asked by the very call that answers it")
            self.waits = True
            began = monotonic()
            shared = flight.wait(self._caching.patience)
            self.waits = False
            if shared is not None:
                return self._joined(asked, shared)
            if monotonic() - began >= self._caching.patience:
                return self._ask_aside(asked, "another call takes too long")

    def _lead(self, asked: Asked, found: Found) -> Reply:
        self.waits = True
        lease = self._caching.lease(asked.key, lambda: self._answer(asked, self._find(asked)))
        self.waits = False
        if isinstance(lease, Reply):
            return lease
        try:
            found = self._claimed(asked, found)
            answer = None if self._forced(asked) else self._answer(asked, found)
            return self._ask(asked, found) if answer is None else answer
        finally:
            self._store.release(lease)

    def _claimed(self, asked: Asked, found: Found) -> Found:
        """What is there now: another thread or process may have stored it since. An empty place is claimed."""
        if self._policy.written and found.look.head is None:
            head = self._store.claim(asked.key, self._policy.task)
            if head is not None:
                return found._replace(look=Look(head=head))
        return self._find(asked)

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
        policy = self._policy
        called = self._caching.call(self._handler, asked.request)
        reply = called.reply
        if not called.succeeded and reply.failure is None:
            return self._caching.unkept(policy, called, called.why_not)
        if reply.failure is not None and quietly:
            return self._caching.unkept(policy, called, "a refresh failed")
        if reply.failure is not None and found.verdict.good in ("spare", "late"):
            return self._stale(asked, found, f"the handler failed: {reply.failure.name}")
        reason = "refresh asked for" if self._forced(asked) else self._why(asked, found)
        self._caching.refreshed.add(asked.key)
        kept, expires_at = self._keep(asked, found, called)
        self._store.count(policy.task, calls=1, stores=int(kept), **({"refreshes": 1} if quietly else {"misses": 1}))
        note = {"outcome": "miss", "reason": reason, "kept": kept, "took_ms": called.took_ms}
        if expires_at is not None:
            note["expires_in_ms"] = expires_at - self._caching.time(asked.request)
        return called.noted(about(policy, asked.key, note))

    def _why(self, asked: Asked, found: Found) -> str:
        """Why there is no answer in the cache."""
        if found.verdict.reason:
            return found.verdict.reason
        return self._store.why_missing(self._policy.task, asked.key, self._caching.time(asked.request))

    def _keep(self, asked: Asked, found: Found, called: Called) -> tuple[bool, int | None]:
        """Store an answer; whether it was, and when it expires."""
        policy, reply = self._policy, called.reply
        failed = reply.failure is not None
        if failed and not policy.negative_ttl_ms:
            return False, None
        if policy.written and found.look.head is None:
            return False, None  # without a claim it may be older than what was written meanwhile
        stored_at = self._caching.time(asked.request) + reply.duration_ms
        entry = Entry(
            "error" if failed else "value",
            policy.task,
            asked.request.state,
            called.asked_at,
            stored_at,
            expiry(policy, asked.key, stored_at, failed=failed),
            called.took_ms,
            policy.version,
            dict(asked.code),
            asked.resource,
            found.generation,
            readable(asked.question, policy.redact),
            submitted=called.submitted,
        )
        kept = self._store.keep(asked.key, entry, called.text, found.look.head, keep_seconds(policy, failed=failed))
        return kept, entry.expires_at if kept else None

    def _refresh(self, asked: Asked) -> None:
        """Fetch the next answer while the last one is still given; whatever comes of it, nobody waits."""
        flight, leads = self._caching.flights.enter(asked.key)
        if not leads:
            return
        reply = None
        try:
            lease = self._store.lease(asked.key)
            if lease is not None:
                try:
                    found = self._find(asked)
                    if found.verdict.good != "fresh" or found.verdict.refresh:
                        request = copy(asked.request)
                        request.log = _say_nothing
                        reply = self._ask(asked._replace(request=request), found, quietly=True)
                finally:
                    self._store.release(lease)
        finally:
            self._caching.flights.land(asked.key, flight, _shared(reply))


def _entry(found: Found) -> Entry:
    assert found.look.entry is not None
    return found.look.entry


def _shared(reply: Reply | None) -> Reply | None:
    """What others may have too: not the promise of an answer, nor one that could not be kept for another reason."""
    return None if reply is None or reply.note["outcome"] == "bypass" else reply


def _say_nothing(line: str) -> None:
    """A line that a handler prints while nobody waits for it has no place in the trace."""
