"""Pretty JSON: a value on one line if it fits, else one member or item a line."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.payload import Json, dumps
from sfnrun.view.palette import paint

__all__ = ["pretty"]


def pretty(value: Json, width: int = 100, indent: str = "", *, is_colored: bool = False) -> Iterator[str]:
    """The lines of a value, each indented by `indent`; containers are broken where they do not fit in `width`."""
    yield from _Printer(width, is_colored).lines(value, indent, "", "", "")


class _Printer:
    def __init__(self, width: int, is_colored: bool) -> None:
        self._width = width
        self._is_colored = is_colored

    def lines(self, value: Json, indent: str, before: str, shown_before: str, after: str) -> Iterator[str]:
        """`before` is the key of the value (`shown_before` in colors), `after` the comma that follows it."""
        is_container = isinstance(value, dict | list)
        if not value or not is_container or self._fits(value, self._width - len(indent) - len(before) - 1):
            yield f"{indent}{shown_before}{self._flat(value)}{after}"
            return
        opens, closes = ("{", "}") if isinstance(value, dict) else ("[", "]")
        yield f"{indent}{shown_before}{opens}"
        members = value.items() if isinstance(value, dict) else (("", item) for item in value)
        for number, (name, member) in enumerate(members, 1):
            key = f"{dumps(name)}: " if isinstance(value, dict) else ""
            shown = f"{self._paint(dumps(name), 'key')}: " if key else ""
            yield from self.lines(member, f"{indent}  ", key, shown, "," if number < len(value) else "")
        yield f"{indent}{closes}{after}"

    def _fits(self, value: Json, width: int) -> bool:
        # A value that is far too long is not written out only to be measured.
        return _at_least(value, width) <= width and len(_Printer(0, False)._flat(value)) <= width

    def _flat(self, value: Json) -> str:
        if isinstance(value, dict) and value:
            members = (f"{self._paint(dumps(name), 'key')}: {self._flat(member)}" for name, member in value.items())
            return "{ " + ", ".join(members) + " }"
        if isinstance(value, list):
            return "[" + ", ".join(map(self._flat, value)) + "]"
        style = "string" if isinstance(value, str) else "word" if value is None or isinstance(value, bool) else "number"
        return self._paint(dumps(value), "" if isinstance(value, dict) else style)

    def _paint(self, text: str, style: str) -> str:
        return paint(text, style) if self._is_colored else text


def _at_least(value: Json, most: int) -> int:
    """A lower bound of the length of a value's text, counted until it exceeds `most`."""
    length, stack = 0, [value]
    while stack and length <= most:
        each = stack.pop()
        if isinstance(each, dict):
            length += 4 * len(each) + sum(map(len, each))
            stack += each.values()
        elif isinstance(each, list):
            length += len(each)
            stack += each
        else:
            length += len(each) + 2 if isinstance(each, str) else 1
    return length
