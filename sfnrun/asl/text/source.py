"""A definition as it is written: its value, its text, and where in the text each value stands.

A Source costs what `json.loads` costs; positions are computed when somebody first asks. Whatever cannot be read is a
DefinitionError whose Problems say where and what to do, within milliseconds, however hostile the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sfnrun.asl.text import inside, json_text
from sfnrun.asl.text.file_text import MAX_DEFINITION, read_text, too_long
from sfnrun.asl.text.place import Fault, Lines, Place, Rows, find
from sfnrun.asl.text.substitution import Placeholder, Pointer, Substitutions, Unusable, substitute
from sfnrun.errors import DefinitionError, Fix, Problem, Severity, Span
from sfnrun.payload import Json, dumps, loads

__all__ = [
    "MAX_DEFINITION",
    "Placeholder",
    "Pointer",
    "Source",
    "fault_problem",
    "format_of",
    "from_text",
    "from_value",
    "load",
    "location_text",
    "unresolved_problems",
]

if TYPE_CHECKING:
    from sfnrun.asl.text.yaml_text import Tag

Format = Literal["json", "yaml"]

_FORMATS: dict[str, Format] = {".json": "json", ".asl": "json", ".yaml": "yaml", ".yml": "yaml"}
_NOT_AN_OBJECT = "Definition must be a valid JSON object"

# Fields that only name who answers: `${ChargeCardFunctionArn}` finds functions/charge_card.py as it is.
_NAMES_WHO_ANSWERS = frozenset({"FunctionName", "Resource", "StateMachineArn"})


class Source:
    """A definition that was read: `value` is its JSON value with substitutions made, `name` the path as given.

    `format` is "json" or "yaml". `substituted` are the names of substitutions that were used, `substitutions` the
    values that were given for them, `unresolved` the placeholders without a value. `text` is "" for a value that came
    without one.

    Of a machine inside a template, `within` is the place of its definition there and `expected` the names of the
    placeholders that are given values when it is deployed. `text` is the text of the whole template with `places`
    those of the part, or else the string that the definition is, with `rows` the lines around it.
    """

    def __init__(
        self,
        name: str,
        text: str,
        format: Format,
        value: Json,
        places: Place | None = None,
        *,
        rows: Rows | None = None,
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
        self._given_places = places
        self._given_rows = rows
        # Strings by pointer, and keys by new name, as they stood before substitution.
        self._written: Mapping[Pointer, str] = {}
        self._renamed: Mapping[str, str] = {}

    @cached_property
    def definition(self) -> str:
        """The text of the definition alone: JSON of our own where it is an object in a template."""
        return dumps(self.value) if self.within and self._given_rows is None else self.text

    @property
    def substituted(self) -> tuple[str, ...]:
        return tuple(self.substitutions.used)

    def substitute(self, substitutions: Substitutions, mark: str, bare: Callable[[str], Json]) -> None:
        """Put values in for placeholders; only while the Source is made, before anybody holds its value."""
        self.substitutions = substitutions
        try:
            outcome = substitute(self.value, substitutions, mark, bare)
        except Unusable as error:
            hint = "put quotes around the placeholder, or give a number, true, false or null"
            raise DefinitionError([self.problem("SFN-T16", str(error), error.pointer, hint=hint, code="")]) from None
        except ValueError as error:
            hint = "look at substitutions: in sfnrun.yaml and at --set"
            raise DefinitionError([Problem("SFN-T16", str(error), code="", hint=hint, path=self.name)]) from None
        self.unresolved, self._written, self._renamed = tuple(outcome.unresolved), outcome.written, outcome.renamed

    @cached_property
    def rows(self) -> Rows:
        """The lines of the file that the text stands in."""
        return self._given_rows or Lines(self.text)

    @cached_property
    def _places(self) -> Place:
        return self._given_places or json_text.places(self.text)

    def find(self, pointer: Sequence[str | int]) -> tuple[Place, int]:
        """The place in `text` of the value at `pointer`, or of what is nearest around it, and how many steps it has."""
        if self._renamed:
            pointer = [self._renamed.get(step, step) if isinstance(step, str) else step for step in pointer]
        return find(self._places, pointer)

    def locate(self, pointer: Sequence[str | int], *, key: bool = False) -> Span | None:
        """Where the value at `pointer` stands, or its key; None if nothing of the text is there.

        A value that an unquoted `${Name}` brought in stands where the placeholder does.
        """
        if not self.text:
            return None
        place, found = self.find(pointer)
        if found < len(pointer) and place.children is not None:
            return None
        return self._key_span(place) if key and place.key_start >= 0 else self.rows.span(place.start, place.end)

    def locate_inside(self, pointer: Sequence[str | int], offset: int, length: int = 1) -> Span | None:
        """Where `length` characters from `offset` of the string at `pointer` stand.

        Escapes, folded lines and substitutions are accounted for; what cannot be told is the whole value.
        """
        if not self.text:
            return None
        place, found = self.find(pointer)
        if found < len(pointer) or place.children is not None:
            return self.locate(pointer)
        found_span = self._span_inside(tuple(pointer), place, offset, length)
        start, end = found_span or (place.start, place.end)
        return self.rows.span(start, min(end, place.end))

    def _span_inside(self, pointer: Pointer, place: Place, offset: int, length: int) -> tuple[int, int] | None:
        written = self._written.get(pointer)
        if written is not None:
            last = self.substitutions.offset_before(written, offset + length - 1, is_end=True)
            offset = self.substitutions.offset_before(written, offset)
            length = last - offset
        if self.format == "json":
            return inside.json_span(self.text, place, offset, length) if self.text[place.start] == '"' else None
        value = self._value_at(pointer) if written is None else written
        return inside.yaml_span(self.text, place, offset, length, value) if isinstance(value, str) else None

    def _value_at(self, pointer: Pointer) -> Json:
        value = self.value
        for step in pointer:
            value = value[step]
        return value

    def _key_span(self, place: Place) -> Span:
        return self.rows.span(place.key_start, place.key_end)

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
        """A Problem with what is at `pointer`: its key, or `length` characters of its string from `offset`.

        If nothing stands at `pointer`, it shows the key of the nearest thing around it. `location` is AWS's
        text for the place if it is not that of the pointer.
        """
        if offset is None:
            span = self.locate(pointer, key=key) or self._nearest(pointer)
        else:
            span = self.locate_inside(pointer, offset, length)
        where = location_text(pointer) if location is None else location
        source_line = self.rows.line(span.line) if span else ""
        return Problem(rule, message, severity, code, hint, where, self.name, span, source_line, fix)

    def _nearest(self, pointer: Sequence[str | int]) -> Span | None:
        if not self.text:
            return None
        place, _ = self.find(pointer)
        return self._key_span(place) if place.key_start >= 0 else self.rows.span(place.start, place.start + 1)

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {self.format})"


def location_text(pointer: Sequence[str | int]) -> str:
    """AWS's way to write a place: "/States/A/Catch[0]/Next", and "/" for the whole."""
    return "".join(f"[{step}]" if isinstance(step, int) else f"/{step}" for step in pointer) or "/"


