"""A definition with its value, its text, and the position of each value in the text.

A Source costs what `json.loads` costs: positions are computed when they are first needed. A text that cannot be read
is a DefinitionError whose Problems have a position and a hint, within milliseconds, however hostile the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from sfnrun.asl.text import json_text
from sfnrun.asl.text.positions import LineMap, Lines, SyntaxProblem, TextNode, find_node, json_span, yaml_span
from sfnrun.asl.text.substitution import InvalidSubstitution, Placeholder, Pointer, Substitutions, substitute
from sfnrun.errors import DefinitionError, Fix, Problem, Severity, Span
from sfnrun.payload import Json, dumps, loads

__all__ = [
    "MAX_DEFINITION",
    "FileMachine",
    "Placeholder",
    "Pointer",
    "Reader",
    "Source",
    "format_of",
    "from_text",
    "from_value",
    "location_text",
    "problem_of",
    "too_long",
]

if TYPE_CHECKING:
    from sfnrun.asl.text.yaml_text import Tag

Format = Literal["json", "yaml"]

# CreateStateMachine accepts a definition of at most this many characters.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
MAX_DEFINITION = 1_048_576

_FORMATS: dict[str, Format] = {"json": "json", "asl": "json", "yaml": "yaml", "yml": "yaml"}
_EXTENSION = r"(?s).*[^/\\]\.([^./\\]+)"
_NOT_AN_OBJECT = "Definition must be a valid JSON object"  # AWS


class Source:
    """A definition that was read: `value` is its JSON value after substitution, `name` its path as given.

    `format` is "json" or "yaml"; `text` is "" for a value without a text. `substitutions` has the values of
    placeholders, `substituted` the names of those that were used, `unresolved` the placeholders without a value.

    For a machine inside a template, `within` is the pointer of its definition there, and `expected` the names of the
    placeholders that the deployment replaces. `text` is the text of the whole template, with `nodes` those of the
    definition; or, if the definition is a string, that string, with `lines` those of the template.
    """

    def __init__(
        self,
        name: str,
        text: str,
        format: Format,
        value: Json,
        nodes: TextNode | None = None,
        *,
        lines: LineMap | None = None,
        within: Pointer = (),
        expected: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.text = text
        self.format = format
        self.value = value
        self.within = within
        self.expected = expected
        self.substitutions = Substitutions(None)
        self.unresolved: tuple[Placeholder, ...] = ()
        self._given_nodes = nodes
        self._given_lines = lines
        # The original text of strings by pointer, and of keys by new name.
        self._original: Mapping[Pointer, str] = {}
        self._original_keys: Mapping[str, str] = {}

    @cached_property
    def definition(self) -> str:
        """The text of the definition alone; for an object in a template, the JSON text of its value."""
        return dumps(self.value) if self.within and self._given_lines is None else self.text

    @property
    def substituted(self) -> tuple[str, ...]:
        return tuple(self.substitutions.used)

    def substitute(self, substitutions: Substitutions, mark: str, decode: Callable[[str], Json]) -> None:
        """Replace placeholders. Called while the Source is built, before its value is used."""
        self.substitutions = substitutions
        try:
            replaced = substitute(self.value, substitutions, mark, decode)
        except InvalidSubstitution as error:
            hint = "put the placeholder in quotes, or set it to a number, true, false or null"
            raise DefinitionError([self.problem("SFN-T16", str(error), error.pointer, hint=hint, code="")]) from None
        except ValueError as error:
            hint = "check substitutions: in sfnrun.yaml, and --set"
            raise DefinitionError([Problem("SFN-T16", str(error), code="", hint=hint, path=self.name)]) from None
        self.unresolved = tuple(replaced.unresolved)
        self._original, self._original_keys = replaced.written, replaced.renamed

    @cached_property
    def lines(self) -> LineMap:
        """The lines of the file that contains the text."""
        return self._given_lines or Lines(self.text)

    @cached_property
    def _nodes(self) -> TextNode:
        return self._given_nodes or json_text.nodes(self.text)

    def find(self, pointer: Sequence[str | int]) -> tuple[TextNode, int]:
        """Return the node of the value at `pointer`, or of its nearest ancestor, and how many steps were found."""
        if self._original_keys:
            pointer = [self._original_keys.get(step, step) if isinstance(step, str) else step for step in pointer]
        return find_node(self._nodes, pointer)

    def locate(self, pointer: Sequence[str | int], *, key: bool = False) -> Span | None:
        """Return the position of the value at `pointer`, or of its key; None if it is not in the text.

        A value that replaced an unquoted `${Name}` has the position of the placeholder.
        """
        if not self.text:
            return None
        node, found = self.find(pointer)
        if found < len(pointer) and node.children is not None:
            return None
        return self._key_span(node) if key and node.key_start >= 0 else self.lines.span(node.start, node.end)

    def locate_inside(self, pointer: Sequence[str | int], offset: int, length: int = 1) -> Span | None:
        """Return the position of `length` characters from `offset` of the string at `pointer`.

        Accounts for escapes, folded lines and substitutions. If the position is unknown, it is that of the value.
        """
        if not self.text:
            return None
        node, found = self.find(pointer)
        if found < len(pointer) or node.children is not None:
            return self.locate(pointer)
        start, end = self._range_inside(tuple(pointer), node, offset, length) or (node.start, node.end)
        return self.lines.span(start, min(end, node.end))

    def _range_inside(self, pointer: Pointer, node: TextNode, offset: int, length: int) -> tuple[int, int] | None:
        original = self._original.get(pointer)
        if original is not None:
            last = self.substitutions.offset_before(original, offset + length - 1, is_end=True)
            offset = self.substitutions.offset_before(original, offset)
            length = last - offset
        if self.format == "json":
            return json_span(self.text, node, offset, length) if self.text[node.start] == '"' else None
        value = self._value_at(pointer) if original is None else original
        return yaml_span(self.text, node, offset, length, value) if isinstance(value, str) else None

    def _value_at(self, pointer: Pointer) -> Json:
        value = self.value
        for step in pointer:
            value = value[step]
        return value

    def _key_span(self, node: TextNode) -> Span:
        return self.lines.span(node.key_start, node.key_end)

    def problem(
        self,
        rule: str,
        message: str,
        pointer: Sequence[str | int],
        *,
        key: bool = False,
        offset: int | None = None,
        length: int = 1,
        hint: str = "",
        code: str = "SCHEMA_VALIDATION_FAILED",
        severity: Severity = "error",
        location: str | None = None,
        fix: Fix | None = None,
    ) -> Problem:
        """Return a Problem of the value at `pointer`: of its key, or of `length` characters of it from `offset`.

        If there is no value at `pointer`, the Problem shows the key of its nearest ancestor. `location` is AWS's
        location if it is not that of the pointer.
        """
        if offset is None:
            span = self.locate(pointer, key=key) or self._nearest(pointer)
        else:
            span = self.locate_inside(pointer, offset, length)
        where = location_text(pointer) if location is None else location
        source_line = self.lines.line(span.line) if span else ""
        return Problem(rule, message, severity, code, hint, where, self.name, span, source_line, fix)

    def _nearest(self, pointer: Sequence[str | int]) -> Span | None:
        if not self.text:
            return None
        node, _ = self.find(pointer)
        return self._key_span(node) if node.key_start >= 0 else self.lines.span(node.start, node.start + 1)

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {self.format})"


class FileMachine(Struct, frozen=True):
    """One state machine of a file: its Source, or the Problems that prevent it.

    `name` is its name in a template, "" for a definition file. `path` is the file of its Problems: the template, or the
    file of its definition. `workflow_type` is "" if the file does not say it.
    """

    name: str
    path: str
    source: Source | None
    workflow_type: str = ""
    problems: tuple[Problem, ...] = ()


class Reader(Protocol):
    """Reads the files that a template names, so that nothing here knows a file system."""

    def exists(self, path: str) -> bool: ...

    def read(self, path: str) -> str:
        """Return the text of a file. Raises DefinitionError."""

    def beside(self, path: str, relative: str) -> str:
        """Return the path of a file that is given relative to the file `path`."""


def location_text(pointer: Sequence[str | int]) -> str:
    """Return a pointer as AWS writes it: "/States/A/Catch[0]/Next", and "/" for the whole."""
    return "".join(f"[{step}]" if isinstance(step, int) else f"/{step}" for step in pointer) or "/"


def format_of(name: str, text: str) -> Format:
    """Return the format that the extension of a file says, else the one of its text: JSON begins with `{` or `[`."""
    extension = re.fullmatch(_EXTENSION, name)
    by_name = _FORMATS.get(extension[1].lower()) if extension else None
    return by_name or ("json" if text.lstrip()[:1] in ("{", "[") else "yaml")


def too_long(name: str, size: str) -> Problem:
    """Return the Problem of a definition that is longer than AWS accepts."""
    message = f"Definition has {size}; the limit is {MAX_DEFINITION:,} characters"
    return Problem("SFN-S13", message, hint="pass --no-limits to lift it", location="/", path=name)


def from_text(
    text: str,
    name: str = "<definition>",
    format: Format | None = None,
    substitutions: Mapping[str, Json] | None = None,
    *,
    limits: bool = True,
) -> Source:
    """Read the text of a definition; without a format, a text that begins with `{` or `[` is JSON, any other YAML.

    `limits` False lifts AWS's limit of 1 MB. Raises DefinitionError.
    """
    text = text.removeprefix("\ufeff")
    if limits and len(text) > MAX_DEFINITION:
        raise DefinitionError([too_long(name, f"{len(text):,} characters")])
    try:
        if not text.strip():
            raise _not_an_object(text)
        is_json = format == "json" or (format is None and text.lstrip()[0] in "{[")
        read = _read_json if is_json else _read_yaml
        return read(name, text, Substitutions(substitutions))
    except SyntaxProblem as problem:
        raise DefinitionError([problem_of(name, text, problem)]) from None


def _where_jackson_stops(text: str) -> int | None:
    """Return the offset after the character, or the word in place of a value, at which AWS's JSON parser gives up."""
    import json

    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Illegal trailing comma"):  # 3.13 reports the comma, 3.12 the bracket after it
            return min(len(text) - len(text[error.pos + 1 :].lstrip()) + 1, len(text))
        word = re.compile(r"\w+").match(text, error.pos) if error.msg == "Expecting value" else None
        return min(word.end() if word else error.pos + 1, len(text))
    except (ValueError, RecursionError):
        return None
    return None


