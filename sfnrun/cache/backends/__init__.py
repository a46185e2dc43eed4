"""Open the backend of an address; the library of a backend is imported only when it is used.

To add a backend: a module here with a class that has the methods of `cache.backend.Backend`, its function in `_OPEN`
below, the form of its address in `config.scalars.CACHE_ADDRESSES`, and an extra in pyproject.toml for its library.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sfnrun.cache.backend import Backend
from sfnrun.config import CacheSettings, milliseconds
from sfnrun.config.scalars import CACHE_ADDRESSES
from sfnrun.errors import UnavailableError, UsageError

__all__ = ["open_backend"]

_SUPPORTED = f"supported backends: a directory, {', '.join(CACHE_ADDRESSES.values())}"


def open_backend(settings: CacheSettings) -> Backend:
    """Return the backend of the settings, not connected yet.

    `size_limit` and `eviction` apply to a directory and to memory; servers have their own. `timeout_ms` applies to
    servers, and `?timeout=` in the URL overrides it. Raises UsageError for an invalid address, UnavailableError if the
    library of the backend is not installed.
    """
    address = settings.backend or ""
    if "://" not in address:
        from sfnrun.cache.backends.disk import DiskBackend

        return DiskBackend(Path(address), settings.size_limit, settings.eviction)
    url = urlsplit(address)
    if url.scheme not in _OPEN:
        raise UsageError(f"unknown cache backend '{_without_password(url)}'", _SUPPORTED)
    try:
        return _OPEN[url.scheme](url, dict(parse_qsl(url.query)), settings)
    except ImportError as error:
        name = "redis" if url.scheme == "rediss" else url.scheme
        raise UnavailableError(
            f"the {url.scheme}:// backend requires the package '{error.name}'", f"pip install 'sfnrun[{name}]'"
        ) from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"invalid cache address '{_without_password(url)}': {error}", _SUPPORTED) from error


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
    # Other options of redis-py can change its replies, for example `decode_responses`.
    _refuse([name for name in options if not name.startswith("ssl_")])
    host, port = _server(url.netloc.rpartition("@")[2], 6379)
    return RedisBackend(host, port, db=int(url.path.strip("/") or 0), **(given | options))


def _memcached(url: SplitResult, options: dict[str, str], settings: CacheSettings) -> Backend:
    from sfnrun.cache.backends.memcached import MemcachedBackend

    given = _connection(options, settings)
    _refuse(options)
    return MemcachedBackend([_server(node, 11211) for node in url.netloc.split(",")], **given)


def _refuse(unknown: Collection[str]) -> None:
    if unknown:
        raise ValueError(f"unknown options: {', '.join(unknown)}")


def _connection(options: dict[str, str], settings: CacheSettings) -> dict[str, Any]:
    """Take the options that all servers have out of `options`."""
    timeout = options.pop("timeout", None)
    given: dict[str, Any] = {"timeout": (milliseconds(timeout) if timeout else settings.timeout_ms) / 1000}
    return given | ({"prefix": options.pop("prefix")} if "prefix" in options else {})


def _server(text: str, port: int) -> tuple[str, int]:
    split = urlsplit(f"//{text}")
    return split.hostname or "127.0.0.1", split.port or port


def _without_password(url: SplitResult) -> str:
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


_OPEN: dict[str, Callable[[SplitResult, dict[str, str], CacheSettings], Backend]] = {
    "memory": _memory,
    "redis": _redis,
    "rediss": _redis,
    "memcached": _memcached,
}
