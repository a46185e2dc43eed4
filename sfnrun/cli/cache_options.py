"""The options of every command that asks Tasks and may find their answers in the cache."""

from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.errors import UsageError

if TYPE_CHECKING:
    from sfnrun.api.caching import CacheOptions

__all__ = ["Cache", "CacheTtl", "NoCache", "Refresh", "cache_options"]

_CACHE = "What is not asked twice"

Cache = Annotated[bool, typer.Option("--cache", help="Keep the answers of all Tasks.", rich_help_panel=_CACHE)]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Neither look for answers nor keep them.", rich_help_panel=_CACHE)
]
Refresh = Annotated[list[str] | None, typer.Option(metavar="STATE", help="Ask this Task anew.", rich_help_panel=_CACHE)]
CacheTtl = Annotated[
    str | None, typer.Option(metavar="90s|15m|2h", help="How long answers are good.", rich_help_panel=_CACHE)
]


def cache_options(everything: bool, off: bool, refresh: list[str] | None, ttl: str | None) -> "CacheOptions | None":
    """What the options say; None if they say nothing."""
    if everything and off:
        raise UsageError("--cache and --no-cache exclude each other", "give one of them")
    if not (everything or off or refresh or ttl):
        return None
    from sfnrun.api.caching import CacheOptions
    from sfnrun.config import milliseconds

    try:
        ttl_ms = None if ttl is None else milliseconds(ttl)
    except ValueError:
        raise UsageError(f"--cache-ttl {ttl!r} is no duration", "write it like 90s, 15m, 2h or 1d") from None
    return CacheOptions(off=off, everything=everything, refresh=frozenset(refresh or ()), ttl_ms=ttl_ms)