def load(path: str | Path, *, substitutions: Mapping[str, Json] | None = None, limits: bool = True) -> Source:
    """The definition in a file, or of standard input for "-". `limits=False` lifts AWS's limit of 1 MB.

    The extension says whether it is JSON or YAML, else the content. Raises DefinitionError.
    """
    name = str(path)
    text = read_text(name, limits=limits)
    return from_text(text, name, format_of(name, text), substitutions, limits=limits)


def format_of(name: str, text: str) -> Format:
    """What the extension of a file says, else what its text looks like: JSON begins with `{` or `[`."""
    by_name = _FORMATS.get(Path(name).suffix.lower())
    return by_name or ("json" if text.lstrip()[:1] in ("{", "[") else "yaml")


def from_text(
    text: str,
    name: str = "<definition>",
    format: Format | None = None,
    substitutions: Mapping[str, Json] | None = None,
    *,
    limits: bool = True,
) -> Source:
    """The definition that a text is; without a format, a text that begins with `{` or `[` is JSON, any other YAML."""
    text = text.removeprefix("\ufeff")
    if limits and len(text) > MAX_DEFINITION:
        raise DefinitionError([too_long(name, f"{len(text):,} characters")])
    try:
        if not text.strip():
            raise _not_an_object(text)
        is_json = format == "json" or (format is None and text.lstrip()[0] in "{[")
        read = _read_json if is_json else _read_yaml
        return read(name, text, Substitutions(substitutions))
    except Fault as fault:
        raise DefinitionError([fault_problem(name, text, fault)]) from None


def _where_jackson_stops(text: str) -> int | None:
    """The offset behind what AWS's JSON parser read last, a character or a word in the place of a value; None: all."""
    import json

    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Illegal trailing comma"):  # Python 3.13 points at the comma, earlier ones behind it
            return min(len(text) - len(text[error.pos + 1 :].lstrip()) + 1, len(text))
        word = re.compile(r"\w+").match(text, error.pos) if error.msg == "Expecting value" else None
        return min(word.end() if word else error.pos + 1, len(text))
    except (ValueError, RecursionError):
        return None
    return None


