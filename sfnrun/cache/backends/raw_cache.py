"""diskcache reduced to `str` keys and `bytes` values; it unpickles nothing and trusts no row that it did not write."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

import diskcache

__all__ = ["RawCache", "refuse_foreign_settings"]

_FILE_NAME = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")


class _RawDisk(diskcache.Disk):  # type: ignore[misc]
    """Keys as they are, values as bytes. Subclassed because diskcache has no other seam for it."""

    def put(self, key: Any) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError(f"a key is a str, not {key!r}")
        return key, True

    def get(self, key: Any, raw: Any) -> str:
        return key if type(key) is str else ""

    def store(self, value: Any, read: Any, key: Any = None) -> Any:
        if type(value) is not bytes:
            raise TypeError("a value is bytes")
        return super().store(value, False, key=key)

    def fetch(self, mode: Any, filename: Any, value: Any, read: Any) -> bytes:
        if mode == diskcache.core.MODE_RAW and type(value) is bytes:
            return value
        if mode == diskcache.core.MODE_BINARY and _is_ours(filename):
            return Path(self._directory, filename).read_bytes()
        return b""

    def remove(self, file_path: Any) -> None:
        if _is_ours(file_path):
            super().remove(file_path)


class RawCache(diskcache.Cache):  # type: ignore[misc]
    """diskcache, whose connections end with their threads, and all of them with `close`.

    diskcache makes one for each thread and closes only that of the thread that calls `close`.
    """

    def __init__(self, folder: Path, timeout: float, **settings: Any) -> None:
        self._closers: set[Any] = set()
        weakref.finalize(self, _close_all, self._closers)
        super().__init__(str(folder), timeout, _RawDisk, **settings)

    @property
    def _con(self) -> sqlite3.Connection:
        local, process = self._local, os.getpid()
        if getattr(local, "con", None) is None or local.pid != process:  # a fork inherits none
            # Closed from any thread, but used by one.
            local.con = sqlite3.connect(
                os.path.join(self._directory, diskcache.core.DBNAME),
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,
            )
            local.pid = process
            self._closers.difference_update([closer for closer in list(self._closers) if not closer.alive])
            self._closers.add(weakref.finalize(threading.current_thread(), local.con.close))
            for name, value in diskcache.DEFAULT_SETTINGS.items():
                if name.startswith("sqlite_"):
                    self.reset(name, value, update=False)
        connection: sqlite3.Connection = local.con
        return connection

    def close(self) -> None:
        _close_all(self._closers)
        self._local = threading.local()


def _close_all(closers: set[Any]) -> None:
    while closers:
        closers.pop()()


def _is_ours(filename: Any) -> bool:
    return type(filename) is str and _FILE_NAME.fullmatch(filename) is not None


def refuse_foreign_settings(database: Path) -> None:
    """Every setting found becomes an attribute of diskcache's own object, so it must not find any but its own."""
    if not database.exists():
        return
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            names = {name for (name,) in connection.execute("SELECT key FROM Settings")}
        except sqlite3.OperationalError:
            return  # no such table yet: another process is creating it
    if foreign := names - diskcache.DEFAULT_SETTINGS.keys() - diskcache.core.METADATA.keys():
        raise OSError(f"settings of another program: {', '.join(sorted(map(str, foreign)))}")
