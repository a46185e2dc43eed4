"""A lease that others grant runs out unless it is renewed; so that of a dead owner does, and that of a slow one not."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Keeper"]


class Keeper:
    """Renews what is held every `every` seconds, on one thread that starts when there is something to hold."""

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
