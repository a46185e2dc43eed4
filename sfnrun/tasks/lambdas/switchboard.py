"""One thread that waits for all execution environments: for what they send, for deadlines, for other threads.

It is a small event loop. What belongs to environments is touched on its thread alone, so there are no locks; other
threads `post`. Forty threads that wait for forty processes would spend their time on the interpreter's lock.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from typing import Any

__all__ = ["Switchboard", "Timer"]

READ = select.POLLIN
WRITE = select.POLLOUT


class Timer:
    """A function that is called at a time, unless it is cancelled."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self.function: Callable[[], None] | None = function

    def cancel(self) -> None:
        self.function = None


class Switchboard:
    """An event loop on a daemon thread, which starts with the first `post`."""

    def __init__(self) -> None:
        self._inbox: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0
        # poll and epoll have the same constants; epoll is not everywhere, and poll takes a microsecond per descriptor.
        self._poll: Any = select.epoll() if hasattr(select, "epoll") else select.poll()
        self._alarm, self._wake = os.pipe()
        os.set_blocking(self._alarm, False)
        os.set_blocking(self._wake, False)
        self._poll.register(self._alarm, READ)
        self._sleeps = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._ends = False

    def post(self, function: Callable[..., None], *args: Any) -> None:
        """Have a function called on the thread of the switchboard; it must not raise."""
        self._inbox.append((function, args))
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="sfnrun-environments", daemon=True)
                    self._thread.start()
        if self._sleeps:
            self._sleeps = False
            with suppress(BlockingIOError):  # it is being woken already
                os.write(self._wake, b"\0")

    def stop(self) -> None:
        """End the thread after what it is doing; called on it."""
        self._ends = True

    def join(self, seconds: float) -> None:
        """Wait for the thread to end."""
        if self._thread is not None:
            self._thread.join(seconds)

    # -- on its own thread --

    def watch(self, descriptor: int, callback: Callable[[int], None], events: int = READ) -> None:
        """Have a function called with the events of a descriptor."""
        self._callbacks[descriptor] = callback
        self._poll.register(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        """Watch a descriptor for other events."""
        self._poll.modify(descriptor, events)

    def ignore(self, descriptor: int) -> None:
        """Watch a descriptor no longer."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def call_at(self, when: float, function: Callable[[], None]) -> Timer:
        """Have a function called at a time of time.monotonic."""
        self._count += 1
        timer = Timer(function)
        heappush(self._timers, (when, self._count, timer))
        return timer

    def _run(self) -> None:
        in_milliseconds = 1000 if not hasattr(select, "epoll") else 1
        while not self._ends or self._inbox:
            while self._inbox:
                function, args = self._inbox.popleft()
                function(*args)
            seconds = self._call_due()
            self._sleeps = True
            if self._inbox:  # posted while it did not look as if it slept
                seconds = 0.0
            for descriptor, events in self._poll.poll(-1 if seconds is None else seconds * in_milliseconds):
                callback = self._callbacks.get(descriptor)
                if callback is not None:
                    callback(events)
                elif descriptor == self._alarm:
                    os.read(self._alarm, 4096)
            self._sleeps = False
        self._close()

    def _call_due(self) -> float | None:
        """Call what is due; seconds until something else is, None: nothing."""
        timers = self._timers
        while timers:
            when, _, timer = timers[0]
            if timer.function is None:
                heappop(timers)
                continue
            seconds = when - time.monotonic()
            if seconds > 0:
                return 0.0 if self._inbox else seconds
            heappop(timers)
            timer.function()
        return 0.0 if self._inbox or self._ends else None

    def _close(self) -> None:
        if hasattr(self._poll, "close"):
            self._poll.close()
        os.close(self._alarm)
        os.close(self._wake)
