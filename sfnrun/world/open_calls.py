"""Calls that their handlers answer by themselves, and gates that let a number of calls through at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from sfnrun.effects import Answer, Call, Handler, OpenCall, Request
from sfnrun.world.hosted import Host, Hosted

if TYPE_CHECKING:
    from sfnrun.world.calls import Calls

__all__ = ["Gate", "HandledCall"]


class HandledCall:
    """A Call as an OpenCall, for a handler that answers it by itself."""

    def __init__(self, host: Host, calls: Calls, hosted: Hosted, call: Call) -> None:
        self._host = host
        self._calls = calls
        self._hosted = hosted
        self._call = call

    @property
    def request(self) -> Request:
        return self._call.request

    @property
    def is_open(self) -> bool:
        return self._call.key in self._hosted.open

    def answer(self, answer: Answer, after: int = 0) -> None:
        if after or self._host.is_virtual:
            self._host.agenda.push(self._host.now + after, self._hosted, self._call.key, answer)
        else:
            self._host.give(self._hosted, self._host.now, self._call.key, answer)

    def on_cancel(self, hook: Callable[[], None]) -> None:
        if self.is_open:
            self._hosted.open[self._call.key] = hook

    def ask(self, handler: Handler, done: Callable[[], None] | None = None) -> None:
        self._host.attempt(self._hosted, self._calls.start, self._hosted, self._call, handler, done)


class Gate:
    """A semaphore for the calls of all executions of a World. Calls beyond the limit wait, first come, first served.

    A call occupies the gate until its result is due, under the virtual clock as well.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.free = limit
        self._line: deque[tuple[OpenCall, Handler]] = deque()

    @property
    def waiting(self) -> int:
        """Number of calls that wait. A cancelled one counts until its turn comes."""
        return len(self._line)

    def around(self, handler: Handler) -> Handler:
        """Return a handler that is called when the gate admits it."""
        return Handler(handler.call, begin=lambda call: self.enter(call, handler), fingerprint=handler.fingerprint)

    def enter(self, call: OpenCall, handler: Handler) -> None:
        """Have a handler answer a call when the gate admits it."""
        self._line.append((call, handler))
        self._admit()

    def _leave(self) -> None:
        self.free += 1
        self._admit()

    def _admit(self) -> None:
        while self.free and self._line:
            call, handler = self._line.popleft()
            if call.is_open:
                self.free -= 1
                call.ask(handler, self._leave)
