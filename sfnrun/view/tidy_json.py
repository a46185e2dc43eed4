"""JSON for eyes: what fits on a line stays on one, what does not is spread out."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.payload import Json, dumps

__all__ = ["tidy"]


def tidy(value: Json, width: int = 100, indent: str = "") -> Iterator[str]:
    """The lines of a value, each indented by `indent`; containers are broken where they do not fit in `width`."""
    yield from _lines(value, width, indent, "", "")


def _lines(value: Json, width: int, indent: str, before: str, after: str) -> Iterator[str]:
    """`before` is the key that the value stands under, `after` the comma that follows it."""
    text = _flat(value)
    if not value or not isinstance(value, dict | list) or len(indent) + len(before) + len(text) + 1 <= width:
        yield f"{indent}{before}{text}{after}"
        return
    opens, closes = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield f"{indent}{before}{opens}"
    if isinstance(value, dict):
        members = [(f"{dumps(key)}: ", member) for key, member in value.items()]
    else:
        members = [("", item) for item in value]
    for number, (key, member) in enumerate(members, 1):
        yield from _lines(member, width, indent + "  ", key, "," if number < len(members) else "")
    yield f"{indent}{closes}{after}"


def _flat(value: Json) -> str:
    if isinstance(value, dict) and value:
        return "{ " + ", ".join(f"{dumps(key)}: {_flat(member)}" for key, member in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    return dumps(value)
