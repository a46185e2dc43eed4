"""A task that is asked only when the cache has no answer; it may wrap any task, and nobody else knows of it.

Time is the engine's: TTLs are judged by it, so they pass under the virtual clock as waits do. Whatever happens to the
cache, the task's own answer is given. What the cache did goes into the note of the Reply.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sfnrun.cache.backend import Lease
from sfnrun.cache.background import at_once
from sfnrun.cache.entry import Entry
from sfnrun.cache.flight import Flights
from sfnrun.cache.key import key_of, question_of, readable
from sfnrun.cache.policy import NoKey, Policy, Target, Verdict, expiry, judge, keep_seconds
from sfnrun.cache.store import Look, Store
from sfnrun.engine.effects import Failed, Pending, Reply, Request, TaskHandler
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload, dumps

__all__ = ["Cached", "Caching"]

HandlerFor = Callable[[Request], TaskHandler]
Code = Mapping[str, str]

_LONGEST_PAUSE = 0.05
_KEY_SHOWN = 12


@dataclass
class Caching:
    """What all cached tasks of an execution share.

    `code_of` gives the files behind a handler with their hashes, the same mapping for the same handler. `now` is the
    engine's time in milliseconds; None if a call takes none of it (the virtual clock), then a request's own time
    counts. `background` runs what nobody waits for. `refresh` are the states to ask anew, once for each key. `bypass`
    is why nothing is looked up or kept at all, if so.
    """

    store: Store
    policy_for: Callable[[Request], Policy | None]
    code_of: Callable[[TaskHandler, Request], Code] = lambda handler, request: {}
    now: Callable[[], int] | None = None
    background: Callable[[str, Callable[[], None]], None] = at_once
    refresh: frozenset[str] = frozenset()
    bypass: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    pause: Callable[[float], None] = time.sleep
    flights: Flights[Reply] = field(default_factory=Flights)
    refreshed: set[str] = field(default_factory=set)

    def wrap(self, handler_for: HandlerFor) -> HandlerFor:
        """The same handlers, those with a policy cached."""

        def cached_for(request: Request) -> TaskHandler:
            handler = handler_for(request)
            policy = self.policy_for(request)
            return handler if policy is None else Cached(handler, policy, self)

        return cached_for


class _Asked(NamedTuple):
    """One request as the cache sees it."""

    request: Request
    key: str
    question: Json
    resource: str
    code: Code


class _Found(NamedTuple):
    """What the cache has for it, what that is good for, and the mark that entries must bear."""

    look: Look
    verdict: Verdict
    generation: str


class _Called(NamedTuple):
    """What the handler answered, its result if it is one that can be kept, how long it took."""

    reply: Reply
    payload: Payload | None
    asked_at: int
    took_ms: int


class Cached:
    """A TaskHandler that answers from the cache what it can. Its time limit is that of the handler."""

    __slots__ = ("_caching", "_handler", "_policy", "_store", "time_limit")

    def __init__(self, handler: TaskHandler, policy: Policy, caching: Caching) -> None:
        self._handler = handler
        self._policy = policy
        self._caching = caching
        self._store = caching.store
        self.time_limit = handler.time_limit

    def timed_out(self, request: Request) -> Failed:
        return self._handler.timed_out(request)

    def __call__(self, request: Request) -> Reply:
        """The answer with what the cache did in its note. A failure is in the Reply; it raises what only bugs raise."""
        if self._caching.bypass:
            return self._unkept(request, self._caching.bypass)
        if request.token is not None or request.resource.kind == "activity":
            return self._unkept(request, "its answer comes from elsewhere")
        try:
            return self._write(request) if self._policy.is_writer else self._read(request)
        except NoKey as error:
            return self._unkept(request, f"no key: {error}")

    # -- reading: lazy, refresh-ahead --------------------------------------------------------------------------------

    def _read(self, request: Request) -> Reply:
        asked = self._asked(request)
        if not self._forced(asked):
            answer = self._answer(asked, self._find(asked))
            if answer is not None:
                return answer
        return self._together(asked)

    def _asked(self, request: Request) -> _Asked:
        question = question_of(self._policy, request.payload)
        resource = request.resource.arn
        key = key_of(self._policy, question, self._caching.environment, resource)
        function = request.function_name
        if function is not None and request.resource.kind == "service":
            resource = f"{resource} {function}"
        return _Asked(request, key, question, resource, self._caching.code_of(self._handler, request))

    def _forced(self, asked: _Asked) -> bool:
        caching = self._caching
        return asked.request.state in caching.refresh and asked.key not in caching.refreshed

    def _time(self, request: Request) -> int:
        return request.at if self._caching.now is None else self._caching.now()

    def _find(self, asked: _Asked) -> _Found:
        policy, request = self._policy, asked.request
        generation = self._store.generation(policy.task) if policy.watched else ""
        look = Look(trouble="the cache is out of reach") if generation is None else self._store.look(asked.key)
        if look.entry is None or generation is None:
            return _Found(look, Verdict("gone", look.trouble), "")
        now = self._time(request)
        verdict = judge(look.entry, policy, now, asked.code, asked.resource, generation, request.attempt)
        return _Found(look, verdict, generation)

    def _answer(self, asked: _Asked, found: _Found) -> Reply | None:
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

    def _hit(self, asked: _Asked, found: _Found) -> Reply:
        entry, verdict = _entry(found), found.verdict
        # Under the virtual clock the call that brings it may still be under way: then this one takes as long.
        wait = max(0, entry.stored_at - self._time(asked.request))
        saved = max(0, entry.took_ms - wait)
        self._store.count(self._policy.task, hits=1, saved_ms=saved)
        note = {"outcome": "hit", "age_ms": verdict.age_ms, "expires_in_ms": verdict.expires_in_ms, "saved_ms": saved}
        if verdict.refresh:
            note["refreshing"] = True
        if wait:
            note["reason"] = "joined a call under way"
        if entry.kind == "error":
            note["reason"] = "a kept failure"
        return self._kept(asked, found, note, wait)

    def _stale(self, asked: _Asked, found: _Found, reason: str) -> Reply:
        saved = _entry(found).took_ms
        self._store.count(self._policy.task, stale=1, saved_ms=saved)
        note = {"outcome": "stale", "reason": reason, "age_ms": found.verdict.age_ms, "saved_ms": saved}
        return self._kept(asked, found, note)

    def _kept(self, asked: _Asked, found: _Found, note: dict[str, Any], duration_ms: int = 0) -> Reply:
        """A Reply of what was found."""
        note = self._about(note, asked.key)
        look, entry = found.look, _entry(found)
        if entry.kind == "error":
            failure = TaskFailed(look.failure.get("error"), look.failure.get("cause"))
            return Reply(failure=failure, note=note, duration_ms=duration_ms)
        submitted = None if entry.submitted is None else Payload.parse(entry.submitted)
        return Reply(look.payload, submitted=submitted, note=note, duration_ms=duration_ms)

    def _together(self, asked: _Asked) -> Reply:
        """Ask the handler, or wait for who is asking it already."""
        flights = self._caching.flights
        while True:
            flight, leads = flights.enter(asked.key)
            if leads:
                reply = None
                try:
                    reply = self._lead(asked)
                finally:
                    flights.land(asked.key, flight, _shared(reply))
                return reply
            if flight.mine:
                return self._unkept(asked.request, "it is asked by the very call that answers it")
            shared = flight.wait()
            if shared is not None:
                return self._joined(asked, shared)

    def _lead(self, asked: _Asked) -> Reply:
        lease = self._lease(asked)
        if isinstance(lease, Reply):
            return lease
        try:
            found = self._find(asked)  # again: another thread or process may have stored it since
            answer = None if self._forced(asked) else self._answer(asked, found)
            return self._ask(asked, found) if answer is None else answer
        finally:
            self._store.release(lease)

    def _lease(self, asked: _Asked) -> Lease | Reply:
        """The right to call, among all processes; or the answer, if another one brings it first."""
        pause = 0.001
        while (lease := self._store.lease(asked.key)) is None:
            self._caching.pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            answer = self._answer(asked, self._find(asked))
            if answer is not None:
                return answer
        return lease

    def _joined(self, asked: _Asked, shared: Reply) -> Reply:
        """What another thread's call brought."""
        note = dict(shared.note)
        if note["outcome"] == "miss" and shared.failure is None:
            note |= {"outcome": "hit", "reason": "joined a call under way", "age_ms": 0, "saved_ms": 0}
        self._store.count(self._policy.task, **{_COUNTERS[note["outcome"]]: 1})
        return replace(shared, note=note)

    def _ask(self, asked: _Asked, found: _Found, *, quietly: bool = False) -> Reply:
        """Call the handler, and keep what it answers."""
        policy = self._policy
        called = self._call(asked.request)
        reply = called.reply
        if called.payload is None and reply.failure is None:
            return self._noted(reply, "bypass", reason=_WHY_NOT[isinstance(reply.output, Pending)])
        if reply.failure is not None and found.verdict.good in ("spare", "late"):
            return self._stale(asked, found, f"the handler failed: {reply.failure.name}")
        reason = "refresh asked for" if self._forced(asked) else self._why(asked, found)
        self._caching.refreshed.add(asked.key)
        kept, expires_at = self._keep(asked, found, called)
        self._store.count(policy.task, calls=1, stores=int(kept), **({"refreshes": 1} if quietly else {"misses": 1}))
        note = {"outcome": "miss", "reason": reason, "kept": kept, "took_ms": called.took_ms}
        if expires_at is not None:
            note["expires_in_ms"] = expires_at - self._time(asked.request)
        return replace(reply, output=called.payload or reply.output, note=self._about(note, asked.key))

    def _why(self, asked: _Asked, found: _Found) -> str:
        """Why there is no answer in the cache."""
        if found.verdict.reason:
            return found.verdict.reason
        return self._store.why_missing(self._policy.task, asked.key, self._time(asked.request))

    def _call(self, request: Request) -> _Called:
        asked_at, started = self._time(request), time.perf_counter()
        try:
            result = self._handler(request)
        except TaskFailed as failure:
            result = Reply(failure=failure)
        took = round((time.perf_counter() - started) * 1000)
        reply = result if isinstance(result, Reply) else Reply(result)
        return _Called(reply, _payload(reply), asked_at, max(took, reply.duration_ms))

    def _keep(self, asked: _Asked, found: _Found, called: _Called) -> tuple[bool, int | None]:
        """Store an answer; whether it was, and when it expires."""
        policy, reply = self._policy, called.reply
        failed = reply.failure is not None
        if failed and not policy.negative_ttl_ms:
            return False, None
        stored_at = self._time(asked.request) + reply.duration_ms
        entry = Entry(
            "error" if failed else "value",
            policy.task,
            asked.request.state,
            _text(called),
            called.asked_at,
            stored_at,
            expiry(policy, asked.key, stored_at, failed=failed),
            called.took_ms,
            policy.version,
            asked.code,
            asked.resource,
            found.generation,
            readable(asked.question, policy.redact),
            submitted=_submitted(reply),
        )
        kept = self._store.keep(asked.key, entry, found.look.head, keep_seconds(policy, failed=failed))
        return kept, entry.expires_at if kept else None

    def _refresh(self, asked: _Asked) -> None:
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
                        quiet = asked._replace(request=replace(asked.request, log=_say_nothing))
                        reply = self._ask(quiet, found, quietly=True)
                finally:
                    self._store.release(lease)
        finally:
            self._caching.flights.land(asked.key, flight, _shared(reply))

    # -- writing: write-through, invalidation ------------------------------------------------------------------------

    def _write(self, request: Request) -> Reply:
        """Call the handler, one at a time for a key, and bring the cache up to date before anybody hears of it."""
        through = self._policy.writes
        if through is None:
            return self._write_alone(request, None, "")
        key = self._target_key(through, request)
        turn = f"write:{key}"
        flights = self._caching.flights
        while True:
            flight, leads = flights.enter(turn)
            if leads or flight.mine:
                break
            flight.wait()
        try:
            lease = self._write_lease(turn)
            try:
                return self._write_alone(request, through, key)
            finally:
                self._store.release(lease)
        finally:
            if leads:
                flights.land(turn, flight, None)

    def _write_lease(self, turn: str) -> Lease:
        pause = 0.001
        while (lease := self._store.lease(turn)) is None:
            self._caching.pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return lease

    def _write_alone(self, request: Request, through: Target | None, key: str) -> Reply:
        stale = [(target, self._target_key(target, request)) for target in self._policy.invalidates]
        called: _Called | None = None
        try:
            called = self._call(request)
        finally:
            # Also if it failed, or blew up: it may have written before.
            written = called is not None and called.reply.failure is None and called.payload is not None
            for target, name in stale:
                self._invalidate(target, name, request)
            if through is not None and not written:
                self._invalidate(through, key, request)
        assert called is not None
        if not written or through is None:
            names = dict.fromkeys(
                target.reader.task for target in [*self._policy.invalidates, *filter(None, [through])]
            )
            return self._noted(called.reply, "bypass", reason=f"it writes; {', '.join(names)} made stale")
        return self._write_through(request, through, key, called)

    def _write_through(self, request: Request, through: Target, key: str, called: _Called) -> Reply:
        reader = through.reader
        stored_at = self._time(request) + called.reply.duration_ms
        entry = Entry(
            "value",
            reader.task,
            request.state,
            _text(called),
            called.asked_at,
            stored_at,
            expiry(reader, key, stored_at),
            called.took_ms,
            reader.version,
            generation=(self._store.generation(reader.task) or "") if reader.watched else "",
            question=readable(_select(through, request), reader.redact | self._policy.redact),
            by=request.state,
        )
        kept = self._store.put(key, entry, keep_seconds(reader))
        self._store.count(self._policy.task, calls=1, stores=int(kept))
        note = {"outcome": "store", "to": reader.task, "kept": kept, "took_ms": called.took_ms}
        if entry.expires_at is not None:
            note["expires_in_ms"] = entry.expires_at - self._time(request)
        return replace(called.reply, output=called.payload, note=self._about(note, key))

    def _target_key(self, target: Target, request: Request) -> str:
        if target.key is None and target is not self._policy.writes:
            return ""
        return key_of(target.reader, _select(target, request), self._caching.environment)

    def _invalidate(self, target: Target, key: str, request: Request) -> None:
        if not key:
            self._store.renew_generation(target.reader.task)
            return
        now = self._time(request)
        self._store.put(key, Entry("gone", target.reader.task, request.state, "null", now, now, by=request.state))

    # -- neither -----------------------------------------------------------------------------------------------------

    def _unkept(self, request: Request, reason: str) -> Reply:
        return self._noted(self._call(request).reply, "bypass", reason=reason)

    def _noted(self, reply: Reply, outcome: str, **told: Any) -> Reply:
        self._store.count(self._policy.task, calls=1, **{_COUNTERS[outcome]: 1})
        return replace(reply, note={"outcome": outcome, "task": self._policy.task, **told})

    def _about(self, note: dict[str, Any], key: str) -> dict[str, Any]:
        return {**note, "task": self._policy.task, "key": key[:_KEY_SHOWN]}


