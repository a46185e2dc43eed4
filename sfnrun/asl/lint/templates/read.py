"""From what a template declares to Sources: inline objects, strings with escapes, and files beside the template."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct

from sfnrun.asl.lint.part import Part
from sfnrun.asl.lint.templates.find import Declared, declared, is_template
from sfnrun.asl.lint.templates.render import Piece, is_function, render, resolve
from sfnrun.asl.text import inside, json_text, yaml_text
from sfnrun.asl.text.file_text import read_text
from sfnrun.asl.text.place import Fault, Lines, LinesInside, Place, find
from sfnrun.asl.text.source import Format, Source, fault_problem, format_of, from_text
from sfnrun.asl.text.substitution import Substitutions
from sfnrun.errors import DefinitionError, Problem
from sfnrun.payload import Json, dumps, loads

__all__ = ["parts"]

# What a deployment knows and a template does not: enough to read ARNs by. --set AWS::Region=… says otherwise.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
_PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::URLSuffix": "amazonaws.com",
}
_NAMES = re.compile(r"\$\{!?([^{}]+)\}")


class _Template(Struct):
    """A template that was read. `mark` begins the strings that were unquoted placeholders."""

    name: str
    text: str
    format: Format
    value: Json
    place: Place
    mark: str
    lines: Lines

    def plain(self, text: str) -> str:
        return f"${{{text[1:]}}}" if self.mark and text.startswith(self.mark) else text


def parts(name: str, text: str, substitutions: Mapping[str, Json]) -> list[Part] | None:
    """The machines of a template; None if the text is none. Raises DefinitionError if it cannot be read.

    `substitutions` win over those of the template. A definition that cannot be read is a Part with Problems.
    """
    template = _read(name, text, "json" if text.lstrip()[:1] in "{[" else "yaml")
    if not is_template(template.value):
        return None
    return [_part(template, machine, substitutions) for machine in declared(_unmarked(template))]


def _read(name: str, text: str, format: Format) -> _Template:
    try:
        if format == "json":
            value, mark = _decode_json(text)
            place = json_text.places(text)
        else:
            value, place, mark, _ = yaml_text.decode(text, any_keys=True)
    except Fault as fault:
        raise DefinitionError([fault_problem(name, text, fault)]) from None
    return _Template(name, text, format, value, place, mark, Lines(text))


def _decode_json(text: str) -> tuple[Json, str]:
    try:
        return json_text.decode(text)
    except ValueError:
        from sfnrun.asl.text.json_faults import faults

        raise faults(text)[0] from None


def _unmarked(template: _Template) -> Mapping[str, Json]:
    """The top of the template, where `definition: ${file(x.yml)}` is a text as it is written."""
    section = template.value.get("stepFunctions")
    machines = section.get("stateMachines") if isinstance(section, dict) else None
    for machine in machines.values() if isinstance(machines, dict) else ():
        if isinstance(machine, dict) and isinstance(machine.get("definition"), str):
            machine["definition"] = template.plain(machine["definition"])
    value: Mapping[str, Json] = template.value
    return value


def _part(template: _Template, machine: Declared, substitutions: Mapping[str, Json]) -> Part:
    read = _FORMS[machine.form]
    known = {name: value for name, value in machine.substitutions.items() if not isinstance(value, dict | list)}
    expected = frozenset(machine.substitutions)
    path = _path(template, machine) if machine.form == "file" else template.name
    try:
        source = read(template, machine, {**_PSEUDO_PARAMETERS, **known, **substitutions}, expected)
    except DefinitionError as error:
        return Part(machine.name, path, None, machine.workflow_type, error.problems)
    return Part(machine.name, path, source, machine.workflow_type)


def _object(
    template: _Template, machine: Declared, substitutions: Mapping[str, Json], expected: frozenset[str]
) -> Source:
    place, _ = find(template.place, machine.pointer)
    brought = resolve(machine.node, place)
    expected |= _serverless_names(machine, template.text[place.start : place.end])
    source = Source(
        template.name,
        template.text,
        template.format,
        machine.node,
        place,
        within=machine.pointer,
        expected=expected | brought.names,
    )
    values = {**brought.values, **substitutions}
    source.substitute(Substitutions(values), template.mark, loads if template.format == "json" else yaml_text.scalar)
    return source


def _string(
    template: _Template, machine: Declared, substitutions: Mapping[str, Json], expected: frozenset[str]
) -> Source:
    place, _ = find(template.place, machine.pointer)
    rendered = render(machine.node, place)
    text = rendered.text
    rows = LinesInside(
        template.lines, partial(_characters, template, rendered.pieces), _writer(template, rendered.pieces[0].place)
    )
    values = {**rendered.values, **substitutions}
    try:
        value, mark = _decode_json(text)
        if not isinstance(value, dict):
            raise Fault("Definition must be a valid JSON object", 0, max(1, len(text)), "", "SFN-S02", _SCHEMA)
    except Fault as fault:
        raise DefinitionError([fault_problem(template.name, text, fault, rows)]) from None
    source = Source(
        template.name,
        text,
        "json",
        value,
        rows=rows,
        within=machine.pointer,
        expected=expected | rendered.names,
    )
    source.substitute(Substitutions(values), mark, loads)
    return source


_SCHEMA = "SCHEMA_VALIDATION_FAILED"


def _characters(template: _Template, pieces: list[Piece]) -> list[tuple[int, int]]:
    """Where in the template each character of a text in pieces stands."""
    found: list[tuple[int, int]] = []
    for piece in pieces:
        place = piece.place
        if not piece.is_literal:
            found += [(place.start, place.end)] * len(piece.text)
        elif template.format == "json":
            found += inside.json_characters(template.text, place)
        else:
            found += inside.yaml_characters(template.text, place, piece.text)
    return found


def _writer(template: _Template, place: Place) -> Callable[[str], str] | None:
    """How a text is written into the string at `place`; None if that takes more than to put it there."""
    style = template.text[place.start : place.start + 1]
    if style == '"':
        return lambda text: dumps(text)[1:-1]
    if style == "'":
        return lambda text: text.replace("'", "''")
    if style == "|":
        line = template.text.find("\n", place.start) + 1
        first = template.text[line : place.end].lstrip("\n")
        indent = first[: len(first) - len(first.lstrip(" "))]
        return lambda text: text.replace("\n", f"\n{indent}")
    return None


def _file(
    template: _Template, machine: Declared, substitutions: Mapping[str, Json], expected: frozenset[str]
) -> Source:
    path = _path(template, machine)
    if not os.path.isfile(path):
        raise DefinitionError([_not_there(template, machine, path)])
    text = read_text(path)
    source = from_text(text, path, format_of(path, text), substitutions)
    source.expected = expected | _serverless_names(machine, source.text)
    return source


def _serverless_names(machine: Declared, text: str) -> set[str]:
    """All placeholders of a text: Serverless puts its variables in anywhere, in a syntax of their own."""
    return set(_NAMES.findall(text)) if machine.pointer[0] == "stepFunctions" else set()


def _path(template: _Template, machine: Declared) -> str:
    """The file beside the template that a definition is in."""
    return os.path.normpath(os.path.join(os.path.dirname(template.name), machine.node))


def _not_there(template: _Template, machine: Declared, path: str) -> Problem:
    place, _ = find(template.place, machine.pointer)
    span = template.lines.span(place.start, place.end)
    return Problem(
        "SFN-S00",
        f"the definition of {machine.name} should be in {path}, and there is no such file",
        code="MISSING_DESCRIPTION",
        hint="the path is relative to the template",
        location="/",
        path=template.name,
        span=span,
        source_line=template.lines.line(span.line),
    )


def _elsewhere(
    template: _Template, machine: Declared, substitutions: Mapping[str, Json], expected: frozenset[str]
) -> Source:
    place, _ = find(template.place, machine.pointer)
    span = template.lines.span(place.start, place.end)
    raise DefinitionError(
        [
            Problem(
                "SFN-S15",
                f"the definition of {machine.name} is not in this template, so it is not checked",
                "info",
                "",
                "give the file that holds it" if not is_function(machine.node) else "",
                "/",
                template.name,
                span,
                template.lines.line(span.line),
            )
        ]
    )


_FORMS: dict[str, Callable[[_Template, Declared, Mapping[str, Json], frozenset[str]], Source]] = {
    "elsewhere": _elsewhere,
    "file": _file,
    "object": _object,
    "string": _string,
}
