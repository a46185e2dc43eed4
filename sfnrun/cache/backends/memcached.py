"""`memcached://`: one or more nodes, each key on one of them, chosen by rendezvous (consistent) hashing.

memcached://HOST:PORT[,HOST:PORT…][?prefix=sfnrun:&timeout=200ms]

A node that is down is not replaced by another: its keys are misses until it is back. Keys that move to another node and
later back would find there what they were before.
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

from sfnrun.cache.backend import Answer, Asked, Counts, Facts, Taken, TooLarge, Unavailable, is_entry_key
from sfnrun.cache.breaker import Breaker
from sfnrun.cache.entry import head, is_dead
from sfnrun.cache.lease import Keeper

__all__ = ["MemcachedBackend"]

T = TypeVar("T")

# An item is at most 1 MB with its key and header; larger values are tried compressed.
_LARGEST = 1_000_000
_LARGEST_UNPACKED = 64 * 2**20
_PACKED = b"z"
_LONGEST_KEY = 250
_MONTH = 30 * 86_400
_ADMIN_TIMEOUT = 5.0
# How long the mark that an answer is on its way must outlive any handler.
_CLAIM_SECONDS = 3600.0
_REMEMBER_SECONDS = 7 * 86_400
_STALE_CONNECTION = (MemcacheUnexpectedCloseError, ConnectionResetError, BrokenPipeError)


class _Node:
    """One server: its connections, and its breaker."""

    def __init__(self, host: str, port: int, timeout: float, clock: Callable[[], float]) -> None:
        self.name = f"{host}:{port}"
        self._server = (host, port)
        self._timeout = timeout
        self._idle: list[Any] = []  # connections; each is one caller's while it is not in here
        self.breaker = Breaker(f"memcached {self.name}", (MemcacheError, OSError), clock)

    def call(self, operation: Callable[[Any], T]) -> T:
        with self.breaker:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connection()
            try:
                return _answer(connection, operation)
            except _STALE_CONNECTION:  # of before a restart; once more on a new one
                return _answer(connection, operation)
            except MemcacheServerError as error:  # out of memory: a refusal, not a failure
                raise Unavailable(f"{self.breaker.name}: {error}") from error
            finally:
                self._idle.append(connection)

    def _connection(self) -> Any:
        return Client(
            self._server, connect_timeout=self._timeout, timeout=self._timeout, no_delay=True, default_noreply=False
        )

    def list_keys(self) -> list[str]:
        """All keys on this node; slow, for listings."""
        with self.breaker:
            dump = _dump(self._server)
        # A key that was stored over meanwhile stands there twice.
        names = dict.fromkeys(line[4:].split(b" ", 1)[0] for line in dump if line.startswith(b"key="))
        return [unquote(name.decode()) for name in names]

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _answer(connection: Any, operation: Callable[[Any], T]) -> T:
    try:
        return operation(connection)
    except BaseException:  # an answer that is not read would be the next question's
        connection.close()
        raise


class MemcachedBackend:
    """Entries on memcached servers. `nodes` are (host, port); `lease_seconds` is how long a dead owner holds a key."""

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
        # Its clock ticks in seconds, so an item may live up to one less than it was given.
        self._lease_seconds = lease_seconds + 1
        self._keeper = Keeper(self._renew, lease_seconds / 3)

    def _node(self, name: str) -> _Node:
        return self._nodes[self._ring.get_node(name)]

    def _call(self, name: str, operation: Callable[[Any], T]) -> T:
        return self._node(name).call(operation)

    def _name(self, key: str) -> str:
        """Our key under memcached's rules: 250 bytes of ASCII without blanks."""
        name = self._prefix + key
        return name if _is_plain(name) else self._prefix + _hash(key)

    def take(self, key: str, task: str = "", mark: str = "", dead: int | None = None, claim: bytes = b"") -> Taken:
        value, marked = self._get(key), self._get(mark) if mark else None
        if dead is None or not is_dead(value, dead):
            return Taken(value, marked)
        name, token = self._name(f"lease:{key}"), os.urandom(8).hex()
        if not self._call(name, lambda calls: calls.add(name, token.encode(), expire=self._lease_seconds)):
            return Taken(value, marked)
        try:
            taken = self._taken(key, task, marked, token, claim)
        except BaseException:
            self._if_ours(name, token, expire=-1)
            raise
        self._keeper.hold(name, token)
        return taken

    def _taken(self, key: str, task: str, marked: bytes | None, token: str, claim: bytes) -> Taken:
        """What is there now that we have the lease: another process may have stored it since."""
        value = self._get(key)
        while value is None and claim and not self._swap(key, None, claim, _CLAIM_SECONDS):
            value = self._get(key)
        if value is not None:
            return Taken(value, marked, token)
        asked = self._get(f"asked:{key}")
        if asked is not None:
            return Taken(None, marked, token, True, Asked(*json.loads(asked)))
        return Taken(None, marked, token, self._get(f"task:{_hash(task)}") is not None)

    def look(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        names = [self._name(key) for key in keys]
        there: dict[_Node, list[str]] = defaultdict(list)
        for name in names:
            there[self._node(name)].append(name)
        found: dict[str, Any] = {}
        for node, group in there.items():
            found |= node.call(methodcaller("get_many", group))
        return [_unpack(found.get(name)) for name in names]

    def _get(self, key: str) -> bytes | None:
        name = self._name(key)
        return _unpack(self._call(name, lambda calls: calls.get(name)))

    def give(self, key: str, lease: str, answer: Answer | None = None) -> bool:
        try:
            stored = answer is not None and self._swap(key, answer.seen, answer.value, answer.keep_seconds)
            if stored and answer is not None:
                self._remember(key, answer.asked)
            return stored
        finally:
            if lease:
                name = self._name(f"lease:{key}")
                self._keeper.drop(name)
                # cas with an expiry in the past deletes it, and only if it still is ours.
                self._if_ours(name, lease, expire=-1)

    def put(self, key: str, value: bytes, keep_seconds: float | None, asked: Asked | None = None) -> None:
        name, packed = self._name(key), _pack(value)
        self._call(name, lambda calls: calls.set(name, packed, expire=_expire(keep_seconds)))
        self._remember(key, asked)

    def _remember(self, key: str, asked: Asked | None) -> None:
        if asked is not None:
            self.put(f"asked:{key}", json.dumps(asked).encode(), _REMEMBER_SECONDS)
            self.put(f"task:{_hash(asked.task)}", b"1", _REMEMBER_SECONDS)

    def _swap(self, key: str, seen: bytes | None, value: bytes, keep_seconds: float | None) -> bool:
        name, packed, expire = self._name(key), _pack(value), _expire(keep_seconds)

        def swap(calls: Any) -> bool:
            if seen is None:
                return bool(calls.add(name, packed, expire=expire))
            there, ticket = calls.gets(name)
            return head(_unpack(there) or b"") == seen and bool(calls.cas(name, packed, ticket, expire=expire))

        return self._call(name, swap)

    def delete(self, key: str) -> None:
        name = self._name(key)
        self._call(name, lambda calls: calls.delete(name))

    def _renew(self, name: str, token: str) -> None:
        with suppress(Unavailable):  # it runs out; at worst another process calls too
            self._if_ours(name, token, expire=self._lease_seconds)

    def _if_ours(self, name: str, token: str, expire: int) -> None:
        def again(calls: Any) -> None:
            there, ticket = calls.gets(name)
            if there == token.encode():
                calls.cas(name, there, ticket, expire=expire)

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
                # A node may still hold what belonged to it when there were fewer.
                if name.startswith(self._prefix) and self._node(name) is node:
                    yield name

    def add(self, counts: dict[tuple[str, str], int]) -> None:
        for (task, name), number in list(counts.items()):
            self._add(self._name(f"count:{quote(task, safe='')}:{name}"), number)
            del counts[task, name]

    def _add(self, name: str, count: int) -> None:
        def add(calls: Any) -> None:
            while calls.incr(name, count) is None and not calls.add(name, str(count).encode()):
                pass  # somebody else has just added it, or it was evicted between the two

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

    def facts(self) -> Facts:
        stats: list[Any] = [node.call(_stats) for node in self._nodes.values()]

        def total(name: bytes) -> int:
            return sum(int(one.get(name, 0)) for one in stats)

        return Facts(total(b"bytes"), total(b"limit_maxbytes"), total(b"evictions"), "lru")

    def clear(self) -> None:
        for name in list(self._names()):
            self.delete(name[len(self._prefix) :])

    def close(self) -> None:
        self._keeper.close()
        for node in self._nodes.values():
            node.close()


def _dump(server: tuple[str, int]) -> list[bytes]:
    """One line for every item, from the hash table: from the LRU queues, which older servers offer, some are missed."""
    refused = ""
    for command in (b"lru_crawler metadump hash\r\n", b"lru_crawler metadump all\r\n"):
        # pymemcache's raw_command gives only the first lines of a long answer.
        with socket.create_connection(server, _ADMIN_TIMEOUT) as connection, connection.makefile("rb") as answer:
            connection.sendall(command)
            lines: list[bytes] = []
            for line in answer:
                if line == b"END\r\n":
                    return lines
                if not line.startswith(b"key="):
                    refused = line.decode("ascii", "replace").strip()
                    break
                lines.append(line)
    raise MemcacheError(f"cannot list its keys: {refused or 'it hung up'}")


def _stats(calls: Any) -> Any:
    return calls.stats()


def _is_plain(name: str) -> bool:
    return len(name) <= _LONGEST_KEY and re.fullmatch(r"[!-~]*", name) is not None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _expire(seconds: float | None) -> int:
    """Memcached counts in seconds, 0 is never, and more than 30 days is a date."""
    if seconds is None:
        return 0
    whole = max(1, int(seconds) + 1)
    return whole if whole <= _MONTH else int(time.time()) + whole


def _pack(value: bytes) -> bytes:
    packed = value if len(value) <= _LARGEST else _PACKED + zlib.compress(value, 1)
    if len(packed) > _LARGEST:
        raise TooLarge(f"{len(value):,} bytes, over memcached's limit of 1 MB an item")
    return packed


def _unpack(packed: bytes | None) -> bytes | None:
    if packed is None or not packed.startswith(_PACKED):
        return packed
    try:
        return zlib.decompressobj().decompress(packed[1:], _LARGEST_UNPACKED)
    except zlib.error:
        return b""  # damaged, as the entry's reader will say