def from_value(value: Json, name: str = "<definition>", substitutions: Mapping[str, Json] | None = None) -> Source:
    """Read a definition that is a JSON value, which is not changed; its Problems have no positions."""
    if not isinstance(value, dict):
        raise DefinitionError([Problem("SFN-S02", _NOT_AN_OBJECT, location="/", path=name)])
    text = dumps(value)
    if "${" not in text:
        return Source(name, "", "json", value)
    source = Source(name, "", "json", loads(text))
    source.substitute(Substitutions(substitutions), "", loads)
    return source


def _read_json(name: str, text: str, substitutions: Substitutions) -> Source:
    try:
        value, mark = json_text.decode(text)
    except ValueError:
        from sfnrun.asl.text.json_problems import syntax_problems  # only invalid texts need it

        stop = _where_jackson_stops(text)
        found = syntax_problems(text)
        raise DefinitionError(problem_of(name, text, problem, stop=stop) for problem in found) from None
    if not isinstance(value, dict):
        raise _not_an_object(text)
    source = Source(name, text, "json", value)
    if "${" in text:
        source.substitute(substitutions, mark, loads)
    return source


def _read_yaml(name: str, text: str, substitutions: Substitutions) -> Source:
    from sfnrun.asl.text import yaml_text  # most definitions are JSON

    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SyntaxProblem("Unpaired surrogate", error.start, 1, "write the character itself") from None
    value, nodes, mark, tags = yaml_text.decode(text)
    if not isinstance(value, dict):
        raise _not_an_object(text)
    if tags:
        raise _template_tag(value, tags[0])
    source = Source(name, text, "yaml", value, nodes)
    if "${" in text:
        source.substitute(substitutions, mark, yaml_text.scalar)
    return source


