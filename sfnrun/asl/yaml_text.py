"""YAML text to a JSON value and its places in one pass over the parser's events; nothing that JSON does not have.

Plain scalars are read as YAML 1.2 does, not 1.1: `yes`, `no`, `on`, `off`, `y` and `n` are strings, so are dates,
`1_000`, `0x1F`, `12:30` and `012345678901` (an account number keeps its zero); `true`, `True`, `null`, `~` and nothing
are what they look like. `<<` merges. A whole unquoted `${Name}` is marked as in `sfnrun.asl.json_text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sfnrun.asl.json_text import PLACEHOLDER
from sfnrun.asl.place import Fault, Lines, Place
from sfnrun.payload import MAX_DEPTH, Json

__all__ = ["MAX_VALUES", "Tag", "decode", "raw_offset", "scalar"]

# 1 MB of JSON text holds no more values than this, and AWS takes no longer definition.
MAX_VALUES = 500_000

_WORDS: dict[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,4000})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CORE = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Tag:
    """A CloudFormation short form (`!Sub`), which has a meaning in a template only."""

    name: str
    start: int
    end: int


def scalar(text: str) -> Json:
    """The JSON value of a plain scalar. Raises ValueError for infinities and NaN."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "-+.0123456789":
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            return text if number in (float("inf"), float("-inf")) else number
        if _NOT_FINITE.fullmatch(text):
            raise ValueError(f"{text} is not JSON")
    return text


@dataclass(slots=True)
class _Open:
    """A mapping or sequence being read: its value, its place, and in a mapping the key that waits for its value."""

    value: Any
    place: Place
    anchor: str | None
    size_before: int
    tag: str | None = None
    key: str | None = None
    key_span: tuple[int, int] = (-1, -1)
    own: set[str] = field(default_factory=set)


def decode(text: str) -> tuple[Json, Place, str, list[Tag]]:
    """The value, its places, the mark of unquoted placeholders ("" if none) and the CloudFormation tags met.

    Raises Fault if the text is no YAML, or has something that JSON has not.
    """
    import yaml  # noqa: PLC0415  # costs 15 ms, and most definitions are JSON

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    reader = _Reader(text)
    try:
        for event in yaml.parse(text, Loader=loader):
            reader.read(event)
    except yaml.YAMLError as error:
        raise _syntax(text, error) from None
    return reader.value, reader.place, reader.mark, reader.tags


