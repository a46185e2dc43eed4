"""A definition as it is written: its value, its text, and where in the text each value stands.

A Source costs what `json.loads` costs; positions are computed when somebody first asks. Whatever cannot be read is a
DefinitionError whose Problems say where and what to do, within milliseconds, however hostile the file.
"""

from __future__ import annotations

import difflib
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from sfnrun.asl import json_text
from sfnrun.asl.place import Fault, Lines, Place, find
from sfnrun.asl.substitution import Placeholder, Pointer, Substitutions, Unusable, substitute
from sfnrun.errors import DefinitionError, Problem, Severity, Span
from sfnrun.payload import Json, loads

__all__ = [
    "MAX_DEFINITION",
    "Placeholder",
    "Pointer",
    "Source",
    "from_text",
    "from_value",
    "load",
    "location_text",
    "unresolved_problems",
]

Format = Literal["json", "yaml"]

# CreateStateMachine takes a definition of at most this many characters.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
MAX_DEFINITION = 1_048_576

_FORMATS: dict[str, Format] = {".json": "json", ".asl": "json", ".yaml": "yaml", ".yml": "yaml"}

# Fields whose value only names who answers: `${ChargeCardFunctionArn}` finds functions/charge_card.py as it is.
_NAMES_WHO_ANSWERS = frozenset({"FunctionName", "Resource", "StateMachineArn"})


class Source:
    """A definition that was read: `value` is its JSON value with substitutions made, `name` the path as given.

    `format` is "json" or "yaml". `substituted` are the names of substitutions that were used, `unresolved` the
    placeholders without a value. `text` is "" for a value that came without one.
    """

    def __init__(
        self,
        name: str,
        text: str,
        format: Format,  # noqa: A002  # the word that fits
        value: Json,
        *,
        places: Place | None = None,
        substitutions: Substitutions | None = None,
        unresolved: Iterable[Placeholder] = (),
        written: Mapping[Pointer, str] | None = None,
    ) -> None:
        self.name = name
        self.text = text
        self.format = format
        self.value = value
        self.substituted = tuple(substitutions.used) if substitutions else ()
        self.unresolved = tuple(unresolved)
        self._substitutions = substitutions
        self._given_places = places
        # Strings and keys that substitution changed, as they stand in the text.
        self._written = written or {}

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self.text)

    @cached_property
    def _places(self) -> Place:
        return self._given_places or json_text.places(self.text)

    def locate(self, pointer: Sequence[str | int], *, key: bool = False) -> Span | None:
        """Where the value at `pointer` stands, or its key; None if it is not in the text.

        A value that an unquoted `${Name}` brought in stands where the placeholder does.
        """
        if not self.text:
            return None
        place, found = self._find(pointer)
        if found < len(pointer) and place.children is not None:
            return None
        if key and place.key_start >= 0:
            return self._lines.span(place.key_start, place.key_end)
        return self._lines.span(place.start, place.end)

    def _find(self, pointer: Sequence[str | int]) -> tuple[Place, int]:
        if not self._written:
            return find(self._places, pointer)
        return find(self._places, [self._written.get((step,), step) for step in pointer])

    def locate_inside(self, pointer: Sequence[str | int], offset: int, length: int = 1) -> Span | None:
        """Where characters `offset` to `offset + length` of the string at `pointer` stand.

        Escapes, folded lines and substitutions are accounted for; what cannot be told is the start of the value.
        """
        if not self.text:
            return None
        place, found = self._find(pointer)
        if found < len(pointer) or place.children is not None:
            return self.locate(pointer)
        start = self._offset_inside(tuple(pointer), place, offset)
        end = self._offset_inside(tuple(pointer), place, offset + length)
        if start is None or end is None or not start < place.end:
            return self._lines.span(place.start, place.end)
        return self._lines.span(start, max(end, start + 1))

    def _offset_inside(self, pointer: Pointer, place: Place, offset: int) -> int | None:
        written = self._written.get(pointer)
        if written is not None and self._substitutions:
            offset = _offset_before_substitution(written, self._substitutions, offset)
        if self.format == "json":
            return json_text.raw_offset(self.text, place, offset)
        from sfnrun.asl import yaml_text  # noqa: PLC0415  # it is loaded already: this file is YAML

        value = written if written is not None else self._string_at(pointer)
        return None if value is None else yaml_text.raw_offset(self.text, place, offset, value)

    def _string_at(self, pointer: Pointer) -> str | None:
        value = self.value
        for step in pointer:
            value = value[step]
        return value if isinstance(value, str) else None

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
    ) -> Problem:
        """A Problem with what is at `pointer`: its key, or `length` characters of its string from `offset`.

        If nothing stands at `pointer` it points at the key of the nearest thing around it.
        """
        if offset is None:
            span = self.locate(pointer, key=key) or self._nearest(pointer)
        else:
            span = self.locate_inside(pointer, offset, length)
        return Problem(
            rule,
            message,
            severity,
            code,
            hint,
            location_text(pointer) if location is None else location,
            self.name,
            span,
            self._lines.line(span.line) if span else "",
        )

    def _nearest(self, pointer: Sequence[str | int]) -> Span | None:
        if not self.text:
            return None
        place, _ = self._find(pointer)
        if place.key_start >= 0:
            return self._lines.span(place.key_start, place.key_end)
        return self._lines.span(place.start, min(place.end, place.start + 1))

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {self.format})"


