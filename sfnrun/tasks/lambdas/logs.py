"""The root logger has a handler while functions run, as in Lambda: `logger.info` shows, basicConfig changes nothing.

Lambda writes `[INFO]<tab>time<tab>request id<tab>message`; time and request are left out here, the trace knows both.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["RootHandler"]

Voice = Callable[[str], None]


class RootHandler(logging.Handler):
    """Gives a record to the voice of the calling thread; without one it goes where it would go without this handler."""

    def __init__(self, voice: Callable[[], Voice | None]) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
        self._voice = voice
        self._wanted = True

    def put_up(self) -> None:
        if self._wanted:
            logging.getLogger().addHandler(self)

    def take_down(self) -> None:
        root = logging.getLogger()
        # Code that configures logging its own way removes the handlers it finds, and means it.
        self._wanted = self in root.handlers
        root.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        voice = self._voice()
        if voice is None:
            _as_if_alone(record, self)
            return
        try:
            voice(self.format(record) + "\n")
        except Exception:
            self.handleError(record)  # what every handler of logging does with a record that cannot be formatted


def _as_if_alone(record: logging.LogRecord, handler: logging.Handler) -> None:
    last = logging.lastResort
    if last and logging.getLogger().handlers == [handler] and record.levelno >= last.level:
        last.handle(record)
