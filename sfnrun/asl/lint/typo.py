"""Which name was meant by a misspelt one: probably, for a hint, and where there can be no doubt, for a fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["close_to", "only_meant"]

_LONGEST = 60


@lru_cache(maxsize=512)
def _close(name: str, names: tuple[str, ...]) -> str | None:
    lower = {known.lower(): known for known in names}
    close = difflib.get_close_matches(name.lower(), lower, 1, 0.75)
    return lower[close[0]] if close else only_meant(name, names)


def close_to(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that was probably meant by `name`, if there is one."""
    return _close(name, tuple(names)) if len(name) < 200 else None


def only_meant(name: str, names: Iterable[str]) -> str | None:
    """The only one of `names` that is a slip away: other case, or two letters wrong (of short names one, or none)."""
    return _only_near(name, tuple(names)) if len(name) <= _LONGEST else None


@lru_cache(maxsize=512)  # one slip is often made many times
def _only_near(name: str, names: tuple[str, ...]) -> str | None:
    slips = 0 if len(name) < 3 else 1 if len(name) < 6 else 2
    near = [known for known in names if abs(len(known) - len(name)) <= slips and _slips(name, known) <= slips]
    return near[0] if len(near) == 1 else None


def _slips(one: str, other: str) -> int:
    """Letters to change, add, drop or swap with their neighbour (optimal string alignment); case costs nothing."""
    one, other = one.lower(), other.lower()
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, row = row, [i]
        for j, known in enumerate(other, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (letter != known))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == known:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before = last
    return row[-1]
