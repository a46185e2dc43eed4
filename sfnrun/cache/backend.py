"""What a place that keeps bytes has to do; everything else about caching is the same for all of them.

Keys are ASCII words, values bytes. A backend judges no age: `keep_seconds` only says when a value is garbage. Every
method may raise Unavailable, quickly (within the timeout, and at once while a Breaker is open), and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from msgspec import Struct, field

__all__ = ["Asked", "Backend", "Batch", "Facts", "Lease", "Recalled", "TooLarge", "Unavailable", "is_entry_key"]

_ENTRY_KEY = re.compile("[0-9a-f]{40}")


class Unavailable(Exception):
    """The place cannot be reached, is too slow, full, read-only or broken; the message says which, for people."""


class TooLarge(Exception):
    """The place never takes a value of this size."""


class Lease(Protocol):
    """The right to call the handler of one key, among all processes; a dead owner does not hold it."""

    def release(self) -> None: ...


class Asked(NamedTuple):
    """A key that was stored, so that a later miss can say why: who asked, and when the entry would have expired."""

    task: str
    expires_at: int | None


class Recalled(NamedTuple):
    """What is known of a key that is not there: whether its task ever stored anything, and whether this key was."""

    task: bool
    key: Asked | None = None


class Batch(Struct):
    """What happened since it was last written down: counters by (task, name), and the keys that were stored."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)


def is_entry_key(key: str) -> bool:
    """Whether a stored key is that of an entry, and not a mark, a lease or a counter."""
    return _ENTRY_KEY.fullmatch(key) is not None


class Facts(NamedTuple):
    """What a place knows of itself; None is unknown or unbounded. `evictions` counts what it threw out for room."""

    size_bytes: int | None = None
    limit_bytes: int | None = None
    evictions: int = 0
    eviction_policy: str = ""


class Backend(Protocol):
    """A place that keeps bytes, for all threads of a process and, but for `memory://`, for all processes."""

    label: str
    may_lag: bool
    """Whether `get` may give something older than what was last stored."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes, keep_seconds: float | None) -> None: ...

    def swap(self, key: str, seen: bytes | None, value: bytes, keep_seconds: float | None) -> bool:
        """Store if what is there still has the head `seen` (None: if there is nothing); atomic."""

    def delete(self, key: str) -> None: ...

    def lease(self, key: str) -> Lease | None:
        """The right to call for this key; None while another process has it."""

    def scan(self) -> Iterator[tuple[str, bytes]]:
        """All values that we stored, in no order."""

    def record(self, batch: Batch) -> None:
        """Write a batch down, and take out of it what is written; so what is left can be given again."""

    def recall(self, task: str, key: str) -> Recalled: ...

    def counts(self) -> Mapping[tuple[str, str], int]: ...

    def facts(self) -> Facts: ...

    def clear(self) -> None:
        """Remove everything of ours, counters too."""

    def close(self) -> None: ...
