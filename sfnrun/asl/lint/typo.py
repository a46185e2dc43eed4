"""Suggest corrections for misspelled names: likely ones for hints, unambiguous ones for fixes."""

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
    """Return the one of `names` that `name` is probably a misspelling of."""
    return _close(name, tuple(names)) if len(name) < 200 else None


def only_meant(name: str, names: Iterable[str]) -> str | None:
    """Return the only one of `names` within a small edit distance: two letters (one or none for short names)."""
    return _only_near(name, tuple(names)) if len(name) <= _LONGEST else None


@lru_cache(maxsize=512)  # the same mistake is often made many times
def _only_near(name: str, names: tuple[str, ...]) -> str | None:
    most = 0 if len(name) < 3 else 1 if len(name) < 6 else 2
    near = [known for known in names if abs(len(known) - len(name)) <= most and _distance(name, known) <= most]
    return near[0] if len(near) == 1 else None


def _distance(one: str, other: str) -> int:
    """Return the optimal string alignment distance (changes, insertions, deletions, swaps), ignoring case."""
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
