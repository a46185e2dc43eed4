"""What a state changed in the data, as lines: `+ $.payment`, `- $.card`, `~ $.count: 1 → 2`.

Equal parts are skipped by identity where they are shared, which in an execution they mostly are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from sfnrun.payload import Json, dumps
from sfnrun.view.text import clean, counted

__all__ = ["Change", "changes", "summary"]

_MAX_DEPTH = 6
_MAX_ITEMS = 50
_MAX_TEXT = 160


class Change(NamedTuple):
    """One difference: `kind` is "plus", "minus" or "change", as in the trace's marks."""

    kind: str
    text: str


def summary(before: Json, after: Json, limit: int = 12) -> list[Change]:
    """The first `limit` changes, and a line that counts the others."""
    found = changes(before, after)
    shown = list(islice(found, limit))
    rest = sum(1 for _ in islice(found, 10_000))
    return [*shown, Change("more", f"… {counted(rest, 'more change')}")] if rest else shown


def changes(before: Json, after: Json, path: str = "$", depth: int = 0) -> Iterator[Change]:
    """Every difference between two JSON values, in the order of the second one, then what it lost."""
    if before is after or (type(before) is type(after) and not _is_container(before) and before == after):
        return
    if isinstance(before, dict) and isinstance(after, dict) and depth < _MAX_DEPTH:
        yield from _of_objects(before, after, path, depth)
    elif isinstance(before, list) and isinstance(after, list) and depth < _MAX_DEPTH and len(after) <= _MAX_ITEMS:
        yield from _of_arrays(before, after, path, depth)
    elif before != after or type(before) is not type(after):
        yield Change("change", f"{path}: {_text(before)} → {_text(after)}")


def _is_container(value: Json) -> bool:
    return isinstance(value, dict | list)


def _of_objects(before: dict[str, Any], after: dict[str, Any], path: str, depth: int) -> Iterator[Change]:
    for key, value in after.items():
        if key in before:
            yield from changes(before[key], value, _member(path, key), depth + 1)
        else:
            yield Change("plus", f"{_member(path, key)}: {_text(value)}")
    for key in before:
        if key not in after:
            yield Change("minus", _member(path, key))


def _of_arrays(before: list[Any], after: list[Any], path: str, depth: int) -> Iterator[Change]:
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        yield from changes(old, new, f"{path}[{index}]", depth + 1)
    for index in range(len(before), len(after)):
        yield Change("plus", f"{path}[{index}]: {_text(after[index])}")
    if len(before) > len(after):
        yield Change("minus", f"{path}[{len(after)}:{len(before)}]")


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{dumps(key)}]"


def _text(value: Json) -> str:
    text = dumps(value) if not isinstance(value, dict | list) or len(value) <= _MAX_ITEMS else _count(value)
    return clean(text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…")


def _count(value: dict[str, Any] | list[Any]) -> str:
    return f"[{counted(len(value), 'item')}]" if isinstance(value, list) else f"{{{counted(len(value), 'member')}}}"
