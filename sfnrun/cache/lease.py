"""A lease that others grant runs out unless it is renewed; so that of a dead owner does, and that of a slow one not."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Keeper", "TokenLease"]


class Keeper:
    """Renews what is held every `every` seconds, on one thread that starts when there is something to hold."""

    def __init__(self, renew: Callable[[str, str], None], every: float) -> None:
        self._renew = renew
        self._every = every
        self._held: dict[str, str] = {}
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def hold(self, key: str, token: str) -> None:
        with self._change:
            self._held[key] = token
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sfnrun cache leases", daemon=True)
                self._thread.start()
            self._change.notify()

    def drop(self, key: str) -> None:
        with self._change:
            self._held.pop(key, None)

    def close(self) -> None:
        self._closing.set()
        with self._change:
            self._change.notify()

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._change:
                self._change.wait_for(lambda: self._held or self._closing.is_set())
            if self._closing.wait(self._every):
                return
            with self._change:
                held = list(self._held.items())
            for key, token in held:
                self._renew(key, token)


class TokenLease:
    """A lease of `key`; `give_back(key, token)` ends it if it still is ours."""

    def __init__(self, key: str, token: str, keeper: Keeper, give_back: Callable[[str, str], None]) -> None:
        self._key = key
        self._token = token
        self._keeper = keeper
        self._give_back = give_back
        keeper.hold(key, token)

    def release(self) -> None:
        self._keeper.drop(self._key)
        self._give_back(self._key, self._token)