def _offset_before_substitution(written: str, substitutions: Substitutions, offset: int) -> int:
    """The offset in the string as written of a character of the string as substituted."""
    grown = 0
    for start, end, replacement, _ in substitutions.pieces(written):
        if offset < start + grown:
            break
        if offset < start + grown + len(replacement):
            return start
        grown += len(replacement) - (end - start)
    return offset - grown


def location_text(pointer: Sequence[str | int]) -> str:
    """AWS's way to write a place: "/States/A/Catch[0]/Next", "/" for the whole."""
    return "".join(f"[{step}]" if isinstance(step, int) else f"/{step}" for step in pointer) or "/"


def load(path: str | Path, *, substitutions: Mapping[str, Json] | None = None, limits: bool = True) -> Source:
    """The definition in a file, or of standard input for "-". `limits=False` lifts AWS's limit of 1 MB.

    Raises DefinitionError for whatever cannot be read.
    """
    name = str(path)
    text = _decoded(name, _read_file(name, limits))
    return from_text(text, name, _FORMATS.get(Path(name).suffix.lower()), substitutions, limits=limits)


def from_text(
    text: str,
    name: str = "<definition>",
    format: Format | None = None,  # noqa: A002
    substitutions: Mapping[str, Json] | None = None,
    *,
    limits: bool = True,
) -> Source:
    """The definition that a text is; without a format, a text that begins with `{` or `[` is JSON, any other YAML."""
    text = text.removeprefix("\ufeff")
    if limits and len(text) > MAX_DEFINITION:
        raise DefinitionError([_too_long(name, f"{len(text):,}")])
    format = format or _format_of(text)  # noqa: A001
    try:
        return _read_json(name, text, substitutions) if format == "json" else _read_yaml(name, text, substitutions)
    except Fault as fault:
        raise DefinitionError([_problem(name, text, fault)]) from None


def from_value(value: Json, name: str = "<definition>", substitutions: Mapping[str, Json] | None = None) -> Source:
    """The definition that a JSON value is, which is not changed; its Problems have no positions."""
    if not isinstance(value, dict):
        raise DefinitionError([Problem("SFN-S02", _NOT_AN_OBJECT, location="/", path=name)])
    if substitutions or _has_placeholders(value):
        value = loads(_dumps(value))
    source = Source(name, "", "json", value)
    return _substituted(source, substitutions, "", loads)


_NOT_AN_OBJECT = "Definition must be a valid JSON object"


def _dumps(value: Json) -> str:
    from sfnrun.payload import dumps  # noqa: PLC0415

    return dumps(value)


def _has_placeholders(value: Json) -> bool:
    return "${" in _dumps(value)


def _format_of(text: str) -> Format:
    return "json" if text.lstrip()[:1] in ("{", "[", "") else "yaml"


