"""`memcached://`: entries on one or more nodes; rendezvous (consistent) hashing assigns each key to a node.

memcached://HOST:PORT[,HOST:PORT…][?prefix=sfnrun:&timeout=200ms]

The keys of a node that is down are misses. They do not move to another node: when they moved back, they would find
outdated values.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from operator import methodcaller
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from pymemcache import Client, MemcacheError
from pymemcache.client.rendezvous import RendezvousHash
from pymemcache.exceptions import MemcacheServerError, MemcacheUnexpectedCloseError

from sfnrun.cache.backend import (
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
from sfnrun.cache.entry import etag, is_expired

__all__ = ["MemcachedBackend"]

T = TypeVar("T")

# The limit of an item is 1 MB with key and header; larger values are compressed first.
_LARGEST = 1_000_000
_LARGEST_UNPACKED = 64 * 2**20
_PACKED = b"z"
_LONGEST_KEY = 250
_MONTH = 30 * 86_400
_ADMIN_TIMEOUT = 5.0
_HINT_SECONDS = 7 * 86_400
_STALE_CONNECTION = (MemcacheUnexpectedCloseError, ConnectionResetError, BrokenPipeError)


class _Node:
    """One server: its connections, and its breaker."""

    def __init__(self, host: str, port: int, timeout: float, clock: Callable[[], float]) -> None:
        self.name = f"{host}:{port}"
        self._server = (host, port)
        self._timeout = timeout
        self._idle: list[Any] = []  # connections that no caller uses
        self.breaker = Breaker(f"memcached {self.name}", (MemcacheError, OSError), clock)

    def call(self, operation: Callable[[Any], T]) -> T:
        with self.breaker:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connection()
            try:
                return _answer(connection, operation)
            except _STALE_CONNECTION:  # opened before the node restarted: try a new one
                return _answer(connection, operation)
            except MemcacheServerError as error:  # out of memory: not a reason to skip the node
                raise Unavailable(f"{self.breaker.name}: {error}") from error
            finally:
                self._idle.append(connection)

    def _connection(self) -> Any:
        return Client(
            self._server, connect_timeout=self._timeout, timeout=self._timeout, no_delay=True, default_noreply=False
        )

    def list_keys(self) -> list[str]:
        """Return all keys on this node; slow, for listings."""
        with self.breaker:
            dump = _dump(self._server)
        # A key that is replaced during the dump appears twice.
        names = dict.fromkeys(line[4:].split(b" ", 1)[0] for line in dump if line.startswith(b"key="))
        return [unquote(name.decode()) for name in names]

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _answer(connection: Any, operation: Callable[[Any], T]) -> T:
    try:
        return operation(connection)
    except BaseException:  # a reply that was not read would be taken for the next one
        connection.close()
        raise


class MemcachedBackend:
    """Entries on memcached servers.

    `nodes` are (host, port). After `lease_seconds` the lease of a process that died is free.
    """

    may_lag = False

    def __init__(
        self,
        nodes: Sequence[tuple[str, int]] = (("127.0.0.1", 11211),),
        *,
        prefix: str = "sfnrun:",
        timeout: float = 0.2,
        lease_seconds: int = 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = "memcached " + ",".join(f"{host}:{port}" for host, port in nodes)
        self._prefix = prefix if _is_plain(prefix) else f"sfnrun-{_hash(prefix)[:16]}:"
        self._nodes = {node.name: node for node in (_Node(host, port, timeout, clock) for host, port in nodes)}
        self._ring = RendezvousHash(list(self._nodes))
        # memcached's clock ticks in seconds, so an item can expire up to one second early.
        self._lease_seconds = lease_seconds + 1
        self._renewer = LeaseRenewer(self._renew, lease_seconds / 3)

    def _node(self, name: str) -> _Node:
        return self._nodes[self._ring.get_node(name)]

    def _call(self, name: str, operation: Callable[[Any], T]) -> T:
        return self._node(name).call(operation)

    def _name(self, key: str) -> str:
        """Return the name of a key under memcached's rules: at most 250 bytes of ASCII without spaces."""
        name = self._prefix + key
        return name if _is_plain(name) else self._prefix + _hash(key)

    def lookup(
        self, key: str, task: str = "", tag: str = "", expired_by: int | None = None, claim: bytes = b""
    ) -> RawLookup:
        value, tag_value = self._get(key), self._get(tag) if tag else None
        if expired_by is None or not is_expired(value, expired_by):
            return RawLookup(value, tag_value)
        name, token = self._name(f"lease:{key}"), os.urandom(8).hex()
        if not self._call(name, lambda calls: calls.add(name, token.encode(), expire=self._lease_seconds)):
            return RawLookup(value, tag_value)
        try:
            taken = self._taken(key, task, tag_value, token, claim)
        except BaseException:
            self._touch_own(name, token, expire=-1)
            raise
        self._renewer.hold(name, token)
        return taken

    def _taken(self, key: str, task: str, tag_value: bytes | None, token: str, claim: bytes) -> RawLookup:
        """Look again under the lease: another process can have stored the entry since."""
        value = self._get(key)
        while value is None and claim and not self._swap(key, None, claim, CLAIM_SECONDS):
            value = self._get(key)
        if value is not None:
            return RawLookup(value, tag_value, token)
        hint = self._get(f"asked:{key}")
        if hint is not None:
            return RawLookup(None, tag_value, token, True, MissHint(*json.loads(hint)))
        return RawLookup(None, tag_value, token, self._get(f"task:{_hash(task)}") is not None)

    def lookup_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        names = [self._name(key) for key in keys]
        by_node: dict[_Node, list[str]] = defaultdict(list)
        for name in names:
            by_node[self._node(name)].append(name)
        found: dict[str, Any] = {}
        for node, group in by_node.items():
            found |= node.call(methodcaller("get_many", group))
        return [_unpack(found.get(name)) for name in names]

    def _get(self, key: str) -> bytes | None:
        name = self._name(key)
        return _unpack(self._call(name, lambda calls: calls.get(name)))

    def release(self, key: str, lease: str, replacement: Replacement | None = None) -> bool:
        try:
            stored = replacement is not None and self._swap(
                key, replacement.etag, replacement.value, replacement.retention_seconds
            )
            if stored and replacement is not None:
                self._remember(key, replacement.hint)
            return stored
        finally:
            if lease:
                name = self._name(f"lease:{key}")
                self._renewer.drop(name)
                # `cas` with an expiry in the past deletes the lease, but only if it is still ours.
                self._touch_own(name, lease, expire=-1)

    def put(self, key: str, value: bytes, retention_seconds: float | None, hint: MissHint | None = None) -> None:
        name, packed = self._name(key), _pack(value)
        self._call(name, lambda calls: calls.set(name, packed, expire=_expire(retention_seconds)))
        self._remember(key, hint)

    def _remember(self, key: str, hint: MissHint | None) -> None:
        if hint is not None:
            self.put(f"asked:{key}", json.dumps(hint).encode(), _HINT_SECONDS)
            self.put(f"task:{_hash(hint.task)}", b"1", _HINT_SECONDS)

    def _swap(self, key: str, seen: bytes | None, value: bytes, retention_seconds: float | None) -> bool:
        name, packed, expire = self._name(key), _pack(value), _expire(retention_seconds)

        def swap(calls: Any) -> bool:
            if seen is None:
                return bool(calls.add(name, packed, expire=expire))
            stored, ticket = calls.gets(name)
            return etag(_unpack(stored) or b"") == seen and bool(calls.cas(name, packed, ticket, expire=expire))

        return self._call(name, swap)

    def delete(self, key: str) -> None:
        name = self._name(key)
        self._call(name, lambda calls: calls.delete(name))

    def _renew(self, name: str, token: str) -> None:
        with suppress(Unavailable):  # the lease expires; at worst another process calls the handler too
            self._touch_own(name, token, expire=self._lease_seconds)

    def _touch_own(self, name: str, token: str, expire: int) -> None:
        def again(calls: Any) -> None:
            stored, ticket = calls.gets(name)
            if stored == token.encode():
                calls.cas(name, stored, ticket, expire=expire)

        self._call(name, again)

    def scan(self) -> Iterator[tuple[str, bytes]]:
        for name in self._names():
            key = name[len(self._prefix) :]
            value = self._get(key) if is_entry_key(key) else None
            if value is not None:
                yield key, value

    def _names(self) -> Iterator[str]:
        for node in self._nodes.values():
            for name in node.list_keys():
                # A node can still hold keys that it had when there were fewer nodes.
                if name.startswith(self._prefix) and self._node(name) is node:
                    yield name

    def add(self, counts: dict[tuple[str, str], int]) -> None:
        for (task, name), number in list(counts.items()):
            self._add(self._name(f"count:{quote(task, safe='')}:{name}"), number)
            del counts[task, name]

    def _add(self, name: str, count: int) -> None:
        def add(calls: Any) -> None:
            while calls.incr(name, count) is None and not calls.add(name, str(count).encode()):
                pass  # added by another process, or evicted, between the two

        self._call(name, add)

    def counts(self) -> Counts:
        start = f"{self._prefix}count:"
        counts: dict[tuple[str, str], int] = {}
        for full in self._names():
            task, colon, name = full[len(start) :].partition(":")
            value = self._get(full[len(self._prefix) :]) if full.startswith(start) and colon else None
            if value is not None:
                counts[unquote(task), name] = int(value)
        return counts

    def info(self) -> BackendInfo:
        stats: list[Any] = [node.call(_stats) for node in self._nodes.values()]

        def total(name: bytes) -> int:
            return sum(int(one.get(name, 0)) for one in stats)

        return BackendInfo(total(b"bytes"), total(b"limit_maxbytes"), total(b"evictions"), "lru")

    def clear(self) -> None:
        for name in list(self._names()):
            self.delete(name[len(self._prefix) :])

    def close(self) -> None:
        self._renewer.close()
        for node in self._nodes.values():
            node.close()