class _Reader:
    """Builds value and places from events, without recursion."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.value: Json = None
        self.place = Place(0, len(text))
        self.mark = ""
        self.tags: list[Tag] = []
        self._documents = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Json, Place, int]] = {}
        self._being_read: set[str] = set()
        self._size = 0

    def read(self, event: Any) -> None:
        handle = _EVENTS.get(type(event).__name__)
        if handle:
            handle(self, event)

    def document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            start = event.start_mark.index
            raise _fault(
                "a definition is one YAML document, and a second begins here", start, 3, "remove it", "SFN-S14"
            )

    def start_mapping(self, event: Any) -> None:
        self._start(event, {}, {})

    def start_sequence(self, event: Any) -> None:
        self._start(event, [], [])

    def _start(self, event: Any, value: Any, children: Any) -> None:
        start = event.start_mark.index
        if self._wants_key():
            raise _fault("a key must be a string, not a mapping or sequence", start, 1, "put it in quotes", "SFN-S14")
        if len(self._open) == MAX_DEPTH:
            raise _fault(f"nested deeper than {MAX_DEPTH:,} levels", start, 1, "AWS refuses this too")
        place = Place(start, start)
        place.children = children
        tag = self._tag(event, (_CORE + "map", _CORE + "seq"))
        if event.anchor:
            self._being_read.add(event.anchor)
        self._open.append(_Open(value, place, event.anchor, self._size, tag))

    def end(self, event: Any) -> None:
        done = self._open.pop()
        # A block collection ends where the next token begins; its last value is where a reader sees it end.
        done.place.end = max(self._end_of_content(event), done.place.start + 1)
        if done.anchor:
            self._being_read.discard(done.anchor)
            self._anchors[done.anchor] = (done.value, done.place, self._size - done.size_before + 1)
        self._add(_cloudformation(done.tag, done.value), done.place, 1)

    def _end_of_content(self, event: Any) -> int:
        start, end = event.start_mark.index, event.end_mark.index
        if end > start:
            return int(end)
        return len(self.text[:end].rstrip())

    def scalar(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        if self._wants_key():
            self._key(event, start, end)
            return
        tag = self._tag(event, (_CORE + "str", _CORE + "int", _CORE + "float", _CORE + "bool", _CORE + "null", "!"))
        value = self._scalar_value(event, start, end)
        place = Place(start, end)
        if event.anchor:
            self._anchors[event.anchor] = (value, place, 1)
        self._add(_cloudformation(tag, value), place, 1)

    def _scalar_value(self, event: Any, start: int, end: int) -> Json:
        if (
            not event.implicit[0]
            and event.tag in (None, "!", _CORE + "str")
            or not event.implicit[0]
            and _is_custom(event)
        ):
            return event.value
        if "${" in event.value and PLACEHOLDER.fullmatch(event.value):
            self.mark = self.mark or _unused_character(self.text)
            return self.mark + event.value[2:-1]
        try:
            return scalar(event.value)
        except ValueError as error:
            hint = "JSON numbers are finite; give a number, a string or null"
            raise _fault(str(error), start, end - start, hint, "SFN-S14") from None

    def _key(self, event: Any, start: int, end: int) -> None:
        parent = self._open[-1]
        name = event.value
        is_plain = event.implicit[0]
        if is_plain and name != "<<" and not isinstance(_scalar_or_text(name), str):
            shown = name or "(empty)"
            raise _fault(f"key {shown} is not a string", start, end - start, f'put it in quotes: "{name}"', "SFN-S14")
        if name in parent.own:
            raise self._twice(name, start, end)
        parent.own.add(name)
        parent.key, parent.key_span = name, (start, end)
        if is_plain and name == "<<":
            parent.own.discard(name)

    def _twice(self, name: str, start: int, end: int) -> Fault:
        parent = self._open[-1]
        children = parent.place.children
        first = children[name].key_start if isinstance(children, dict) and name in children else start
        line, column = Lines(self.text).position(first)
        is_state = len(self._open) > 1 and self._open[-2].key == "States"
        return Fault(
            f"{'state' if is_state else 'key'} '{name}' stands here a second time (first at {line}:{column})",
            start,
            end - start,
            "rename one or remove it",
            rule="SFN-S12",
            code="DUPLICATE_STATE_NAME" if is_state else "INVALID_JSON_DESCRIPTION",
        )

    def alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        name = event.anchor
        if name in self._being_read:
            raise _fault(
                f"*{name} stands inside the value it names, which would never end", start, end - start, "", "SFN-S14"
            )
        if name not in self._anchors:
            raise _fault(f"there is no anchor &{name} before this", start, end - start, "", "SFN-S14")
        if self._wants_key():
            raise _fault("an alias cannot be a key", start, end - start, "write the key", "SFN-S14")
        value, anchored, size = self._anchors[name]
        if self._size + size > MAX_VALUES:
            raise _fault(
                f"the aliases of this file stand for more than {MAX_VALUES:,} values",
                start,
                end - start,
                "AWS takes at most 1 MB of JSON; write less by alias",
                "SFN-S14",
            )
        place = Place(start, end)
        place.children = anchored.children
        self._add(value, place, size)

    def _tag(self, event: Any, known: tuple[str, ...]) -> str | None:
        """The CloudFormation tag of an event, or None; refuses tags for which JSON has no value."""
        tag: str | None = event.tag
        if tag is None or tag in known:
            return None
        start = event.start_mark.index
        end = start + len(self.text[start:].split(None, 1)[0]) if start < len(self.text) else start + 1
        if tag in _CLOUDFORMATION:
            self.tags.append(Tag(tag, start, end))
            return tag
        shown = tag.replace(_CORE, "!!")
        raise _fault(
            f"the tag {shown} has no JSON value", start, end - start, "remove the tag or quote the value", "SFN-S14"
        )

    def _wants_key(self) -> bool:
        return bool(self._open) and type(self._open[-1].value) is dict and self._open[-1].key is None

    def _add(self, value: Json, place: Place, size: int) -> None:
        self._size += size
        if not self._open:
            self.value, self.place = value, place
            return
        parent = self._open[-1]
        if type(parent.value) is list:
            parent.value.append(value)
            parent.place.children.append(place)  # type: ignore[union-attr,arg-type]
            return
        key = parent.key
        place.key_start, place.key_end = parent.key_span
        parent.key = None
        if key == "<<" and "<<" not in parent.own:
            self._merge(parent, value, place)
        else:
            parent.value[key] = value
            parent.place.children[key] = place  # type: ignore[index,call-overload]

    def _merge(self, parent: _Open, value: Json, place: Place) -> None:
        """`<<: *defaults`: keys of its own win over merged ones, and earlier sources over later ones."""
        sources = zip(value, place.children or [], strict=True) if type(value) is list else [(value, place)]
        for source, source_place in sources:
            if type(source) is not dict:
                start = place.start
                raise _fault("<< merges mappings only", start, place.end - start, "write <<: *anchor", "SFN-S14")
            for key, merged in source.items():
                if key not in parent.value:
                    parent.value[key] = merged
                    parent.place.children[key] = source_place.children[key]  # type: ignore[index,call-overload]


_EVENTS: dict[str, Callable[[_Reader, Any], None]] = {
    "DocumentStartEvent": _Reader.document,
    "MappingStartEvent": _Reader.start_mapping,
    "MappingEndEvent": _Reader.end,
    "SequenceStartEvent": _Reader.start_sequence,
    "SequenceEndEvent": _Reader.end,
    "ScalarEvent": _Reader.scalar,
    "AliasEvent": _Reader.alias,
}

_CLOUDFORMATION = {
    "!Ref": "Ref",
    "!Condition": "Condition",
    **{
        f"!{name}": f"Fn::{name}"
        for name in (
            *("And", "Base64", "Cidr", "Equals", "FindInMap", "ForEach", "GetAZs", "GetAtt", "If", "ImportValue"),
            *("Join", "Length", "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform"),
        )
    },
}


def _is_custom(event: Any) -> bool:
    return event.tag in _CLOUDFORMATION


def _cloudformation(tag: str | None, value: Json) -> Json:
    """The long form of a short-form tag: `!GetAtt A.Arn` is {"Fn::GetAtt": ["A", "Arn"]}."""
    if tag is None:
        return value
    if tag == "!GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {_CLOUDFORMATION[tag]: value}


def _scalar_or_text(text: str) -> Json:
    try:
        return scalar(text)
    except ValueError:
        return None


def _unused_character(text: str) -> str:
    return next((chr(code) for code in range(0xFDD0, 0xFDF0) if chr(code) not in text), "\ufdd0")


def _fault(message: str, offset: int, length: int, hint: str, rule: str = "SFN-S01") -> Fault:
    return Fault(message, offset, max(1, length), hint, rule)


def _syntax(text: str, error: Any) -> Fault:
    """A person's words for what the parser found."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    offset = mark.index if mark else getattr(error, "position", None) or 0
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None)
    tab = text.find("\t", text.rfind("\n", 0, offset) + 1, offset + 1)
    if (
        "\\t" in str(problem)
        or "tab" in str(problem)
        or (tab >= 0 and not text[text.rfind("\n", 0, tab) + 1 : tab].strip())
    ):
        return Fault("a tab cannot indent YAML", max(tab, 0) if tab >= 0 else offset, 1, "indent with blanks")
    message = _PLAINER.get(str(problem), str(problem))
    return Fault(
        f"{message} ({context})" if context and message == problem else message,
        min(offset, len(text)),
        1,
        _HINTS.get(str(problem), ""),
    )


