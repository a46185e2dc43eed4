"""YAML text to a JSON value and its places, in one pass over the parser's events; nothing that JSON does not have.

Plain scalars are read as YAML 1.2 does, not 1.1: `yes`, `no`, `on`, `off`, `y` and `n` are strings, so are dates,
`1_000`, `0x1F`, `12:30` and `012345678901` (an account number keeps its zero); `true`, `True`, `null`, `~` and nothing
are what they look like. `<<` merges. A whole unquoted `${Name}` is marked as `sfnrun.asl.text.json_text` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isinf
from typing import Any

from msgspec import Struct, field

from sfnrun.asl.text.json_faults import twice
from sfnrun.asl.text.json_text import unused_character
from sfnrun.asl.text.place import Fault, Lines, Place
from sfnrun.payload import MAX_DEPTH, Json

__all__ = ["MAX_VALUES", "Tag", "decode", "scalar"]

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
_PROPERTIES = re.compile(r"(?:[!&]\S*\s+)*")
_PLACEHOLDER = re.compile(r"\$\{[^{}\"\s]+\}")
_BRACKET = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|[\[\]{}]", re.DOTALL)

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
    """A CloudFormation short form (`!Sub`), which means something in a template only."""

    name: str
    start: int
    end: int


def decode(text: str, *, any_keys: bool = False) -> tuple[Json, Place, str, list[Tag]]:
    """The value, its places, the mark of unquoted placeholders ("" if none), and the CloudFormation tags in it.

    A tag comes back in its long form: `!GetAtt A.Arn` as `{"Fn::GetAtt": ["A", "Arn"]}`. Raises Fault if the text is no
    YAML, or has something for which JSON has no value; `any_keys` takes keys that look like numbers for strings.
    """
    import yaml  # costs 15 ms, and most definitions are JSON

    reader = _Reader(text, any_keys)
    read = 0
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            handle = _EVENTS.get(type(event).__name__)
            if handle:
                handle(reader, event)
            read = event.end_mark.index if event.end_mark else read
    except yaml.YAMLError as error:
        raise reader.too_deep(read, error) or _syntax(text, error) from None
    return reader.value, reader.place, reader.mark, reader.tags


def scalar(text: str) -> Json:
    """The JSON value of a plain scalar. Raises ValueError for infinities and NaN."""
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
            raise ValueError(
                f"{text} is too large a number" if len(text) <= 20 else f"{text[:20]}… is too large a number"
            )
        return number
    return text


class _Open(Struct):
    """A mapping or sequence that is being read; in a mapping, `key` waits for its value."""

    value: Any
    place: Place
    event: Any
    tag: str | None
    values_before: int
    key: str | None = None
    key_span: tuple[int, int] = (-1, -1)
    is_merge: bool = False
    keys: dict[str, int] = field(default_factory=dict)


class _Reader:
    """Builds value and places from events, without recursion."""

    def __init__(self, text: str, any_keys: bool) -> None:
        self.value: Json = None
        self.place = Place(0, len(text))
        self.mark = ""
        self.tags: list[Tag] = []
        self._text = text
        self._any_keys = any_keys
        self._documents = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Json, Place, int]] = {}
        self._values = 0

    def too_deep(self, read: int, error: Any) -> Fault | None:
        """The Fault of a text whose nesting the parser gave up on; None if it gave up on something else.

        libyaml has had a limit of its own since 0.2.6 (PyYAML 6.0.4): for brackets, which it looks at ahead of the
        events, and for blocks, at one level less than ours. `read` is the end of the last event.
        """
        mark = getattr(error, "problem_mark", None)
        if mark is None:
            return None
        depth = len(self._open)
        for token in _BRACKET.finditer(self._text, read, mark.index + 1):
            depth += 1 if token[0] in "{[" else -1 if token[0] in "}]" else 0
            if depth > MAX_DEPTH:
                return _too_deep(token.start())
        return _too_deep(min(mark.index, len(self._text))) if len(self._open) >= MAX_DEPTH - 1 else None

    def document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._refused("a second YAML document begins here", event, "a definition is one; remove the other")

    def start(self, event: Any) -> None:
        if self._wants_key():
            raise self._refused("a key is a string, not a mapping or sequence", event, "put it in quotes", 1)
        if len(self._open) == MAX_DEPTH:
            raise _too_deep(event.start_mark.index)
        start = self._start(event)
        place = Place(start, start)
        is_mapping = type(event).__name__ == "MappingStartEvent"
        place.children = {} if is_mapping else []
        tag = self._cloudformation_tag(event, frozenset({None, "!", _CORE + ("map" if is_mapping else "seq")}))
        self._open.append(_Open({} if is_mapping else [], place, event, tag, self._values))

    def end(self, event: Any) -> None:
        done = self._open.pop()
        # A block ends, for the parser, where the next token begins; for a reader where its last line does.
        start, end = event.start_mark.index, event.end_mark.index
        done.place.end = max(end if end > start else len(self._text[:end].rstrip()), done.place.start + 1)
        value = _long_form(done.tag, done.value)
        if done.event.anchor:
            self._anchors[done.event.anchor] = (value, done.place, self._values - done.values_before + 1)
        self._add(value, done.place, 1)

    def scalar(self, event: Any) -> None:
        if self._wants_key():
            self._take_key(event)
            return
        tag = self._cloudformation_tag(event, _STRING_TAGS | _TYPED_TAGS.keys())
        value = _long_form(tag, self._scalar_value(event))
        place = Place(self._start(event), event.end_mark.index)
        if event.anchor:
            self._anchors[event.anchor] = (value, place, 1)
        self._add(value, place, 1)

    def _start(self, event: Any) -> int:
        """Where a value itself begins: past its tag and anchor."""
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
            hint = "JSON numbers are finite; give a number, a string or null"
            raise self._refused(str(error), event, hint) from None
        if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
            raise self._refused(f"{event.value} is no {event.tag.removeprefix(_CORE)}", event, "remove the tag")
        return value

    def _take_key(self, event: Any) -> None:
        parent, name = self._open[-1], event.value
        start, end = event.start_mark.index, event.end_mark.index
        parent.is_merge = event.implicit[0] and name == "<<"
        if event.implicit[0] and not self._any_keys and not _is_text(name):
            hint = f'put it in quotes: "{name}"'
            raise self._refused(f"the key {name or 'of nothing'} is not a string", event, hint)
        if name in parent.keys and not parent.is_merge:
            is_state = len(self._open) > 1 and self._open[-2].key == "States"
            raise twice(name, parent.keys[name], start, end - start, Lines(self._text), is_state=is_state)
        if not parent.is_merge:
            parent.keys[name] = start
        parent.key, parent.key_span = name, (start, end)

    def alias(self, event: Any) -> None:
        name = event.anchor
        if any(outer.event.anchor == name for outer in self._open):
            raise self._refused(f"*{name} stands inside what it names, which would never end", event, "write it out")
        if name not in self._anchors:
            raise self._refused(f"no anchor &{name} stands before this", event, "anchors come before their aliases")
        if self._wants_key():
            raise self._refused("an alias cannot be a key", event, "write the key out")
        value, anchored, values = self._anchors[name]
        if self._values + values > MAX_VALUES:
            message = f"the aliases of this file stand for more than {MAX_VALUES:,} values"
            raise self._refused(message, event, "AWS takes at most 1 MB of JSON")
        place = Place(event.start_mark.index, event.end_mark.index)
        place.children = anchored.children
        self._add(value, place, values)

    def _cloudformation_tag(self, event: Any, known: frozenset[str | None]) -> str | None:
        tag: str | None = event.tag
        if tag in known:
            return None
        written = self._text[event.start_mark.index :].split(None, 1)[0]
        if tag not in _CLOUDFORMATION:
            hint = "remove the tag, or put the value in quotes"
            raise self._refused(f"the tag {written} has no JSON value", event, hint, len(written))
        self.tags.append(Tag(tag, event.start_mark.index, event.start_mark.index + len(written)))
        return tag

    def _wants_key(self) -> bool:
        return bool(self._open) and type(self._open[-1].value) is dict and self._open[-1].key is None

    def _add(self, value: Json, place: Place, values: int) -> None:
        self._values += values
        if not self._open:
            self.value, self.place = value, place
            return
        parent = self._open[-1]
        children: Any = parent.place.children
        if type(parent.value) is list:
            parent.value.append(value)
            children.append(place)
            return
        key, parent.key = parent.key, None
        place.key_start, place.key_end = parent.key_span
        if parent.is_merge:
            self._merge(parent, value, place)
        else:
            parent.value[key] = value
            children[key] = place

    def _merge(self, parent: _Open, value: Json, place: Place) -> None:
        """`<<: *defaults`: keys of its own win over merged ones, and earlier sources over later ones."""
        places: Any = place.children
        sources: Any = zip(value, places, strict=True) if type(value) is list else [(value, place)]
        into: Any = parent.place.children
        for source, source_place in sources:
            if type(source) is not dict:
                start, end = place.start, place.end
                raise Fault("<< merges mappings only", start, end - start, "write <<: *anchor", "SFN-S14")
            for key in source.keys() - parent.value.keys():
                parent.value[key] = source[key]
                into[key] = source_place.children[key]

    def _refused(self, message: str, event: Any, hint: str, length: int = 0) -> Fault:
        """A Fault of what YAML has and JSON has not."""
        start, end = event.start_mark.index, event.end_mark.index
        return Fault(message, start, length or max(1, end - start), hint, "SFN-S14")


_EVENTS: dict[str, Callable[[_Reader, Any], None]] = {
    "AliasEvent": _Reader.alias,
    "DocumentStartEvent": _Reader.document,
    "MappingEndEvent": _Reader.end,
    "MappingStartEvent": _Reader.start,
    "ScalarEvent": _Reader.scalar,
    "SequenceEndEvent": _Reader.end,
    "SequenceStartEvent": _Reader.start,
}


def _too_deep(offset: int) -> Fault:
    return Fault(f"nested deeper than {MAX_DEPTH:,} levels", offset, 1, "AWS refuses this too", "SFN-S14")


def _long_form(tag: str | None, value: Json) -> Json:
    if tag is None:
        return value
    if tag == "!GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {_CLOUDFORMATION[tag]: value}


def _is_text(name: str) -> bool:
    try:
        return isinstance(scalar(name), str)
    except ValueError:
        return False


# Our words for what libyaml finds; its own are never shown, since they differ from version to version.
_INDENTATION = "look at the indentation of this line and of the one before"
_QUOTES = "put the text in quotes"
_ESCAPES = r"escapes in double quotes are those of JSON, \xHH and \UHHHHHHHH; write \\ for a backslash"
_DIRECTIVE = "remove the line that begins with %"
_TAG = "remove the tag, or put the value in quotes"
_PLAINER = {
    "mapping values are not allowed in this context": (
        "a ':' cannot stand here",
        "put a text that holds ': ' in quotes, or look at the indentation",
    ),
    "mapping keys are not allowed in this context": ("a '?' cannot stand here", _QUOTES),
    "block sequence entries are not allowed in this context": (
        "a list cannot begin on this line",
        "begin it on a line of its own",
    ),
    "did not find expected key": ("this line fits neither the mapping above nor a new one", _INDENTATION),
    "did not find expected '-' indicator": ("this line fits neither the list above nor a new one", _INDENTATION),
    "could not find expected ':'": ("expected ':' after a key", "write 'key: value'"),
    "found unexpected end of stream": ("this quote is never closed", "close it"),
    "found unexpected document indicator": ("this quote is not closed before the next document", "close it"),
    "found character that cannot start any token": ("a value cannot begin with this character", _QUOTES),
    "found unexpected ':'": ("a ':' cannot stand here", _QUOTES),
    "did not find expected node content": ("a value is missing here", "give one, or close what is open"),
    "did not find expected ',' or ']'": ("expected ',' or ']'", "a list in [brackets] is not closed, or lacks a comma"),
    "did not find expected ',' or '}'": (
        "expected ',' or '}'",
        "a mapping in {braces} is not closed, or lacks a comma",
    ),
    "did not find expected <document start>": ("there is text after the end of the definition", "remove it"),
    "found unknown escape character": ("this is no escape in YAML", _ESCAPES),
    "did not find expected hexdecimal number": ("this escape lacks hexadecimal digits", _ESCAPES),
    "found invalid Unicode character escape code": ("this escape is no character", _ESCAPES),
    "did not find expected alphabetic or numeric character": (
        "the name of an anchor or alias is missing or ends badly",
        "put a text that begins with & or * in quotes",
    ),
    "found undefined tag handle": ("this tag has no JSON value", _TAG),
    "did not find expected tag URI": ("this tag cannot be read", _TAG),
    "did not find expected '!'": ("this tag cannot be read", _TAG),
    "did not find the expected '>'": ("this tag cannot be read", _TAG),
    "did not find expected whitespace or line break": ("a blank is missing after this", "add one"),
    "did not find expected comment or line break": (
        "nothing may stand behind this on its line",
        "put the text on the next line, or in quotes",
    ),
    "found an indentation indicator equal to 0": ("the indentation of a block cannot be 0", "leave the number out"),
    "found a tab character where an indentation space is expected": ("a tab cannot indent YAML", "indent with blanks"),
    "found a tab character that violates indentation": ("a tab cannot indent YAML", "indent with blanks"),
}
_WHATEVER_ELSE = ("this is not YAML", _INDENTATION)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAB_INDENT = re.compile(r"[ ]*\t")


def _syntax(text: str, error: Any) -> Fault:
    """What the parser found, where and in plain words."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        found = _UNPRINTABLE.search(text)
        character = f"U+{ord(found[0]):04X}" if found else "?"
        hint = 'write it as an escape in double quotes, like "\\x07"'
        return Fault(f"control character {character} stands here", found.start() if found else 0, 1, hint)
    if error.problem == "found unexpected end of stream" and error.context_mark:
        mark = error.context_mark
    offset = min(mark.index, len(text))
    line_start = text.rfind("\n", 0, offset) + 1
    tab = _TAB_INDENT.match(text, line_start)
    if tab and tab.end() > offset - 1:
        return Fault("a tab cannot indent YAML", tab.end() - 1, 1, "indent with blanks")
    if text[line_start : line_start + 1] == "%":
        return Fault("a definition has no directives", line_start, 1, _DIRECTIVE)
    message, hint = _PLAINER.get(error.problem, _WHATEVER_ELSE)
    return Fault(message, offset, 1, hint)
