"""Decode YAML to a JSON value and its positions, in one pass over the parser's events.

Plain scalars are those of YAML 1.2, not 1.1: `yes`, `no`, `on`, `off`, `y` and `n` are strings, and so are dates,
`1_000`, `0x1F`, `12:30` and `012345678901` (an account number keeps its zero). `true`, `True`, `null`, `~` and an empty
scalar have their JSON values. `<<` merges. An unquoted `${Name}` is marked as in `sfnrun.asl.text.json_text`. What JSON
does not have is a SyntaxProblem.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isinf
from typing import Any

from msgspec import Struct, field

from sfnrun.asl.text.json_problems import duplicate_key
from sfnrun.asl.text.json_text import unused_character
from sfnrun.asl.text.positions import Lines, SyntaxProblem, TextNode
from sfnrun.asl.text.yaml_problems import nested_too_deeply, syntax_problem, too_deep
from sfnrun.payload import MAX_DEPTH, Json

__all__ = ["MAX_VALUES", "Tag", "decode", "scalar"]

# 1 MB of JSON, AWS's limit for a definition, has no more values than this.
MAX_VALUES = 500_000

_WORDS: dict[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,4000})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_PROPERTIES = re.compile(r"(?:[!&]\S*\s+)*")
_PLACEHOLDER = re.compile(r"\$\{[^{}\"\s]+\}")

_CORE = "tag:yaml.org,2002:"
_STRING_TAGS = frozenset({None, "!", _CORE + "str"})
_TYPED_TAGS: dict[str, tuple[type, ...]] = {
    _CORE + "int": (int,),
    _CORE + "float": (int, float),
    _CORE + "bool": (bool,),
    _CORE + "null": (type(None),),
}
_FUNCTIONS = (
    *("And", "Base64", "Cidr", "Equals", "FindInMap", "GetAZs", "GetAtt", "If", "ImportValue", "Join", "Length", "Not"),
    *("Or", "Select", "Split", "Sub", "ToJsonString", "Transform"),
)
_CLOUDFORMATION = {"!Ref": "Ref", "!Condition": "Condition", **{f"!{name}": f"Fn::{name}" for name in _FUNCTIONS}}


class Tag(Struct, frozen=True):
    """A CloudFormation short form (`!Sub`), which is only valid in a template."""

    name: str
    start: int
    end: int


def decode(text: str, *, any_keys: bool = False) -> tuple[Json, TextNode, str, list[Tag]]:
    """Return the value, its positions, the mark of unquoted placeholders ("" if none), and the CloudFormation tags.

    A tag is expanded to its long form: `!GetAtt A.Arn` becomes `{"Fn::GetAtt": ["A", "Arn"]}`. Raises SyntaxProblem if
    the text is not YAML or has no JSON value. With `any_keys`, keys that look like numbers are strings.
    """
    import yaml  # 15 ms, and most definitions are JSON

    reader = _Reader(text, any_keys)
    read = 0
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            handle = _EVENTS.get(type(event).__name__)
            if handle:
                handle(reader, event)
            read = event.end_mark.index if event.end_mark else read
    except yaml.YAMLError as error:
        raise nested_too_deeply(text, error, read, reader.depth) or syntax_problem(text, error) from None
    return reader.value, reader.node, reader.mark, reader.tags


def scalar(text: str) -> Json:
    """Return the JSON value of a plain scalar. Raises ValueError for infinities and NaN."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not JSON")
    if _FLOAT.fullmatch(text):
        number = float(text)
        if isinf(number):
            raise ValueError(f"Number {text if len(text) <= 20 else f'{text[:20]}…'} is out of range")
        return number
    return text


class _Open(Struct):
    """A mapping or sequence that is being read; `key` is the key of a mapping whose value comes next."""

    value: Any
    node: TextNode
    event: Any
    tag: str | None
    values_before: int
    key: str | None = None
    key_span: tuple[int, int] = (-1, -1)
    is_merge: bool = False
    keys: dict[str, int] = field(default_factory=dict)