_PLAINER = {
    "mapping values are not allowed in this context": "a ':' cannot stand here",
    "did not find expected key": "this line fits neither the mapping before it nor a new one",
    "could not find expected ':'": "expected ':' after a key",
    "found unexpected end of stream": "the text ends inside quotes",
    "found character that cannot start any token": "a value cannot start with this character",
    "did not find expected '-' indicator": "this line fits neither the list before it nor a new one",
    "found undefined tag handle": "this tag has no meaning",
    "control characters are not allowed": "a control character stands here",
}
_HINTS = {
    "mapping values are not allowed in this context": "quote a text that holds ': ', or look at the indentation",
    "did not find expected key": "look at the indentation of this line and the one before",
    "could not find expected ':'": "write 'key: value'",
    "found unexpected end of stream": "close the quote",
    "found character that cannot start any token": "put the text in quotes",
    "did not find expected '-' indicator": "look at the indentation of this line and the one before",
}


def raw_offset(text: str, place: Place, offset: int, value: str) -> int | None:
    """Where the `offset`-th character of the string at `place` stands in the text; None if that cannot be told."""
    for index, at in enumerate(_characters(text, place, value)):
        if index == offset:
            return at
    return None


def _characters(text: str, place: Place, value: str) -> Iterator[int]:
    """The places in the text of each character of a string value, and of its end."""
    quote = text[place.start : place.start + 1]
    at = place.start + (quote in ('"', "'"))
    if quote == '"':
        yield from _double_quoted(text, at, value)
        return
    header = re.compile(r"[|>][-+0-9]*[^\n]*\n").match(text, at) if quote in ("|", ">") else None
    at = header.end() if header else at
    for character in value:
        # Line ends fold to blanks and indentation goes: skip what is not in the value.
        while (
            at < place.end
            and text[at] != character
            and text[at].isspace()
            and not (character in " \n" and text[at] in "\r\n")
        ):
            at += 1
        yield at
        at += 2 if quote == "'" and character == "'" else 1
    yield at


_DOUBLE_ESCAPE = re.compile(r"\\(?:x..|u....|U........|\r?\n[ \t]*|.)", re.DOTALL)


def _double_quoted(text: str, at: int, value: str) -> Iterator[int]:
    for character in value:
        while True:
            escape = _DOUBLE_ESCAPE.match(text, at) if text[at] == "\\" else None
            if escape and escape[0][1] in "\r\n":
                at = escape.end()
            elif text[at].isspace() and text[at] != character and not (character in " \n" and text[at] in "\r\n"):
                at += 1
            else:
                break
        yield at
        at = escape.end() if escape else at + 1
    yield at
