"""`redis://` and `rediss://`: entries on a primary; with `?replica=`, reads go to a replica, which can lag.

redis://[USER:PASSWORD@]HOST[:PORT][/DB][?prefix=sfnrun:&replica=HOST:PORT&timeout=200ms&ssl_ca_certs=FILE]
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count, islice
from typing import Any

import redis as client
from redis.backoff import NoBackoff
from redis.retry import Retry

from sfnrun.cache.backend import (
    ANY_AGE,
    CLAIM_SECONDS,
    BackendInfo,
    Counts,
    MissHint,
    RawLookup,
    Replacement,
    TooLarge,
    Unavailable,
    is_entry_key,
)
from sfnrun.cache.concurrency import Breaker, LeaseRenewer
from sfnrun.cache.entry import ETAG_LENGTH, EXPIRY, is_expired

__all__ = ["RedisBackend"]

_LARGEST = 512 * 2**20
_HINTS = 50_000  # per task
_SEPARATOR = b"\x1f"
_ANY_ETAG = "*"


class _Script:
    """A Lua script, which a server knows by its hash once it has run it."""

    def __init__(self, text: str, keys: int) -> None:
        self.text = text.strip()
        self.keys = keys
        self.hash = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_TAKE = _Script(
    f"""
local value, mark = unpack(redis.call('MGET', KEYS[1], KEYS[2]))
local expiry = value and tonumber(string.sub(value, {EXPIRY.start + 1}, {EXPIRY.stop}))
if expiry and expiry > tonumber(ARGV[1]) then return {{value, mark}} end
local lease = redis.call('SET', KEYS[3], ARGV[2], 'NX', 'PX', ARGV[3])
if value or not lease then return {{value, mark, lease}} end
if ARGV[5] ~= '' then redis.call('SET', KEYS[1], ARGV[5], 'PX', {CLAIM_SECONDS * 1000:.0f}) end
return {{value, mark, lease, redis.call('EXISTS', KEYS[4]), redis.call('ZSCORE', KEYS[4], ARGV[4])}}
""",
    keys=4,
)
_GIVE = _Script(
    f"""
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
local same = ARGV[2] == '{_ANY_ETAG}' or ARGV[2] == redis.call('GETRANGE', KEYS[1], 0, {ETAG_LENGTH - 1})
if not same then return 0 end
redis.call('SET', KEYS[1], ARGV[3], unpack(ARGV, 6))
if ARGV[4] ~= '' then
    redis.call('ZADD', KEYS[3], ARGV[4], ARGV[5])
    redis.call('ZREMRANGEBYRANK', KEYS[3], 0, {-_HINTS - 1})
end
return 1
""",
    keys=3,
)
_RELEASE = _Script("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end", keys=1)
_RENEW = _Script(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end",
    keys=1,
)


class _Node:
    """One server: its connections and its breaker, which a refusal (out of memory, read-only) does not open."""

    def __init__(
        self, host: str, port: int, timeout: float, clock: Callable[[], float], options: Mapping[str, Any]
    ) -> None:
        # One retry on a new connection, for a server that restarted; none after a timeout.
        retry = Retry(NoBackoff(), 1, (client.ConnectionError,))
        self.calls = client.Redis(
            host=host, port=port, socket_timeout=timeout, socket_connect_timeout=timeout, retry=retry, **options
        )
        self.breaker = Breaker(f"redis {host}:{port}", (client.RedisError, OSError), clock)
        self._idle: list[Any] = []  # connections that no caller uses

    @contextmanager
    def guard(self) -> Iterator[Any]:
        with self.breaker:
            try:
                yield self.calls
            except client.ResponseError as error:
                raise self._refusal(error) from error

    def call(self, *command: Any) -> Any:
        """Return the reply to one command; redis-py's own command methods take longer than the round trip itself."""
        with self.breaker:
            try:
                return self._call(command)
            except client.ResponseError as error:
                raise self._refusal(error) from error

    def run(self, script: _Script, *keys_and_arguments: Any) -> Any:
        with self.breaker:
            try:
                return self._call(("EVALSHA", script.hash, script.keys, *keys_and_arguments))
            except client.exceptions.NoScriptError:
                return self.call("EVAL", script.text, script.keys, *keys_and_arguments)
            except client.ResponseError as error:
                raise self._refusal(error) from error

    def _call(self, command: tuple[Any, ...]) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.calls.connection_pool.make_connection()
        try:
            return _answer(connection, command)
        except client.ConnectionError:  # opened before the server restarted: it reconnects
            return _answer(connection, command)
        finally:
            self._idle.append(connection)

    def _refusal(self, error: Exception) -> Unavailable:
        return Unavailable(f"{self.breaker.name}: {error}")

    def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()
        self.calls.close()


def _answer(connection: Any, command: tuple[Any, ...]) -> Any:
    try:
        connection.send_command(*command)
        return connection.read_response()
    except client.ResponseError:
        raise
    except BaseException:  # a reply that was not read would be taken for the next one
        connection.disconnect()
        raise


