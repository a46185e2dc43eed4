"""From an address to the place it names; the library of a backend is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sfnrun.cache.backend import Backend
from sfnrun.config import CacheSettings, milliseconds
from sfnrun.errors import UnavailableError, UsageError

__all__ = ["open_backend"]

_SHOWN = "a directory, memory://, redis://HOST:PORT/DB, rediss://…, memcached://HOST:PORT,HOST:PORT"


def open_backend(settings: CacheSettings) -> Backend:
    """The backend that the settings name: a directory, or a URL with one of the schemes below.

    `size_limit` and `eviction` bound folder and memory; servers have bounds of their own. `timeout_ms` is for servers,
    `?timeout=` in the URL goes before it. Nothing is connected yet. Raises UsageError for an address that makes no
    sense, or whose library is not installed.
    """
    address = settings.backend or ""
    if "://" not in address:
        from sfnrun.cache.backends.disk import DiskBackend

        return DiskBackend(Path(address), settings.size_limit, settings.eviction)
    url = urlsplit(address)
    if url.scheme not in _SCHEMES:
        raise UsageError(f"There is no cache backend {address}.", f"Known are: {_SHOWN}.")
    try:
        return _SCHEMES[url.scheme](url, dict(parse_qsl(url.query)), settings)
    except ImportError as error:
        name = "redis" if url.scheme == "rediss" else url.scheme
        raise UnavailableError(
            f"{url.scheme}:// requires the package {error.name}", f"pip install 'sfnrun[{name}]'"
        ) from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"The cache address {_without_password(url)} cannot be used: {error}", _SHOWN) from error


def _memory(url: SplitResult, options: dict[str, str], settings: CacheSettings) -> Backend:
    from sfnrun.cache.backends.memory import MemoryBackend

    return MemoryBackend(settings.size_limit, settings.eviction)


def _redis(url: SplitResult, options: dict[str, str], settings: CacheSettings) -> Backend:
    from sfnrun.cache.backends.redis import RedisBackend

    given = _connection(options, settings)
    if "replica" in options:
        given["replica"] = _server(options.pop("replica"), 6379)
    if url.username:
        given["username"] = unquote(url.username)
    if url.password:
        given["password"] = unquote(url.password)
    if url.scheme == "rediss":
        given["ssl"] = True
    # What else redis-py takes could make it answer otherwise than we read.
    if unknown := [name for name in options if not name.startswith("ssl_")]:
        raise ValueError(f"{', '.join(unknown)} means nothing here")
    host, port = _server(url.netloc.rpartition("@")[2], 6379)
    return RedisBackend(host, port, db=int(url.path.strip("/") or 0), **(given | options))


def _memcached(url: SplitResult, options: dict[str, str], settings: CacheSettings) -> Backend:
    from sfnrun.cache.backends.memcached import MemcachedBackend

    given = _connection(options, settings)
    if options:
        raise ValueError(f"{', '.join(options)} means nothing to memcached")
    return MemcachedBackend([_server(node, 11211) for node in url.netloc.split(",")], **given)


def _connection(options: dict[str, str], settings: CacheSettings) -> dict[str, Any]:
    """What both kinds of servers understand, taken out of the options."""
    timeout = options.pop("timeout", None)
    given: dict[str, Any] = {"timeout": (milliseconds(timeout) if timeout else settings.timeout_ms) / 1000}
    return given | ({"prefix": options.pop("prefix")} if "prefix" in options else {})


def _server(text: str, port: int) -> tuple[str, int]:
    split = urlsplit(f"//{text}")
    return split.hostname or "127.0.0.1", split.port or port


def _without_password(url: SplitResult) -> str:
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


_SCHEMES: dict[str, Callable[[SplitResult, dict[str, str], CacheSettings], Backend]] = {
    "memory": _memory,
    "redis": _redis,
    "rediss": _redis,
    "memcached": _memcached,
}