def _read_json(name: str, text: str, substitutions: Mapping[str, Json] | None) -> Source:
    _refuse_blank(text)
    try:
        value, mark = json_text.decode(text)
    except ValueError:
        problems = [_problem(name, text, fault) for fault in json_text.faults(text)]
        raise DefinitionError(problems) from None
    if not isinstance(value, dict):
        raise _not_an_object(text)
    source = Source(name, text, "json", value)
    return source if "${" not in text else _substituted(source, substitutions, mark, loads)


def _read_yaml(name: str, text: str, substitutions: Mapping[str, Json] | None) -> Source:
    from sfnrun.asl import yaml_text  # noqa: PLC0415  # most definitions are JSON

    _refuse_blank(text)
    value, places, mark, tags = yaml_text.decode(text)
    if not isinstance(value, dict):
        raise _not_an_object(text)
    if tags:
        raise DefinitionError(_tag_problem(name, text, tag, value) for tag in tags[:1])
    source = Source(name, text, "yaml", value, places=places)
    return source if "${" not in text else _substituted(source, substitutions, mark, yaml_text.scalar)


def _substituted(source: Source, values: Mapping[str, Json] | None, mark: str, bare: object) -> Source:
    substitutions = Substitutions(values)
    try:
        value, unresolved, written = substitute(source.value, substitutions, mark, bare)  # type: ignore[arg-type]
    except Unusable as error:
        hint = "put quotes around the placeholder, or give a number, true, false or null"
        raise DefinitionError([source.problem("SFN-T16", str(error), error.pointer, hint=hint)]) from None
    except ValueError as error:
        raise DefinitionError([Problem("SFN-T16", str(error), path=source.name)]) from None
    return Source(
        source.name,
        source.text,
        source.format,
        value,
        places=source._given_places,
        substitutions=substitutions,
        unresolved=unresolved,
        written=written,
    )


def unresolved_problems(source: Source, severity: Severity = "error") -> list[Problem]:
    """A Problem for each placeholder without a value, but for those that only name who answers a Task.

    `${ChargeCardFunctionArn}` as a Resource or FunctionName still finds its handler by its name.
    """
    return [
        source.problem(
            "SFN-T16",
            f"{placeholder.text} has no value",
            placeholder.pointer,
            key=placeholder.is_key,
            offset=None if placeholder.is_key else placeholder.offset,
            length=len(placeholder.text),
            hint=_substitution_hint(placeholder, source),
            severity=severity,
        )
        for placeholder in source.unresolved
        if placeholder.is_key or placeholder.pointer[-1:] == () or placeholder.pointer[-1] not in _NAMES_WHO_ANSWERS
    ]


def _substitution_hint(placeholder: Placeholder, source: Source) -> str:
    known = source._substitutions.names if source._substitutions else ()
    close = difflib.get_close_matches(placeholder.name, known, 1)
    meant = f"did you mean ${{{close[0]}}}? or " if close else ""
    return f"{meant}give it one: --set {placeholder.name}=value, or under substitutions: in sfnrun.yaml"


def _problem(name: str, text: str, fault: Fault) -> Problem:
    lines = Lines(text)
    offset = min(fault.offset, len(text))
    span = lines.span(offset, min(len(text), offset + fault.length) if offset < len(text) else offset + 1)
    location = f'[Source: (String)"{_excerpt(text)}; line: {span.line}, column: {span.column}]'
    return Problem(
        fault.rule,
        fault.message,
        code=fault.code,
        hint=fault.hint,
        location=location if fault.code == "INVALID_JSON_DESCRIPTION" else "/",
        path=name,
        span=span,
        source_line=lines.line(span.line),
    )


def _excerpt(text: str) -> str:
    """As Jackson quotes its source."""
    return f'{text}"' if len(text) <= 500 else f'{text[:500]}"[truncated {len(text) - 500} chars]'


def _refuse_blank(text: str) -> None:
    if not text.strip():
        code = "SCHEMA_VALIDATION_FAILED" if text else "MISSING_DESCRIPTION"
        raise Fault(f"{_NOT_AN_OBJECT}; this is empty", 0, 1, "", "SFN-S02", code)


