"""`redis://` and `rediss://`: one primary, and with `?replica=` a replica that is read from and may be behind.

redis://[USER:PASSWORD@]HOST[:PORT][/DB][?prefix=sfnrun:&replica=HOST:PORT&timeout=200ms&ssl_ca_certs=FILE]
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

import redis as client
from redis.backoff import NoBackoff
from redis.retry import Retry

from sfnrun.cache.backend import Asked, Batch, Facts, Lease, Recalled, TooLarge, Unavailable, is_entry_key
from sfnrun.cache.breaker import Breaker
from sfnrun.cache.entry import HEAD_LENGTH
from sfnrun.cache.lease import Keeper, TokenLease

__all__ = ["RedisBackend"]

_LARGEST = 512 * 2**20
_REMEMBERED = 50_000
_SEPARATOR = b"\x1f"
_SWAP = """
if redis.call('GETRANGE', KEYS[1], 0, ARGV[2] - 1) ~= ARGV[1] then return 0 end
if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[3]) else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
return 1
"""
_GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"


class _Node:
    """One server: its connections, and its breaker. A refusal (full, read-only) is no reason to leave it alone."""

    def __init__(
        self, host: str, port: int, timeout: float, clock: Callable[[], float], options: Mapping[str, Any]
    ) -> None:
        # One more try on a new connection, for a server that was restarted; never after a timeout.
        retry = Retry(NoBackoff(), 1, (client.ConnectionError,))
        self.calls = client.Redis(
            host=host, port=port, socket_timeout=timeout, socket_connect_timeout=timeout, retry=retry, **options
        )
        self.breaker = Breaker(f"redis {host}:{port}", (client.RedisError, OSError), clock)

    @contextmanager
    def guard(self) -> Iterator[Any]:
        with self.breaker:
            try:
                yield self.calls
            except client.ResponseError as error:
                raise Unavailable(f"{self.breaker.name}: {error}") from error


class RedisBackend:
    """Entries on a Redis server. `replica` is (host, port); `lease_seconds` is how long a dead owner holds a key."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 6379,
        *,
        prefix: str = "sfnrun:",
        timeout: float = 0.2,
        replica: tuple[str, int] | None = None,
        lease_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        self.label = f"redis {host}:{port}/{options.get('db', 0)}"
        self.may_lag = replica is not None
        self._prefix = prefix
        self._primary = _Node(host, port, timeout, clock, options)
        self._replica = _Node(*replica, timeout, clock, options) if replica else None
        self._lease_ms = round(lease_seconds * 1000)
        self._keeper = Keeper(self._renew, lease_seconds / 3)
        self._swap, self._give_back_script, self._renew_script = (
            self._primary.calls.register_script(text) for text in (_SWAP, _GIVE_BACK, _RENEW)
        )

    def get(self, key: str) -> bytes | None:
        if self._replica is not None:
            with suppress(Unavailable), self._replica.guard() as calls:  # the primary has it too
                return _bytes(calls.get(self._prefix + key))
        with self._primary.guard() as calls:
            return _bytes(calls.get(self._prefix + key))

    def put(self, key: str, value: bytes, keep_seconds: float | None) -> None:
        _refuse_too_large(value)
        with self._primary.guard() as calls:
            calls.set(self._prefix + key, value, px=_ms(keep_seconds))

    def swap(self, key: str, seen: bytes | None, value: bytes, keep_seconds: float | None) -> bool:
        _refuse_too_large(value)
        with self._primary.guard():
            arguments: list[Any] = [seen or b"", HEAD_LENGTH, value, _ms(keep_seconds) or ""]
            return bool(self._swap(keys=[self._prefix + key], args=arguments))

    def delete(self, key: str) -> None:
        with self._primary.guard() as calls:
            calls.delete(self._prefix + key)

    def lease(self, key: str) -> Lease | None:
        name, token = f"{self._prefix}lease:{key}", os.urandom(8).hex()
        with self._primary.guard() as calls:
            if not calls.set(name, token, nx=True, px=self._lease_ms):
                return None
        return TokenLease(name, token, self._keeper, self._give_back)

    def _give_back(self, name: str, token: str) -> None:
        with self._primary.guard():
            self._give_back_script(keys=[name], args=[token])

    def _renew(self, name: str, token: str) -> None:
        # If it cannot be renewed it runs out; at worst another process calls too.
        with suppress(Unavailable), self._primary.guard():
            self._renew_script(keys=[name], args=[token, self._lease_ms])

    def scan(self) -> Iterator[tuple[str, bytes]]:
        with self._primary.guard() as calls:
            names = (name for name in self._names(calls) if is_entry_key(self._key(name)))
            while chunk := list(islice(names, 100)):
                for name, value in zip(chunk, calls.mget(chunk), strict=True):
                    if value is not None:
                        yield self._key(name), value

    def _names(self, calls: Any) -> Iterator[bytes]:
        literally = "".join(f"[{char}]" if char in "*?[" else char.replace("\\", r"\\") for char in self._prefix)
        names: Iterator[bytes] = calls.scan_iter(match=f"{literally}*", count=500)
        return names

    def _key(self, name: bytes) -> str:
        return name.decode("utf-8", "replace")[len(self._prefix) :]

    def record(self, batch: Batch) -> None:
        with self._primary.guard() as calls:
            pipe = calls.pipeline(transaction=True)
            for (task, name), count in batch.counts.items():
                pipe.hincrby(f"{self._prefix}counters", task.encode() + _SEPARATOR + name.encode(), count)
            for key, asked in batch.asked.items():
                score = math.inf if asked.expires_at is None else asked.expires_at
                pipe.zadd(f"{self._prefix}asked:{asked.task}", {key: score})
            for task in {asked.task for asked in batch.asked.values()}:
                pipe.zremrangebyrank(f"{self._prefix}asked:{task}", 0, -_REMEMBERED - 1)
            pipe.execute()
        batch.counts.clear()
        batch.asked.clear()

    def recall(self, task: str, key: str) -> Recalled:
        with self._primary.guard() as calls:
            name = f"{self._prefix}asked:{task}"
            known, expires_at = calls.pipeline(transaction=False).exists(name).zscore(name, key).execute()
        if expires_at is None:
            return Recalled(bool(known))
        return Recalled(True, Asked(task, None if math.isinf(expires_at) else int(expires_at)))

    def counts(self) -> Mapping[tuple[str, str], int]:
        with self._primary.guard() as calls:
            found = calls.hgetall(f"{self._prefix}counters")
        pairs = ((field.decode().partition(_SEPARATOR.decode()), count) for field, count in found.items())
        return {(task, name): int(count) for (task, _, name), count in pairs}

    def facts(self) -> Facts:
        with self._primary.guard() as calls:
            memory, stats = calls.info("memory"), calls.info("stats")
        return Facts(
            memory["used_memory"], memory["maxmemory"] or None, stats["evicted_keys"], memory["maxmemory_policy"]
        )

    def clear(self) -> None:
        with self._primary.guard() as calls:
            names = self._names(calls)
            while chunk := list(islice(names, 500)):
                calls.unlink(*chunk)

    def close(self) -> None:
        self._keeper.close()
        for node in filter(None, (self._primary, self._replica)):
            node.calls.close()


def _bytes(value: Any) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else None


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds * 1000))


def _refuse_too_large(value: bytes) -> None:
    if len(value) > _LARGEST:
        raise TooLarge(f"{len(value):,} bytes, over Redis's limit of 512 MB")
