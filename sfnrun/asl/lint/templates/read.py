"""Turn the state machines that a template declares into Sources: objects, strings with escapes, and other files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct

from sfnrun.asl.lint.templates.find import Declared, declared, is_template
from sfnrun.asl.lint.templates.render import Piece, is_function, render, resolve
from sfnrun.asl.text import json_text, yaml_text
from sfnrun.asl.text.positions import (
    EmbeddedLines,
    Lines,
    SyntaxProblem,
    TextNode,
    find_node,
    json_characters,
    yaml_characters,
)
from sfnrun.asl.text.source import FileMachine, Format, Reader, Source, format_of, from_text, problem_of
from sfnrun.asl.text.substitution import Substitutions
from sfnrun.errors import DefinitionError, Problem, Severity
from sfnrun.payload import Json, dumps, loads
from sfnrun.record import ACCOUNT, REGION

__all__ = ["machines"]

# Values that a deployment knows and a template does not, so that ARNs can be parsed; --set AWS::Region=… overrides.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
_PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
_NAMES = re.compile(r"\$\{!?([^{}]+)\}")


class _Template(Struct):
    """A template that was read. `mark` begins the strings that were unquoted placeholders."""

    name: str
    text: str
    format: Format
    value: Json
    node: TextNode
    mark: str
    lines: Lines
    reader: Reader

    def plain(self, text: str) -> str:
        return f"${{{text[1:]}}}" if self.mark and text.startswith(self.mark) else text


class _Given(Struct):
    """The values of placeholders, and the names of those that the deployment replaces."""

    values: Mapping[str, Json]
    expected: frozenset[str]


def machines(name: str, text: str, substitutions: Mapping[str, Json], reader: Reader) -> list[FileMachine] | None:
    """Return the state machines of a template; None if the text is not a template.

    `substitutions` override those of the template. A definition that cannot be read is a FileMachine with Problems.
    Raises DefinitionError if the template cannot be read.
    """
    template = _read(name, text, "json" if text.lstrip()[:1] in "{[" else "yaml", reader)
    if not is_template(template.value):
        return None
    return [_machine(template, one, substitutions) for one in declared(_unmarked(template))]


def _read(name: str, text: str, format: Format, reader: Reader) -> _Template:
    try:
        if format == "json":
            value, mark = _decode_json(text)
            node = json_text.nodes(text)
        else:
            value, node, mark, _ = yaml_text.decode(text, any_keys=True)
    except SyntaxProblem as problem:
        raise DefinitionError([problem_of(name, text, problem)]) from None
    return _Template(name, text, format, value, node, mark, Lines(text), reader)


def _decode_json(text: str) -> tuple[Json, str]:
    try:
        return json_text.decode(text)
    except ValueError:
        from sfnrun.asl.text.json_problems import syntax_problems  # only invalid texts need it

        raise syntax_problems(text)[0] from None


def _unmarked(template: _Template) -> Mapping[str, Json]:
    """Return the value of the template, in which `definition: ${file(x.yml)}` is a plain string again."""
    section = template.value.get("stepFunctions")
    machines = section.get("stateMachines") if isinstance(section, dict) else None
    for machine in machines.values() if isinstance(machines, dict) else ():
        if isinstance(machine, dict) and isinstance(machine.get("definition"), str):
            machine["definition"] = template.plain(machine["definition"])
    value: Mapping[str, Json] = template.value
    return value


def _machine(template: _Template, machine: Declared, substitutions: Mapping[str, Json]) -> FileMachine:
    known = {name: value for name, value in machine.substitutions.items() if not isinstance(value, dict | list)}
    given = _Given({**_PSEUDO_PARAMETERS, **known, **substitutions}, frozenset(machine.substitutions))
    path = _path(template, machine) if machine.form == "file" else template.name
    try:
        source = _READERS[machine.form](template, machine, given)
    except DefinitionError as error:
        return FileMachine(machine.name, path, None, machine.workflow_type, error.problems)
    return FileMachine(machine.name, path, source, machine.workflow_type)


def _object(template: _Template, machine: Declared, given: _Given) -> Source:
    node, _ = find_node(template.node, machine.pointer)
    resolved = resolve(machine.node, node)
    expected = given.expected | resolved.names
    expected |= _serverless_names(machine, template.text[node.start : node.end])
    source = Source(
        template.name,
        template.text,
        template.format,
        machine.node,
        node,
        within=machine.pointer,
        expected=expected,
    )
    values = Substitutions({**resolved.values, **given.values})
    source.substitute(values, template.mark, loads if template.format == "json" else yaml_text.scalar)
    return source


def _string(template: _Template, machine: Declared, given: _Given) -> Source:
    node, _ = find_node(template.node, machine.pointer)
    rendered = render(machine.node, node)
    text = rendered.text
    lines = EmbeddedLines(
        template.lines, partial(_characters, template, rendered.pieces), _writer(template, rendered.pieces[0].node)
    )
    try:
        value, mark = _decode_json(text)
        if not isinstance(value, dict):
            message = "Definition must be a valid JSON object"  # AWS
            raise SyntaxProblem(message, 0, max(1, len(text)), "", "SFN-S02", "SCHEMA_VALIDATION_FAILED")
    except SyntaxProblem as problem:
        raise DefinitionError([problem_of(template.name, text, problem, lines)]) from None
    source = Source(
        template.name,
        text,
        "json",
        value,
        lines=lines,
        within=machine.pointer,
        expected=given.expected | rendered.names,
    )
    source.substitute(Substitutions({**rendered.values, **given.values}), mark, loads)
    return source


def _characters(template: _Template, pieces: list[Piece]) -> list[tuple[int, int]]:
    """Return start and end in the template of each character of a text in pieces."""
    found: list[tuple[int, int]] = []
    for piece in pieces:
        node = piece.node
        if not piece.is_literal:
            found += [(node.start, node.end)] * len(piece.text)
        elif template.format == "json":
            found += json_characters(template.text, node)
        else:
            found += yaml_characters(template.text, node, piece.text)
    return found


def _writer(template: _Template, node: TextNode) -> Callable[[str], str] | None:
    """Return a function that escapes a text for the string at `node`; None if it cannot be inserted as it is."""
    style = template.text[node.start : node.start + 1]
    if style == '"':
        return lambda text: dumps(text)[1:-1]
    if style == "'":
        return lambda text: text.replace("'", "''")
    if style == "|":
        line = template.text.find("\n", node.start) + 1
        first = template.text[line : node.end].lstrip("\n")
        indent = first[: len(first) - len(first.lstrip(" "))]
        return lambda text: text.replace("\n", f"\n{indent}")
    return None


def _file(template: _Template, machine: Declared, given: _Given) -> Source:
    path = _path(template, machine)
    if not template.reader.exists(path):
        message = f"Definition of {machine.name} not found: {path}"
        hint = "the path is relative to the template"
        raise DefinitionError([_problem(template, machine, "SFN-S00", message, hint, code="MISSING_DESCRIPTION")])
    text = template.reader.read(path)
    source = from_text(text, path, format_of(path, text), given.values)
    source.expected = given.expected | _serverless_names(machine, source.text)
    return source


def _serverless_names(machine: Declared, text: str) -> set[str]:
    """Return all placeholders of a text: Serverless replaces its own variables anywhere."""
    return set(_NAMES.findall(text)) if machine.pointer[0] == "stepFunctions" else set()


def _path(template: _Template, machine: Declared) -> str:
    return template.reader.beside(template.name, machine.node)


def _elsewhere(template: _Template, machine: Declared, given: _Given) -> Source:
    message = f"Definition of {machine.name} is not in this template and is not checked"
    hint = "" if is_function(machine.node) else "pass the file of the definition"
    raise DefinitionError([_problem(template, machine, "SFN-S15", message, hint, severity="info")])


def _problem(
    template: _Template,
    machine: Declared,
    rule: str,
    message: str,
    hint: str,
    *,
    code: str = "",
    severity: Severity = "error",
) -> Problem:
    node, _ = find_node(template.node, machine.pointer)
    span = template.lines.span(node.start, node.end)
    return Problem(
        rule,
        message,
        severity,
        code,
        hint,
        "/",
        template.name,
        span,
        template.lines.line(span.line),
    )


_READERS: dict[str, Callable[[_Template, Declared, _Given], Source]] = {
    "elsewhere": _elsewhere,
    "file": _file,
    "object": _object,
    "string": _string,
}