def _not_an_object(text: str) -> Fault:
    start = len(text) - len(text.lstrip())
    first = text[start:].split("\n", 1)[0]
    hint = 'it begins with {"StartAt": ..., "States": {...}}'
    return Fault(_NOT_AN_OBJECT, start, len(first), hint, "SFN-S02", "SCHEMA_VALIDATION_FAILED")


def _tag_problem(name: str, text: str, tag: object, value: Json) -> Problem:
    is_template = isinstance(value.get("Resources"), dict)
    message = f"{tag.name} means something in a CloudFormation template only"  # type: ignore[attr-defined]
    if is_template:
        message = "this is a CloudFormation template, not the definition of a state machine"
    hint = (
        "give the file that its DefinitionUri names"
        if is_template
        else "write ${Name} and give it with --set Name=value"
    )
    rule = "SFN-S15" if is_template else "SFN-S14"
    start, end = tag.start, tag.end  # type: ignore[attr-defined]
    return _problem(name, text, Fault(message, start, end - start, hint, rule, "SCHEMA_VALIDATION_FAILED"))


def _too_long(name: str, size: str, unit: str = "characters") -> Problem:
    message = f"Definition is {size} {unit} long; the limit is {MAX_DEFINITION:,} characters"
    return Problem("SFN-S13", message, hint="--no-limits lifts it", location="/", path=name)


def _unreadable(name: str, message: str, hint: str = "") -> DefinitionError:
    return DefinitionError([Problem("SFN-S00", message, code="MISSING_DESCRIPTION", hint=hint, path=name)])


def _read_file(name: str, limits: bool) -> bytes:
    """The bytes of a file, no more than a definition may have; nothing is read of one that is larger."""
    # A character takes at most four bytes, and one byte more shows that there is more; 3 are of the byte order mark.
    most = MAX_DEFINITION * 4 + 4 if limits else -1
    if name == "-":
        data = sys.stdin.buffer.read(most)
    else:
        data = _read_path(name, most)
    if limits and len(data) == most:
        raise DefinitionError([_too_long(name, f"over {most - 4:,}", "bytes")])
    return data


def _read_path(name: str, most: int) -> bytes:
    try:
        found = os.stat(name)
        if stat.S_ISDIR(found.st_mode):
            raise _unreadable(name, "is a folder", "give a file in it" + _inside(name))
        if 0 < most <= found.st_size:
            raise DefinitionError([_too_long(name, f"{found.st_size:,}", "bytes")])
        with open(name, "rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise _unreadable(name, "there is no such file", _similar(name)) from None
    except (OSError, ValueError) as error:
        raise _unreadable(name, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _inside(folder: str) -> str:
    names = sorted(entry.name for entry in os.scandir(folder) if ".asl." in entry.name)
    return f": {', '.join(names[:3])}" if names else ""


def _similar(name: str) -> str:
    folder = os.path.dirname(name) or "."
    if not os.path.isdir(folder):
        return f"nor a folder {folder}"
    close = difflib.get_close_matches(os.path.basename(name), os.listdir(folder)[:1000], 1)
    return f"did you mean {os.path.join(os.path.dirname(name), close[0])}?" if close else ""


def _decoded(name: str, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]:
        problem = Problem("SFN-S01", "is UTF-16, not UTF-8", hint="save it as UTF-8", code=_NO_JSON, path=name)
        raise DefinitionError([problem])
    if b"\x00" in data:
        raise DefinitionError([Problem("SFN-S01", "is a binary file, not a definition", code=_NO_JSON, path=name)])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DefinitionError([_not_utf8(name, data, error)]) from None


_NO_JSON = "INVALID_JSON_DESCRIPTION"


def _not_utf8(name: str, data: bytes, error: UnicodeDecodeError) -> Problem:
    line_start = data.rfind(b"\n", 0, error.start) + 1
    line = data[:line_start].count(b"\n") + 1
    column = len(data[line_start : error.start].decode().removeprefix("\ufeff")) + 1
    shown = data[line_start : line_start + 500].split(b"\n", 1)[0].decode(errors="replace")
    return Problem(
        "SFN-S01",
        f"byte 0x{data[error.start]:02x} is not UTF-8",
        code=_NO_JSON,
        hint="save the file as UTF-8",
        path=name,
        span=Span(line, column, line, column + 1),
        source_line=shown,
    )