_COUNTERS = {"hit": "hits", "miss": "misses", "stale": "stale", "bypass": "bypassed"}
_WHY_NOT = {True: "its answer comes from elsewhere", False: "its answer is not JSON"}


def _select(target: Target, request: Request) -> Json:
    """What the reader will be asking for, as the writer's payload has it."""
    select = target.key or target.reader.key
    return request.payload if select is None else select(request.payload)


def _entry(found: _Found) -> Entry:
    assert found.look.entry is not None
    return found.look.entry


def _shared(reply: Reply | None) -> Reply | None:
    """What others may have too: not a promise of an answer, nor what could not be kept for another reason."""
    return None if reply is None or reply.note["outcome"] == "bypass" else reply


def _payload(reply: Reply) -> Payload | None:
    """The result as JSON, if it is one."""
    if reply.failure is not None or isinstance(reply.output, Pending):
        return None
    if isinstance(reply.output, Payload):
        return reply.output
    try:
        return Payload.from_python(reply.output)
    except (TypeError, ValueError, RecursionError):
        return None  # the driver says so in AWS's words


def _text(called: _Called) -> str:
    failure = called.reply.failure
    if failure is not None:
        return dumps({"error": failure.name, "cause": failure.cause})
    assert called.payload is not None
    return called.payload.text


def _submitted(reply: Reply) -> str | None:
    if reply.submitted is None:
        return None
    return reply.submitted.text if isinstance(reply.submitted, Payload) else dumps(reply.submitted)


def _say_nothing(line: str) -> None:
    """A line that a handler prints while nobody waits for it has no place in the trace."""
