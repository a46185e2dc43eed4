"""Evaluate CloudFormation functions as far as the template alone allows: to a string with `${placeholders}`.

`Ref: Table` becomes `${Table}`, `Fn::GetAtt: [Fn, Arn]` becomes `${Fn.Arn}`, `Fn::Join` and `Fn::Sub` become the joined
string. Any other function becomes a placeholder of its name, such as `${Fn::If}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sfnrun.asl.text.positions import TextNode
from sfnrun.payload import Json, dumps

__all__ = ["Piece", "Rendered", "is_function", "render", "resolve"]

_NAMES = re.compile(r"\$\{([^{}!][^{}]*)\}")
_DEEPEST = 20


class Piece(NamedTuple):
    """A part of a text with its position: of each character if literal (a string), else as a whole (a function)."""

    text: str
    node: TextNode
    is_literal: bool = False


class Rendered(NamedTuple):
    """A text in pieces, the names of its placeholders, and the values that an Fn::Sub sets for some of them."""

    pieces: list[Piece]
    names: set[str]
    values: dict[str, Json]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def is_function(node: Json) -> bool:
    """Whether a value is a function call: an object with the only key `Ref` or `Fn::…`."""
    if not isinstance(node, dict) or len(node) != 1:
        return False
    (name,) = node
    return name == "Ref" or str(name).startswith("Fn::")


def render(node: Json, at: TextNode) -> Rendered:
    """Return the text of a string, a number or a function."""
    rendered = Rendered([], set(), {})
    _render(node, at, rendered, 0)
    return rendered


def _render(node: Json, at: TextNode, into: Rendered, depth: int) -> None:
    if isinstance(node, str):
        into.pieces.append(Piece(node, at, at.children is None))
    elif not is_function(node):
        into.pieces.append(Piece(dumps(node), at))
    else:
        ((name, argument),) = node.items()
        known = _FUNCTIONS.get(name) if depth < _DEEPEST else None
        if known is None or not known(argument, _argument_node(at, name), into, depth + 1):
            _placeholder(name, at, into)


def _argument_node(at: TextNode, name: str) -> TextNode:
    """Return the node of a function's argument: below its name, or, for a short form, that of the function."""
    children = at.children
    return children[name] if isinstance(children, dict) and name in children else at


def _item_node(at: TextNode, index: int) -> TextNode:
    return at.children[index] if isinstance(at.children, list) else at


def _placeholder(name: str, at: TextNode, into: Rendered) -> None:
    into.names.add(name)
    into.pieces.append(Piece(f"${{{name}}}", at))


def _ref(argument: Json, at: TextNode, into: Rendered, depth: int) -> bool:
    if not isinstance(argument, str):
        return False
    _placeholder(argument, at, into)
    return True


def _get_att(argument: Json, at: TextNode, into: Rendered, depth: int) -> bool:
    if isinstance(argument, list) and all(isinstance(part, str) for part in argument):
        argument = ".".join(argument)
    return _ref(argument, at, into, depth)


def _sub(argument: Json, at: TextNode, into: Rendered, depth: int) -> bool:
    values: Any = {}
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):
        (argument, values), at = argument, _item_node(at, 0)
    if not isinstance(argument, str):
        return False
    into.values.update({name: value for name, value in values.items() if not isinstance(value, dict | list)})
    into.names.update(_NAMES.findall(argument))
    into.pieces.append(Piece(argument, at, at.children is None))
    return True


def _join(argument: Json, at: TextNode, into: Rendered, depth: int) -> bool:
    if not isinstance(argument, list) or len(argument) != 2:
        return False
    delimiter, items = argument
    if not isinstance(delimiter, str) or not isinstance(items, list):
        return False
    items_at = _item_node(at, 1)
    for index, item in enumerate(items):
        item_at = _item_node(items_at, index)
        if index and delimiter:
            into.pieces.append(Piece(delimiter, item_at))
        _render(item, item_at, into, depth)
    return True


_FUNCTIONS: dict[str, Callable[[Json, TextNode, Rendered, int], bool]] = {
    "Fn::GetAtt": _get_att,
    "Fn::Join": _join,
    "Fn::Sub": _sub,
    "Ref": _ref,
}


def resolve(value: Json, at: TextNode) -> Rendered:
    """Replace the functions of a definition by their texts, in place; return their placeholders and values."""
    found = Rendered([], set(), {})
    waiting: list[tuple[Any, Any]] = [(value, at.children)]
    seen: set[int] = set()
    while waiting:
        container, nodes = waiting.pop()
        if id(container) in seen:
            continue  # a YAML alias
        seen.add(id(container))
        for step, child in list(container.items() if isinstance(container, dict) else enumerate(container)):
            if is_function(child):
                container[step], nodes[step] = _resolved(child, nodes[step], found)
            elif isinstance(child, dict | list):
                waiting.append((child, nodes[step].children))
    return found


def _resolved(node: Json, at: TextNode, found: Rendered) -> tuple[str, TextNode]:
    rendered = render(node, at)
    found.names.update(rendered.names)
    found.values.update(rendered.values)
    if len(rendered.pieces) == 1 and rendered.pieces[0].is_literal:
        literal = rendered.pieces[0].node
        return rendered.text, _with_key(TextNode(literal.start, literal.end), at)
    return rendered.text, _with_key(_whole(at), at)


def _whole(at: TextNode) -> TextNode:
    """Return a node without positions inside it: its text in the file is not the text that it evaluates to."""
    whole = TextNode(at.start, at.end)
    whole.children = []
    return whole


def _with_key(at: TextNode, keyed: TextNode) -> TextNode:
    at.key_start, at.key_end = keyed.key_start, keyed.key_end
    return at
