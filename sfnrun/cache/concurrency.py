"""Threads around a cache: single flight, lease renewal, circuit breaker and background jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from sfnrun.cache.backend import Unavailable

__all__ = ["BackgroundJobs", "Breaker", "Flight", "Flights", "LeaseRenewer", "run_inline"]

T = TypeVar("T")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class Flight(Generic[T]):
    """A call in progress whose result other threads wait for."""

    __slots__ = ("_gate", "_leader", "_result")

    def __init__(self) -> None:
        self._leader = threading.get_ident()
        self._gate: threading.Lock | None = None  # made for the first thread that waits: most calls have none
        self._result: T | None = None

    @property
    def is_reentrant(self) -> bool:
        """Whether the current thread is the one that makes the call, so that waiting for it would never end."""
        return self._leader == threading.get_ident()

    def wait(self, seconds: float) -> T | None:
        """Return the result of the call; None if it cannot be shared or takes longer than `seconds`."""
        assert self._gate is not None
        if not self._gate.acquire(timeout=seconds):
            return None
        self._gate.release()
        return self._result


class Flights(Generic[T]):
    """The calls in progress, at most one per key (single flight)."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[str, Flight[T]] = {}

    def enter(self, key: str) -> tuple[Flight[T], bool]:
        """Return the flight of a key and whether the caller leads it; a leader must call `finish` in any case."""
        with self._guard:
            flight = self._open.get(key)
            if flight is None:
                flight = self._open[key] = Flight()
                return flight, True
            if flight._gate is None:
                flight._gate = threading.Lock()
                flight._gate.acquire()
            return flight, False

    def finish(self, key: str, flight: Flight[T], result: T | None) -> None:
        """End a flight and wake the threads that wait for it."""
        with self._guard:
            del self._open[key]
            flight._result = result
            if flight._gate is not None:
                flight._gate.release()


class LeaseRenewer:
    """Renews leases every `every` seconds, so that they expire only when their owner has died.

    One thread, started with the first lease.
    """

    def __init__(self, renew: Callable[[str, str], None], every: float) -> None:
        self._renew = renew
        self._every = every
        self._held: dict[str, str] = {}
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def hold(self, key: str, token: str) -> None:
        with self._guard:
            self._held[key] = token
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sfnrun cache leases", daemon=True)
                self._thread.start()

    def drop(self, key: str) -> None:
        with self._guard:
            self._held.pop(key, None)

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.wait(self._every):
            with self._guard:
                held = list(self._held.items())
            for key, token in held:
                self._renew(key, token)


class Breaker:
    """Circuit breaker: skip a failed node for a while, so that its timeout is paid only once.

    `with breaker: …` runs the block. Exceptions of the types `failures` open the breaker for 1 s, doubling up to 30 s,
    and become Unavailable, prefixed with `name`; while it is open, the block does not run and Unavailable is raised.
    After the pause one call is tried again. `clock` returns seconds of real time, whatever clock the execution has.
    """

    def __init__(
        self, name: str, failures: tuple[type[Exception], ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._failures = failures
        self._clock = clock
        self._pause = _FIRST_PAUSE
        self._open_until = 0.0
        self._reason = ""

    def __enter__(self) -> None:
        if self._open_until and self._clock() < self._open_until:
            raise Unavailable(self._reason)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and isinstance(error, self._failures):
            self._trip(error)
            raise Unavailable(self._reason) from error
        if self._open_until:
            self._open_until, self._pause = 0.0, _FIRST_PAUSE

    def _trip(self, error: BaseException) -> None:
        self._reason = f"{self.name}: {str(error) or type(error).__name__}"
        self._open_until = self._clock() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


class BackgroundJobs:
    """Runs jobs on threads of their own, at most one per key: refreshes whose result no Task waits for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[str, threading.Thread] = {}

    def __call__(self, key: str, job: Callable[[], None]) -> None:
        """Start a job, unless one with this key is running."""

        def run() -> None:
            try:
                job()
            finally:
                with self._guard:
                    self._open.pop(key, None)

        with self._guard:
            if key not in self._open:
                # A daemon, so that a handler that never returns does not keep the process alive.
                thread = self._open[key] = threading.Thread(target=run, name="sfnrun cache refresh", daemon=True)
                thread.start()

    def close(self, seconds: float) -> None:
        """Wait at most `seconds` in all for the running jobs."""
        until = time.monotonic() + seconds
        with self._guard:
            threads = list(self._open.values())
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def run_inline(key: str, job: Callable[[], None]) -> None:
    """Run a job on the caller's thread: with the virtual clock it takes no simulated time."""
    job()