class _Reader:
    """Builds value and positions from events, without recursion."""

    def __init__(self, text: str, any_keys: bool) -> None:
        self.value: Json = None
        self.node = TextNode(0, len(text))
        self.mark = ""
        self.tags: list[Tag] = []
        self._text = text
        self._any_keys = any_keys
        self._documents = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Json, TextNode, int]] = {}
        self._values = 0

    @property
    def depth(self) -> int:
        """The number of mappings and sequences that are not complete."""
        return len(self._open)

    def document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            hint = "remove it: a definition file contains one document"
            raise self._rejected("Unexpected second YAML document", event, hint)

    def start(self, event: Any) -> None:
        if self._wants_key():
            raise self._rejected("A key must be a string, not a mapping or sequence", event, "put it in quotes", 1)
        if len(self._open) == MAX_DEPTH:
            raise too_deep(event.start_mark.index)
        start = self._start(event)
        node = TextNode(start, start)
        is_mapping = type(event).__name__ == "MappingStartEvent"
        node.children = {} if is_mapping else []
        tag = self._cloudformation_tag(event, frozenset({None, "!", _CORE + ("map" if is_mapping else "seq")}))
        self._open.append(_Open({} if is_mapping else [], node, event, tag, self._values))

    def end(self, event: Any) -> None:
        done = self._open.pop()
        # For the parser a block ends where the next token begins; people see its end on its last line.
        start, end = event.start_mark.index, event.end_mark.index
        done.node.end = max(end if end > start else len(self._text[:end].rstrip()), done.node.start + 1)
        value = _long_form(done.tag, done.value)
        if done.event.anchor:
            self._anchors[done.event.anchor] = (value, done.node, self._values - done.values_before + 1)
        self._add(value, done.node, 1)

    def scalar(self, event: Any) -> None:
        if self._wants_key():
            self._take_key(event)
            return
        tag = self._cloudformation_tag(event, _STRING_TAGS | _TYPED_TAGS.keys())
        value = _long_form(tag, self._scalar_value(event))
        node = TextNode(self._start(event), event.end_mark.index)
        if event.anchor:
            self._anchors[event.anchor] = (value, node, 1)
        self._add(value, node, 1)

    def _start(self, event: Any) -> int:
        """Return where a value begins, after its tag and anchor."""
        start: int = event.start_mark.index
        if event.tag is None and event.anchor is None:
            return start
        properties = _PROPERTIES.match(self._text, start, max(start, event.end_mark.index))
        return properties.end() if properties else start

    def _scalar_value(self, event: Any) -> Json:
        is_plain = event.implicit[0] and event.tag is None
        types = _TYPED_TAGS.get(event.tag)
        if not is_plain and not types:
            return event.value
        if is_plain and event.value.startswith("${") and _PLACEHOLDER.fullmatch(event.value):
            self.mark = self.mark or unused_character(self._text)
            return self.mark + event.value[2:-1]
        try:
            value = scalar(event.value)
        except ValueError as error:
            raise self._rejected(str(error), event, "use a finite number, a string or null") from None
        if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
            kind = event.tag.removeprefix(_CORE)
            raise self._rejected(f"Invalid {kind}: {event.value}", event, "remove the tag")
        return value

    def _take_key(self, event: Any) -> None:
        parent, name = self._open[-1], event.value
        start, end = event.start_mark.index, event.end_mark.index
        parent.is_merge = event.implicit[0] and name == "<<"
        if event.implicit[0] and not self._any_keys and not _is_string(name):
            message = f"Key {name} is not a string" if name else "Missing key"
            raise self._rejected(message, event, f'put it in quotes: "{name}"')
        if name in parent.keys and not parent.is_merge:
            is_state = len(self._open) > 1 and self._open[-2].key == "States"
            raise duplicate_key(name, parent.keys[name], start, end - start, Lines(self._text), is_state=is_state)
        if not parent.is_merge:
            parent.keys[name] = start
        parent.key, parent.key_span = name, (start, end)

    def alias(self, event: Any) -> None:
        name = event.anchor
        if any(outer.event.anchor == name for outer in self._open):
            message = f"Alias *{name} refers to a node that contains it"
            raise self._rejected(message, event, "write the value instead of the alias")
        if name not in self._anchors:
            message = f"Undefined alias: no anchor &{name} before this line"
            raise self._rejected(message, event, "define an anchor before its aliases")
        if self._wants_key():
            raise self._rejected("An alias cannot be a key", event, "write the key instead of the alias")
        value, anchored, values = self._anchors[name]
        if self._values + values > MAX_VALUES:
            message = f"Aliases expand to more than {MAX_VALUES:,} values"
            raise self._rejected(message, event, "AWS accepts at most 1 MB of JSON")
        node = TextNode(event.start_mark.index, event.end_mark.index)
        node.children = anchored.children
        self._add(value, node, values)

    def _cloudformation_tag(self, event: Any, known: frozenset[str | None]) -> str | None:
        tag: str | None = event.tag
        if tag in known:
            return None
        written = self._text[event.start_mark.index :].split(None, 1)[0]
        if tag not in _CLOUDFORMATION:
            hint = "remove the tag, or put the value in quotes"
            raise self._rejected(f"Tag {written} has no JSON value", event, hint, len(written))
        self.tags.append(Tag(tag, event.start_mark.index, event.start_mark.index + len(written)))
        return tag

    def _wants_key(self) -> bool:
        return bool(self._open) and type(self._open[-1].value) is dict and self._open[-1].key is None

    def _add(self, value: Json, node: TextNode, values: int) -> None:
        self._values += values
        if not self._open:
            self.value, self.node = value, node
            return
        parent = self._open[-1]
        children: Any = parent.node.children
        if type(parent.value) is list:
            parent.value.append(value)
            children.append(node)
            return
        key, parent.key = parent.key, None
        node.key_start, node.key_end = parent.key_span
        if parent.is_merge:
            self._merge(parent, value, node)
        else:
            parent.value[key] = value
            children[key] = node

    def _merge(self, parent: _Open, value: Json, node: TextNode) -> None:
        """Merge `<<: *defaults`: own keys override merged ones, and earlier sources override later ones."""
        nodes: Any = node.children
        sources: Any = zip(value, nodes, strict=True) if type(value) is list else [(value, node)]
        into: Any = parent.node.children
        for source, source_node in sources:
            if type(source) is not dict:
                length = node.end - node.start
                raise SyntaxProblem("<< merges only mappings", node.start, length, "write <<: *anchor", "SFN-S14")
            for key in source.keys() - parent.value.keys():
                parent.value[key] = source[key]
                into[key] = source_node.children[key]

    def _rejected(self, message: str, event: Any, hint: str, length: int = 0) -> SyntaxProblem:
        """Return the problem of YAML that JSON does not have."""
        start, end = event.start_mark.index, event.end_mark.index
        return SyntaxProblem(message, start, length or max(1, end - start), hint, "SFN-S14")


_EVENTS: dict[str, Callable[[_Reader, Any], None]] = {
    "AliasEvent": _Reader.alias,
    "DocumentStartEvent": _Reader.document,
    "MappingEndEvent": _Reader.end,
    "MappingStartEvent": _Reader.start,
    "ScalarEvent": _Reader.scalar,
    "SequenceEndEvent": _Reader.end,
    "SequenceStartEvent": _Reader.start,
}


def _long_form(tag: str | None, value: Json) -> Json:
    if tag is None:
        return value
    if tag == "!GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {_CLOUDFORMATION[tag]: value}


def _is_string(name: str) -> bool:
    try:
        return isinstance(scalar(name), str)
    except ValueError:
        return False