def problem_of(
    name: str, text: str, problem: SyntaxProblem, outer: LineMap | None = None, *, stop: int | None = None
) -> Problem:
    """Return the Problem of a SyntaxProblem.

    `outer` are the lines of the file if the text is a string in it; `stop` is where AWS's parser gives up.
    """
    lines = Lines(text)
    offset = min(problem.offset, len(text))
    span = lines.span(offset, offset + problem.length)
    shown = outer.span(offset, offset + problem.length) if outer else span
    there = span if stop is None else lines.span(stop, stop + 1)
    is_syntax = problem.code == "INVALID_JSON_DESCRIPTION"
    excerpt = f'{text}"' if len(text) <= 500 else f'{text[:500]}"[truncated {len(text) - 500} chars]'
    return Problem(
        problem.rule,
        _printable(problem.message),
        code=problem.code,
        hint=_printable(problem.hint),
        location=f'[Source: (String)"{excerpt}; line: {there.line}, column: {there.column}]' if is_syntax else "/",
        path=name,
        span=shown,
        source_line=(outer or lines).line(shown.line),
    )


def _printable(text: str) -> str:
    """Escape control characters: keys of a file must not control the terminal."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def _not_an_object(text: str) -> SyntaxProblem:
    start = len(text) - len(text.lstrip())
    first_line = text[start:].partition("\n")[0]
    hint = 'begin the definition with {"StartAt": "...", "States": {'
    code = "SCHEMA_VALIDATION_FAILED" if text else "MISSING_DESCRIPTION"
    if not first_line:
        return SyntaxProblem(_NOT_AN_OBJECT, 0, 1, f"the text is empty; {hint}", "SFN-S02", code)
    return SyntaxProblem(_NOT_AN_OBJECT, start, len(first_line), hint, "SFN-S02", code)


def _template_tag(value: dict[str, Json], tag: Tag) -> SyntaxProblem:
    if isinstance(value.get("Resources"), dict):
        rule, message = "SFN-S15", "CloudFormation template instead of a state machine definition"
        hint = "pass the template as a file: its state machines are found"
    else:
        rule, message = "SFN-S14", f"{tag.name} is only valid in CloudFormation templates"
        hint = "write ${Name}, and pass --set Name=VALUE"
    return SyntaxProblem(message, tag.start, tag.end - tag.start, hint, rule, "SCHEMA_VALIDATION_FAILED")
