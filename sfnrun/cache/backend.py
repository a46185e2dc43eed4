"""The interface of a cache backend: bytes under keys, with leases and conditional writes.

A hit costs one round trip and a miss two, one before and one after its handler: `lookup` returns the value or a lease,
`release` stores the result and ends the lease. Keys are ASCII words; values are the bytes that `cache.entry.encode`
makes, in whose frame a backend can read the etag and the expiry. A backend judges no ages: it reads the expiry only to
decide whether to grant a lease, and `retention_seconds` says when a value is garbage. Every method may raise
Unavailable, within the timeout of the backend or at once while a Breaker is open, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

__all__ = [
    "ANY_AGE",
    "CLAIM_SECONDS",
    "Backend",
    "BackendInfo",
    "Counts",
    "MissHint",
    "RawLookup",
    "Replacement",
    "TooLarge",
    "Unavailable",
    "is_entry_key",
]

ANY_AGE = 2**53
"""As `expired_by` of a lookup: grant the lease whatever is stored; no entry expires later."""

CLAIM_SECONDS = 3600.0
"""Lifetime of a claim in seconds; it must be longer than any handler runs."""

Counts = Mapping[tuple[str, str], int]
"""Counters by (task, name)."""

_ENTRY_KEY = re.compile("[0-9a-f]{40}")


class Unavailable(Exception):
    """The backend cannot be reached, is too slow, full, read-only or damaged; the message says which."""


class TooLarge(Exception):
    """The value is larger than the backend can ever store."""


class MissHint(NamedTuple):
    """Kept after eviction so that a miss can report "expired" or "evicted".

    `expires_at` is in milliseconds since 1970, None for never.
    """

    task: str
    expires_at: int | None


class RawLookup(Struct, frozen=True):
    """Result of a lookup: the value, the value of the tag, and a lease if one was requested and is free.

    A lease is a token that only its owner knows; "" if no other process can hold one. Without a value, `task_known`
    says whether the task ever stored an entry, and `hint` is what is remembered of the key.
    """

    value: bytes | None
    tag: bytes | None = None
    lease: str | None = None
    task_known: bool = False
    hint: MissHint | None = None


class Replacement(Struct, frozen=True):
    """A value to store if the stored one still has this `etag` (None: if nothing is stored)."""

    etag: bytes | None
    value: bytes
    retention_seconds: float | None
    hint: MissHint | None = None


class BackendInfo(NamedTuple):
    """Size and limits of a backend; None is unknown or unbounded. `evictions` counts values removed to make room."""

    size_bytes: int | None = None
    limit_bytes: int | None = None
    evictions: int = 0
    eviction_policy: str = ""


class Backend(Protocol):
    """A store of bytes, shared by all threads of a process and, except for `memory://`, by all processes."""

    label: str
    may_lag: bool
    """Whether a lookup can return an older value than the one stored last."""

    def lookup(
        self, key: str, task: str = "", tag: str = "", expired_by: int | None = None, claim: bytes = b""
    ) -> RawLookup:
        """Return the values of `key` and `tag`, and lease the key if nothing is stored or it expires by `expired_by`.

        `expired_by` None: no lease. A lease is held until it is released; that of a process that died becomes free.
        With a lease on an empty key, `claim` is stored.
        """

    def lookup_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values of several keys, in one round trip to each node."""

    def release(self, key: str, lease: str, replacement: Replacement | None = None) -> bool:
        """Store a replacement and end the lease, atomically. Return whether it was stored."""

    def put(self, key: str, value: bytes, retention_seconds: float | None, hint: MissHint | None = None) -> None:
        """Store a value unconditionally."""

    def delete(self, key: str) -> None: ...

    def scan(self) -> Iterator[tuple[str, bytes]]:
        """Yield all entries, in no order."""

    def add(self, counts: dict[tuple[str, str], int]) -> None:
        """Add to the counters and remove from `counts` what was added, so that the rest can be tried again."""

    def counts(self) -> Counts: ...

    def info(self) -> BackendInfo: ...

    def clear(self) -> None:
        """Remove all entries, tags, leases and counters of this cache."""

    def close(self) -> None: ...


def is_entry_key(key: str) -> bool:
    """Return whether a stored key is that of an entry, not of a tag, a lease or a counter."""
    return _ENTRY_KEY.fullmatch(key) is not None
