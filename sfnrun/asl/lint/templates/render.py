"""What CloudFormation's functions give, as far as a template alone can tell: text with `${placeholders}`.

`Ref: Table` becomes `${Table}`, `Fn::GetAtt: [Fn, Arn]` `${Fn.Arn}`, `Fn::Join` and `Fn::Sub` what they put together;
of any other function only its name is known, as in `${Fn::If}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sfnrun.asl.text.place import Place
from sfnrun.payload import Json, dumps

__all__ = ["Piece", "Rendered", "is_function", "render", "resolve"]

_NAMES = re.compile(r"\$\{([^{}!][^{}]*)\}")
_DEEPEST = 20


class Piece(NamedTuple):
    """A part of a text: where it stands, and whether character by character (a string) or as a whole (a function)."""

    text: str
    place: Place
    is_literal: bool = False


class Rendered(NamedTuple):
    """A text in pieces, the names of the placeholders in it, and the values that an Fn::Sub gives for some."""

    pieces: list[Piece]
    names: set[str]
    values: dict[str, Json]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def is_function(node: Json) -> bool:
    """Whether a node is a call of a function: an object of one member, `Ref` or `Fn::…`."""
    if not isinstance(node, dict) or len(node) != 1:
        return False
    (name,) = node
    return name == "Ref" or str(name).startswith("Fn::")


def render(node: Json, place: Place) -> Rendered:
    """The text that a string, a number or a function gives."""
    rendered = Rendered([], set(), {})
    _render(node, place, rendered, 0)
    return rendered


def _render(node: Json, place: Place, into: Rendered, depth: int) -> None:
    if isinstance(node, str):
        into.pieces.append(Piece(node, place, place.children is None))
    elif not is_function(node):
        into.pieces.append(Piece(dumps(node), place))
    else:
        ((name, argument),) = node.items()
        known = _FUNCTIONS.get(name) if depth < _DEEPEST else None
        if known is None or not known(argument, _argument_place(place, name), into, depth + 1):
            _placeholder(name, place, into)


def _argument_place(place: Place, name: str) -> Place:
    """Where the argument of a function stands: under its name, or, in its short form, where the function does."""
    children = place.children
    return children[name] if isinstance(children, dict) and name in children else place


def _item_place(place: Place, index: int) -> Place:
    return place.children[index] if isinstance(place.children, list) else place


def _placeholder(name: str, place: Place, into: Rendered) -> None:
    into.names.add(name)
    into.pieces.append(Piece(f"${{{name}}}", place))


def _ref(argument: Json, place: Place, into: Rendered, depth: int) -> bool:
    if not isinstance(argument, str):
        return False
    _placeholder(argument, place, into)
    return True


def _get_att(argument: Json, place: Place, into: Rendered, depth: int) -> bool:
    if isinstance(argument, list) and all(isinstance(part, str) for part in argument):
        argument = ".".join(argument)
    return _ref(argument, place, into, depth)


def _sub(argument: Json, place: Place, into: Rendered, depth: int) -> bool:
    values: Any = {}
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):
        (argument, values), place = argument, _item_place(place, 0)
    if not isinstance(argument, str):
        return False
    into.values.update({name: value for name, value in values.items() if not isinstance(value, dict | list)})
    into.names.update(_NAMES.findall(argument))
    into.pieces.append(Piece(argument, place, place.children is None))
    return True


def _join(argument: Json, place: Place, into: Rendered, depth: int) -> bool:
    if not isinstance(argument, list) or len(argument) != 2:
        return False
    delimiter, items = argument
    if not isinstance(delimiter, str) or not isinstance(items, list):
        return False
    items_place = _item_place(place, 1)
    for index, item in enumerate(items):
        item_place = _item_place(items_place, index)
        if index and delimiter:
            into.pieces.append(Piece(delimiter, item_place))
        _render(item, item_place, into, depth)
    return True


_FUNCTIONS: dict[str, Callable[[Json, Place, Rendered, int], bool]] = {
    "Fn::GetAtt": _get_att,
    "Fn::Join": _join,
    "Fn::Sub": _sub,
    "Ref": _ref,
}


def resolve(value: Json, place: Place) -> Rendered:
    """Put texts in for the functions of a definition, in place; the names and values that they bring are returned."""
    brought = Rendered([], set(), {})
    waiting: list[tuple[Any, Any]] = [(value, place.children)]
    seen: set[int] = set()
    while waiting:
        container, places = waiting.pop()
        if id(container) in seen:
            continue  # a YAML alias
        seen.add(id(container))
        for step, child in list(container.items() if isinstance(container, dict) else enumerate(container)):
            if is_function(child):
                container[step], places[step] = _resolved(child, places[step], brought)
            elif isinstance(child, dict | list):
                waiting.append((child, places[step].children))
    return brought


def _resolved(node: Json, place: Place, brought: Rendered) -> tuple[str, Place]:
    rendered = render(node, place)
    brought.names.update(rendered.names)
    brought.values.update(rendered.values)
    if len(rendered.pieces) == 1 and rendered.pieces[0].is_literal:
        literal = rendered.pieces[0].place
        return rendered.text, _with_key(Place(literal.start, literal.end), place)
    return rendered.text, _with_key(_whole(place), place)


def _whole(place: Place) -> Place:
    """A place that is never looked into: what stands there is not the text that it gives."""
    whole = Place(place.start, place.end)
    whole.children = []
    return whole


def _with_key(place: Place, keyed: Place) -> Place:
    place.key_start, place.key_end = keyed.key_start, keyed.key_end
    return place