def from_value(value: Json, name: str = "<definition>", substitutions: Mapping[str, Json] | None = None) -> Source:
    """The definition that a JSON value is, which is not changed; its Problems have no positions."""
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
        from sfnrun.asl.text.json_faults import faults

        stop = _where_jackson_stops(text)
        raise DefinitionError(fault_problem(name, text, fault, stop=stop) for fault in faults(text)) from None
    if not isinstance(value, dict):
        raise _not_an_object(text)
    source = Source(name, text, "json", value)
    if "${" in text:
        source.substitute(substitutions, mark, loads)
    return source


def _read_yaml(name: str, text: str, substitutions: Substitutions) -> Source:
    from sfnrun.asl.text import yaml_text

    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Fault("half of a surrogate pair is no character", error.start, 1, "write the character itself") from None
    value, places, mark, tags = yaml_text.decode(text)
    if not isinstance(value, dict):
        raise _not_an_object(text)
    if tags:
        raise _template_tag(value, tags[0])
    source = Source(name, text, "yaml", value, places)
    if "${" in text:
        source.substitute(substitutions, mark, yaml_text.scalar)
    return source


def unresolved_problems(source: Source, severity: Severity = "error") -> list[Problem]:
    """A Problem for each placeholder without a value, but for those that only name who answers a Task, by line.

    `${ChargeCardFunctionArn}` as a Resource or FunctionName still finds its handler by its name.
    """
    problems = [
        _unresolved_problem(source, placeholder, severity)
        for placeholder in source.unresolved
        if placeholder.is_key or placeholder.pointer[-1] not in _NAMES_WHO_ANSWERS
    ]
    return sorted(problems, key=lambda problem: (problem.span.line, problem.span.column) if problem.span else (0, 0))


def _unresolved_problem(source: Source, placeholder: Placeholder, severity: Severity) -> Problem:
    from difflib import get_close_matches

    close = get_close_matches(placeholder.name, source.substitutions.names, 1)
    meant = f"did you mean ${{{close[0]}}}? Else " if close else ""
    return source.problem(
        "SFN-T16",
        f"{placeholder.text} has no value",
        placeholder.pointer,
        key=placeholder.is_key,
        offset=None if placeholder.is_key else placeholder.offset,
        length=len(placeholder.text),
        hint=f"{meant}give it one: --set {placeholder.name}=value, or substitutions: in sfnrun.yaml",
        code="",
        severity=severity,
    )


def fault_problem(name: str, text: str, fault: Fault, rows: Rows | None = None, *, stop: int | None = None) -> Problem:
    """The Problem of a Fault; `rows` if its span is not the lines', `stop` is where AWS's parser gives up."""
    lines = Lines(text)
    offset = min(fault.offset, len(text))
    span = lines.span(offset, offset + fault.length)
    shown = rows.span(offset, offset + fault.length) if rows else span
    there = span if stop is None else lines.span(stop, stop + 1)
    is_syntax = fault.code == "INVALID_JSON_DESCRIPTION"
    excerpt = f'{text}"' if len(text) <= 500 else f'{text[:500]}"[truncated {len(text) - 500} chars]'
    return Problem(
        fault.rule,
        _printable(fault.message),
        code=fault.code,
        hint=_printable(fault.hint),
        location=f'[Source: (String)"{excerpt}; line: {there.line}, column: {there.column}]' if is_syntax else "/",
        path=name,
        span=shown,
        source_line=(rows or lines).line(shown.line),
    )


def _printable(text: str) -> str:
    """What a terminal shows and does not obey, whatever stands in the keys of a file."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def _not_an_object(text: str) -> Fault:
    start = len(text) - len(text.lstrip())
    first_line = text[start:].partition("\n")[0]
    hint = 'it begins with {"StartAt": "...", "States": {'
    code = "SCHEMA_VALIDATION_FAILED" if text else "MISSING_DESCRIPTION"
    if not first_line:
        return Fault(_NOT_AN_OBJECT, 0, 1, f"this is empty; {hint}", "SFN-S02", code)
    return Fault(_NOT_AN_OBJECT, start, len(first_line), hint, "SFN-S02", code)


def _template_tag(value: dict[str, Json], tag: Tag) -> Fault:
    if isinstance(value.get("Resources"), dict):
        rule, message = "SFN-S15", "this is a CloudFormation template, not the definition of a state machine"
        hint = "give the template as a file, and the machines in it are found"
    else:
        rule, message = "SFN-S14", f"{tag.name} means something in a CloudFormation template only"
        hint = "write ${Name} and give it with --set Name=value"
    return Fault(message, tag.start, tag.end - tag.start, hint, rule, "SCHEMA_VALIDATION_FAILED")
