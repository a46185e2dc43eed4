"""What the cache did for one Task: the note in the history, and its description in the trace.

    {"outcome": "hit", "task": "GetPrice", "key": "3f1c…", "age_ms": 12000, "expires_in_ms": 48000, "saved_ms": 1300}

Outcomes: "hit"; "miss" with its `reason` and whether the result was `kept` in the cache; "store" (written through `to`
another task); "stale" (past its TTL, or older than the last write) with its `reason`; "bypass" with its `reason`.

Times are by the clock of the execution. With the virtual clock a handler takes as long as its `duration` says, mostly
0 ms, so that runs with the same seed have byte-identical histories. The time saved by the wall clock is known only
during the run: it is shown in the trace and counted in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Outcome", "describe", "in_largest_unit", "saved_ms"]


class Outcome(dict[str, Any]):
    """A note; `real_saved_ms` is by the wall clock, and not in the history."""

    real_saved_ms = 0


def saved_ms(note: Mapping[str, Any]) -> int:
    """Return the milliseconds saved: by the wall clock if known, otherwise by the clock of the execution."""
    return getattr(note, "real_saved_ms", 0) or note.get("saved_ms") or 0


def describe(note: Mapping[str, Any]) -> str:
    """Describe an outcome in one line: `HIT age 12s, expires in 48s, saved 1.3 s`."""
    return _DESCRIBE[note["outcome"]](note)


def _hit(note: Mapping[str, Any]) -> str:
    expires = note.get("expires_in_ms")
    parts = [
        note.get("reason", ""),
        f"age {in_largest_unit(note['age_ms'])}" if "age_ms" in note else "",
        f"expires in {in_largest_unit(expires)}" if expires is not None else "",
        _saved(note),
        "refreshing" if note.get("refreshing") else "",
    ]
    return "HIT " + ", ".join(filter(None, parts))


def _miss(note: Mapping[str, Any]) -> str:
    return f"MISS ({note['reason']})" + ("" if note.get("kept") else ", not cached")


def _store(note: Mapping[str, Any]) -> str:
    not_cached = "" if note.get("kept") else ", not cached"
    expires = note.get("expires_in_ms")
    return (
        f"STORE for {note['to']}"
        + (f", expires in {in_largest_unit(expires)}" if expires is not None else "")
        + not_cached
    )


def _stale(note: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, [f"STALE age {in_largest_unit(note['age_ms'])} ({note['reason']})", _saved(note)]))


def _bypass(note: Mapping[str, Any]) -> str:
    return f"BYPASS ({note['reason']})"


_DESCRIBE = {"hit": _hit, "miss": _miss, "store": _store, "stale": _stale, "bypass": _bypass}


def _saved(note: Mapping[str, Any]) -> str:
    saved = saved_ms(note)
    return f"saved {_exact(saved)}" if saved else ""


def in_largest_unit(ms: int) -> str:
    """Format a duration in its largest unit, rounded down: 12s, 3m, 2h."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms >= size:
            return f"{ms // size}{unit}"
    return f"{ms}ms"


def _exact(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms} ms"
