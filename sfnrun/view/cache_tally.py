"""What the cache did for an execution, counted: hits, misses, the rate of hits, and the time that they saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sfnrun.cache.outcome import saved_ms
from sfnrun.view.measures import counted, duration

__all__ = ["CacheTally"]


class CacheTally:
    """Counts the outcomes of an execution's cache notes; `asked` is how often there was something to look for."""

    def __init__(self) -> None:
        self.hits = self.misses = self.stale = 0
        self.saved_ms = 0

    def count(self, note: Mapping[str, Any]) -> None:
        outcome = note.get("outcome")
        self.hits += outcome == "hit"
        self.misses += outcome == "miss"
        self.stale += outcome == "stale"
        self.saved_ms += saved_ms(note)

    @property
    def asked(self) -> int:
        return self.hits + self.misses + self.stale

    @property
    def text(self) -> str:
        """Such as `cache: 9 hits, 1 miss (90 %), saved 1.3 s`."""
        parts = [counted(self.hits, "hit"), f"{self.misses:,} {'miss' if self.misses == 1 else 'misses'}"]
        if self.stale:
            parts.append(f"{self.stale} stale")
        text = f"cache: {', '.join(parts)} ({100 * (self.hits + self.stale) // self.asked} %)"
        return f"{text}, saved {duration(self.saved_ms)}" if self.saved_ms else text
