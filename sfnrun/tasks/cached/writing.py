"""A Task that writes: its handler is always asked, and the cache is right before anybody hears the answer."""

from __future__ import annotations

from sfnrun.cache.backend import ANY_AGE
from sfnrun.cache.entry import Entry
from sfnrun.cache.key import key_of, key_text
from sfnrun.cache.policy import Policy, Target, expiry, retention_seconds
from sfnrun.cache.store import Lookup
from sfnrun.effects import Handler, Reply, Request
from sfnrun.payload import Json
from sfnrun.tasks.cached.shared import Caching, Called, about

__all__ = ["Writer"]


class Writer:
    """Answers the requests of one Task; raises KeyNotFound, before it asks, if the payload does not name the target."""

    __slots__ = ("_caching", "_handler", "_policy", "_store", "waits")

    def __init__(self, handler: Handler, policy: Policy, caching: Caching) -> None:
        self._handler = handler
        self._policy = policy
        self._caching = caching
        self._store = caching.store
        self.waits = False
        """Whether somebody else is waited for, whose time is not the handler's."""

    def __call__(self, request: Request) -> Reply:
        through = self._policy.writes
        if through is None:
            return self._write(request, None, "")
        key = self._target_key(through, request)
        return self._in_turn(request, through, key)

    def _in_turn(self, request: Request, through: Target, key: str) -> Reply:
        """One at a time for a key, so that what is kept last is what was written last."""
        turn, flights = f"write:{key}", self._caching.flights
        while True:
            flight, leads = flights.enter(turn)
            if leads:
                break
            if flight.is_reentrant:  # a write within the very write that it belongs to
                return self._write(request, through, key)
            self.waits = True
            flight.wait(self._caching.patience)
        try:
            self.waits = True
            look = self._caching.patiently(lambda: self._turn(turn)) or Lookup()
            self.waits = False
            try:
                return self._write(request, through, key)
            finally:
                self._store.release(turn, look)
        finally:
            flights.finish(turn, flight, None)

    def _turn(self, turn: str) -> Lookup | None:
        look = self._store.lookup(turn, expired_by=ANY_AGE)
        return None if look.lease is None else look

    def _write(self, request: Request, through: Target | None, key: str) -> Reply:
        stale = [(target, self._target_key(target, request)) for target in self._policy.invalidates]
        called: Called | None = None
        try:
            called = self._caching.call(self._handler, request)
        finally:
            # Also if it failed, or blew up: it may have written before.
            written = called is not None and called.succeeded
            for target, name in stale:
                self._invalidate(target, name, request)
            if through is not None and not written:
                self._invalidate(through, key, request)
        assert called is not None
        if not written or through is None:
            targets = [*self._policy.invalidates, *filter(None, [through])]
            names = ", ".join(dict.fromkeys(target.reader.task for target in targets))
            return self._caching.unkept(self._policy, called, f"it writes; {names} made stale")
        return self._write_through(request, through, key, called)

    def _write_through(self, request: Request, through: Target, key: str, called: Called) -> Reply:
        reader = through.reader
        stored_at = self._caching.time(request) + called.reply.duration_ms
        entry = Entry(
            "value",
            reader.task,
            request.state,
            called.called_at,
            stored_at,
            expiry(reader, key, stored_at),
            called.took_ms,
            called.real_took_ms,
            reader.version,
            tag_version=(self._store.tag_version(reader.task) or "") if reader.tagged else "",
            key_text=key_text(_select(through, request), reader.redact | self._policy.redact),
            written_by=request.state,
        )
        kept = self._store.put(key, entry, called.text, retention_seconds(reader))
        self._store.count(self._policy.task, calls=1, stores=int(kept))
        note = {"outcome": "store", "to": reader.task, "kept": kept, "took_ms": called.took_ms}
        if entry.expires_at is not None:
            note["expires_in_ms"] = entry.expires_at - self._caching.time(request)
        return called.noted(about(self._policy, key, note))

    def _target_key(self, target: Target, request: Request) -> str:
        if target.key is None and target is not self._policy.writes:
            return ""
        return key_of(target.reader, _select(target, request), self._caching.environment)

    def _invalidate(self, target: Target, key: str, request: Request) -> None:
        if not key:
            self._store.invalidate_all(target.reader.task)
            return
        now = self._caching.time(request)
        self._store.put(key, Entry("tombstone", target.reader.task, request.state, now, now, written_by=request.state))


def _select(target: Target, request: Request) -> Json:
    """What the reader will be asking for, as the writer's payload has it."""
    select = target.key or target.reader.key
    return request.payload if select is None else select(request.payload)
