"""What a place that keeps bytes has to do; everything else about caching is the same for all of them.

A hit costs one trip, a miss two around its handler: `take` gives what is there, or the lease to bring it, and `give`
stores what was brought and ends the lease. Keys are ASCII words, values bytes with the head and the expiry of an entry.
No backend judges an age but to know whether a lease is wanted: `keep_seconds` only says when a value is garbage. Every
method may raise Unavailable, quickly (within the timeout, and at once while a Breaker is open), and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

__all__ = [
    "ALWAYS",
    "Answer",
    "Asked",
    "Backend",
    "Counts",
    "Facts",
    "Taken",
    "TooLarge",
    "Unavailable",
    "is_entry_key",
]

ALWAYS = 2**53
"""No entry expires later."""

Counts = Mapping[tuple[str, str], int]
"""Counters by (task, name)."""

_ENTRY_KEY = re.compile("[0-9a-f]{40}")


class Unavailable(Exception):
    """The place cannot be reached, is too slow, full, read-only or broken; the message says which, for people."""


class TooLarge(Exception):
    """The place never takes a value of this size."""


class Asked(NamedTuple):
    """What is remembered of a key when its value is gone, so that a miss can say why; `expires_at` None is never."""

    task: str
    expires_at: int | None


class Taken(Struct, frozen=True):
    """What `take` found: the value under the key, that under the mark's, and the lease if it was wanted and is free.

    A lease is a word that only its owner knows; "" where nobody else could have it. If there is no value, `known` says
    whether the task ever stored anything, and `asked` what is remembered of the key.
    """

    value: bytes | None
    mark: bytes | None = None
    lease: str | None = None
    known: bool = False
    asked: Asked | None = None


class Answer(Struct, frozen=True):
    """A value to be stored if what is there still has the head `seen` (None: if nothing is there)."""

    seen: bytes | None
    value: bytes
    keep_seconds: float | None
    asked: Asked | None = None


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
    """Whether `take` may give something older than what was last stored."""

    def take(self, key: str, task: str = "", mark: str = "", dead: int | None = None, claim: bytes = b"") -> Taken:
        """What is under `key` and `mark`; and the lease of the key, if nothing is there or it expires by `dead`.

        `dead` None: no lease is wanted. ALWAYS: whatever is there. A lease is held until it is given back; that of a
        process that died is free again. With it, `claim` is put where there was nothing.
        """

    def look(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """What is under several keys, in one trip to each node."""

    def give(self, key: str, lease: str, answer: Answer | None = None) -> bool:
        """Store an answer, and give the lease back; atomic. Whether it was stored."""

    def put(self, key: str, value: bytes, keep_seconds: float | None, asked: Asked | None = None) -> None:
        """Store over whatever is there."""

    def delete(self, key: str) -> None: ...

    def scan(self) -> Iterator[tuple[str, bytes]]:
        """All values that we stored, in no order."""

    def add(self, counts: dict[tuple[str, str], int]) -> None:
        """Add to the counters, and take out what is added; so what is left can be given again."""

    def counts(self) -> Counts: ...

    def facts(self) -> Facts: ...

    def clear(self) -> None:
        """Remove everything of ours, counters too."""

    def close(self) -> None: ...


def is_entry_key(key: str) -> bool:
    """Whether a stored key is that of an entry, and not a mark, a lease or a counter."""
    return _ENTRY_KEY.fullmatch(key) is not None
