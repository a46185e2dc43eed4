"""What all cached tasks of an execution share, and one call of a handler that may be kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct, field

from sfnrun.cache.concurrency import Flights, run_inline
from sfnrun.cache.policy import Policy
from sfnrun.cache.store import Store
from sfnrun.effects import Fingerprint, Handler, Pending, Reply, Request
from sfnrun.errors import TaskFailed
from sfnrun.payload import Payload, dumps

__all__ = ["COUNTERS", "KEY_SHOWN", "Caching", "Called", "about"]

T = TypeVar("T")

COUNTERS = {"hit": "hits", "miss": "misses", "stale": "stale", "bypass": "bypassed"}

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05
KEY_SHOWN = 12


class Caching(Struct):
    """What all cached tasks of an execution share.

    `fingerprint_of` gives the fingerprint of a handler, None if its replies are never cached. `now` is the engine's
    time in milliseconds; None if a call takes none of it (the virtual clock), then a request's own time counts.
    `background` runs what nobody waits for. `refresh` names the Tasks whose cached results are ignored, once for each
    key. `bypass` is the reason why the cache is not used at all, if so.
    """

    store: Store
    policy_for: Callable[[Request], Policy | None]
    fingerprint_of: Callable[[Handler], Fingerprint] = lambda handler: {}
    now: Callable[[], int] | None = None
    background: Callable[[str, Callable[[], None]], None] = run_inline
    refresh: frozenset[str] = frozenset()
    bypass: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    pause: Callable[[float], None] = time.sleep
    patience: float = 30.0
    flights: Flights[Reply] = field(default_factory=Flights)
    refreshed: set[str] = field(default_factory=set)

    def time(self, request: Request) -> int:
        """The engine's time of now."""
        return request.at if self.now is None else self.now()

    def patiently(self, attempt: Callable[[], T | None]) -> T | None:
        """Try until something comes of it, with pauses; None after `patience` seconds."""
        pause, waited = _FIRST_PAUSE, 0.0
        while (result := attempt()) is None and waited < self.patience:
            self.pause(pause)
            waited += pause
            pause = min(pause * 2, _LONGEST_PAUSE)
        return result

    def call(self, handler: Handler, request: Request) -> Called:
        """Ask the handler. Its failure is in the Reply; this raises what only bugs raise."""
        called_at, started = self.time(request), time.perf_counter()
        try:
            result = handler.call(request)
        except TaskFailed as failure:
            result = Reply(failure=failure)
        took = round((time.perf_counter() - started) * 1000)
        reply = result if isinstance(result, Reply) else Reply(result)
        really = max(took, reply.duration_ms)
        return Called(reply, _payload(reply), called_at, reply.duration_ms if self.now is None else really, really)

    def unkept(self, policy: Policy, called: Called, reason: str) -> Reply:
        """An answer that the cache has nothing to do with."""
        self.store.count(policy.task, calls=1, bypassed=1)
        return called.noted({"outcome": "bypass", "task": policy.task, "reason": reason})


def about(policy: Policy, key: str, note: dict[str, Any]) -> dict[str, Any]:
    """A note with whom it is about."""
    return {**note, "task": policy.task, "key": key[:KEY_SHOWN]}


class Called(NamedTuple):
    """What a handler answered, as a payload if it is JSON; when it was asked, and how long it took (see Entry)."""

    reply: Reply
    payload: Payload | None
    called_at: int
    took_ms: int
    real_took_ms: int

    def noted(self, note: dict[str, Any]) -> Reply:
        """The handler's answer as it was, with what the cache did."""
        reply = self.reply
        output = reply.output if self.payload is None else self.payload
        return Reply(output, reply.failure, reply.submitted, reply.worker_name, reply.duration_ms, note)

    @property
    def text(self) -> str:
        """What is kept of it: the result, or the error."""
        failure = self.reply.failure
        if failure is not None:
            return dumps({"error": failure.name, "cause": failure.cause})
        assert self.payload is not None
        return self.payload.text

    @property
    def submitted(self) -> str | None:
        first = self.reply.submitted
        return None if first is None else first.text if isinstance(first, Payload) else dumps(first)

    @property
    def succeeded(self) -> bool:
        """Whether there is a result that can be kept."""
        return self.payload is not None

    @property
    def why_not(self) -> str:
        return "its answer comes from elsewhere" if isinstance(self.reply.output, Pending) else "its answer is not JSON"


def _payload(reply: Reply) -> Payload | None:
    if reply.failure is not None or isinstance(reply.output, Pending):
        return None
    if isinstance(reply.output, Payload):
        return reply.output
    try:
        return Payload.from_python(reply.output)
    except (TypeError, ValueError, RecursionError):
        return None  # the driver says so in AWS's words