def _dump(server: tuple[str, int]) -> list[bytes]:
    """Return one line for each item, from the hash table; from the LRU queues of older servers some are missing."""
    refused = ""
    for command in (b"lru_crawler metadump hash\r\n", b"lru_crawler metadump all\r\n"):
        # The `raw_command` of pymemcache returns only the first lines of a long reply.
        with socket.create_connection(server, _ADMIN_TIMEOUT) as connection, connection.makefile("rb") as reply:
            connection.sendall(command)
            lines: list[bytes] = []
            for line in reply:
                if line == b"END\r\n":
                    return lines
                if not line.startswith(b"key="):
                    refused = line.decode("ascii", "replace").strip()
                    break
                lines.append(line)
    raise MemcacheError(f"cannot list keys: {refused or 'connection closed'}")


def _stats(calls: Any) -> Any:
    return calls.stats()


def _is_plain(name: str) -> bool:
    return len(name) <= _LONGEST_KEY and re.fullmatch(r"[!-~]*", name) is not None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _expire(seconds: float | None) -> int:
    """Return an expiry for memcached: seconds, 0 for never, a date if more than 30 days ahead."""
    if seconds is None:
        return 0
    whole = max(1, int(seconds) + 1)
    return whole if whole <= _MONTH else int(time.time()) + whole


def _pack(value: bytes) -> bytes:
    packed = value if len(value) <= _LARGEST else _PACKED + zlib.compress(value, 1)
    if len(packed) > _LARGEST:
        raise TooLarge(f"{len(value):,} bytes exceed memcached's limit of 1 MB per item")
    return packed


def _unpack(packed: bytes | None) -> bytes | None:
    if packed is None or not packed.startswith(_PACKED):
        return packed
    try:
        return zlib.decompressobj().decompress(packed[1:], _LARGEST_UNPACKED)
    except zlib.error:
        return b""  # which `decode` reports as damaged