class RedisBackend:
    """Entries on a Redis server.

    `replica` is (host, port). After `lease_seconds` the lease of a process that died is free. `options` are those of
    `redis.Redis`.
    """

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
        self._renewer = LeaseRenewer(self._renew, lease_seconds / 3)
        self._tokens = map(f"{os.urandom(8).hex()}-{{}}".format, count())

    def lookup(
        self, key: str, task: str = "", tag: str = "", expired_by: int | None = None, claim: bytes = b""
    ) -> RawLookup:
        names = (self._prefix + key, self._prefix + tag if tag else "")
        if self._replica is not None and expired_by != ANY_AGE:
            with suppress(Unavailable):  # then the primary is read
                value, tag_value = self._replica.call("MGET", *names)
                if not is_expired(value, expired_by or 0):
                    return RawLookup(value, tag_value)
        if expired_by is None:
            return RawLookup(*self._primary.call("MGET", *names))
        lease, token = self._lease(key), next(self._tokens)
        found = self._primary.run(
            _TAKE, *names, lease, self._hints(task), expired_by, token, self._lease_ms, key, claim
        )
        return self._taken(found, lease, token, task)

    def lookup_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        names = [self._prefix + key for key in keys]
        if self._replica is not None:
            with suppress(Unavailable):  # then the primary is read
                return list(self._replica.call("MGET", *names))
        return list(self._primary.call("MGET", *names))

    def _taken(self, found: list[Any], lease: str, token: str, task: str) -> RawLookup:
        value, tag_value, granted, task_known, expires_at = [*found, None, None, None][:5]
        if not granted:
            return RawLookup(value, tag_value)
        self._renewer.hold(lease, token)
        hint = None if expires_at is None else MissHint(task, _whole(float(expires_at)))
        return RawLookup(value, tag_value, token, bool(task_known), hint)

    def release(self, key: str, lease: str, replacement: Replacement | None = None) -> bool:
        name = self._lease(key)
        self._renewer.drop(name)
        if replacement is None:
            self._primary.run(_RELEASE, name, lease)
            return False
        return self._store(
            key, lease, replacement.etag or b"", replacement.value, replacement.retention_seconds, replacement.hint
        )

    def put(self, key: str, value: bytes, retention_seconds: float | None, hint: MissHint | None = None) -> None:
        self._store(key, "", _ANY_ETAG, value, retention_seconds, hint)

    def _store(
        self,
        key: str,
        lease: str,
        etag: bytes | str,
        value: bytes,
        retention_seconds: float | None,
        hint: MissHint | None,
    ) -> bool:
        _refuse_too_large(value)
        task, expires_at = ("", "") if hint is None else (hint.task, hint.expires_at or "+inf")
        names = (self._prefix + key, self._lease(key), self._hints(task))
        expiry = () if retention_seconds is None else ("PX", max(1, round(retention_seconds * 1000)))
        return bool(self._primary.run(_GIVE, *names, lease, etag, value, expires_at, key, *expiry))

    def _lease(self, key: str) -> str:
        return f"{self._prefix}lease:{key}"

    def _hints(self, task: str) -> str:
        return f"{self._prefix}asked:{task}"

    def _renew(self, name: str, token: str) -> None:
        # Otherwise it expires; at worst another process calls the handler too.
        with suppress(Unavailable):
            self._primary.run(_RENEW, name, token, self._lease_ms)

    def delete(self, key: str) -> None:
        with self._primary.guard() as calls:
            calls.delete(self._prefix + key)

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

    def add(self, counts: dict[tuple[str, str], int]) -> None:
        with self._primary.guard() as calls:
            pipe = calls.pipeline(transaction=True)
            for (task, name), number in counts.items():
                pipe.hincrby(f"{self._prefix}counters", task.encode() + _SEPARATOR + name.encode(), number)
            pipe.execute()
        counts.clear()

    def counts(self) -> Counts:
        with self._primary.guard() as calls:
            found = calls.hgetall(f"{self._prefix}counters")
        pairs = ((field.decode().partition(_SEPARATOR.decode()), number) for field, number in found.items())
        return {(task, name): int(number) for (task, _, name), number in pairs}

    def info(self) -> BackendInfo:
        with self._primary.guard() as calls:
            memory, stats = calls.info("memory"), calls.info("stats")
        return BackendInfo(
            memory["used_memory"], memory["maxmemory"] or None, stats["evicted_keys"], memory["maxmemory_policy"]
        )

    def clear(self) -> None:
        with self._primary.guard() as calls:
            names = self._names(calls)
            while chunk := list(islice(names, 500)):
                calls.unlink(*chunk)

    def close(self) -> None:
        self._renewer.close()
        for node in filter(None, (self._primary, self._replica)):
            node.close()


def _whole(expires_at: float) -> int | None:
    return None if math.isinf(expires_at) else int(expires_at)


def _refuse_too_large(value: bytes) -> None:
    if len(value) > _LARGEST:
        raise TooLarge(f"{len(value):,} bytes exceed Redis's limit of 512 MB")
