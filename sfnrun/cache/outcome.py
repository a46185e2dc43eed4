"""What a cache did for one Task, as it stands in the history beside the answer, and in words for the trace.

    {"outcome": "hit", "task": "GetPrice", "key": "3f1c…", "age_ms": 12000, "expires_in_ms": 48000, "saved_ms": 1300}

Outcomes: "hit"; "miss" with its `reason` and whether the answer was `kept`; "store" (written through `to` another
task); "stale" (older than its TTL, or than what was written) with its `reason`; "bypass" with its `reason`.

Times are the execution's. Under the virtual clock a handler takes what it says it takes, mostly nothing, so that a run
with a seed is the same every time, to the last byte of its history. What was saved by the clock on the wall is known
while it runs, for who watches, and counted in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Outcome", "saved_ms", "tell"]


class Outcome(dict[str, Any]):
    """A note; `really_saved_ms` is by the clock on the wall, and not in the history."""

    really_saved_ms = 0


def saved_ms(note: Mapping[str, Any]) -> int:
    """What was saved: by the clock on the wall if it is known, else by the execution's."""
    return getattr(note, "really_saved_ms", 0) or note.get("saved_ms") or 0


def tell(note: Mapping[str, Any]) -> str:
    """An outcome in one line: `HIT age 12s, expires in 48s, saved 1.3 s`."""
    return _TELL[note["outcome"]](note)


def _hit(note: Mapping[str, Any]) -> str:
    expires = note.get("expires_in_ms")
    parts = [
        note.get("reason", ""),
        f"age {_rough(note['age_ms'])}" if "age_ms" in note else "",
        f"expires in {_rough(expires)}" if expires is not None else "",
        _saved(note),
        "fetching the next" if note.get("refreshing") else "",
    ]
    return "HIT " + ", ".join(filter(None, parts))


def _miss(note: Mapping[str, Any]) -> str:
    return f"MISS ({note['reason']})" + ("" if note.get("kept") else ", not kept")


def _store(note: Mapping[str, Any]) -> str:
    kept = "" if note.get("kept") else ", not kept"
    expires = note.get("expires_in_ms")
    return f"STORE for {note['to']}" + (f", expires in {_rough(expires)}" if expires is not None else "") + kept


def _stale(note: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, [f"STALE age {_rough(note['age_ms'])} ({note['reason']})", _saved(note)]))


def _bypass(note: Mapping[str, Any]) -> str:
    return f"BYPASS ({note['reason']})"


_TELL = {"hit": _hit, "miss": _miss, "store": _store, "stale": _stale, "bypass": _bypass}


def _saved(note: Mapping[str, Any]) -> str:
    saved = saved_ms(note)
    return f"saved {_exact(saved)}" if saved else ""


def _rough(ms: int) -> str:
    """A duration in its largest unit: 12s, 3m, 2h."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms >= size:
            return f"{ms // size}{unit}"
    return f"{ms}ms"


def _exact(ms: int) -> str:
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms} ms"
