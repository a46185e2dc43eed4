"""The order in which AWS's interpreter, a Java program, goes through keys that it keeps in a java.util.HashMap.

It shows wherever objects are made: in what JSONPath payload templates give, and in what States.JsonMerge does.
"""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["hash_map_order"]


def hash_map_order(keys: Collection[str]) -> list[str]:
    """The keys as a HashMap into which they were put in this order gives them back."""
    buckets = 16
    while len(keys) > buckets * 0.75:
        buckets *= 2
    return sorted(keys, key=lambda key: _hash(key) & (buckets - 1))


def _hash(text: str) -> int:
    """String.hashCode with its upper half mixed into the lower, as HashMap does."""
    total = 0
    for unit in memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"):
        total = (31 * total + unit) & 0xFFFFFFFF
    return total ^ (total >> 16)
