"""Load a definition into a Machine, or report all its Problems. The only module of `asl` that reads files."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sfnrun.asl.model import Machine, Map, StateMachine, every_state
from sfnrun.asl.text.source import (
    MAX_DEFINITION,
    FileMachine,
    Placeholder,
    Source,
    format_of,
    from_text,
    from_value,
    too_long,
)
from sfnrun.errors import DefinitionError, Problem, Severity, Span, UsageError
from sfnrun.payload import Json

if TYPE_CHECKING:
    from sfnrun.asl.lint.fixes import Fixed
    from sfnrun.asl.lint.inspection import CheckOptions, Inspection

__all__ = [
    "Definition",
    "WorkflowType",
    "as_source",
    "fix",
    "inspect",
    "load",
    "machine_in",
    "machines_in",
    "read_source",
    "read_text",
    "split_name",
    "unresolved_problems",
    "validate",
]

Definition = Machine | Source | Mapping[str, Any] | str | Path
WorkflowType = Literal["STANDARD", "EXPRESS"]

# A character has at most four bytes; one byte more, and the byte order mark.
_MAX_BYTES = 4 * MAX_DEFINITION + 4

# Fields that only name a handler: `${ChargeCardFunctionArn}` matches functions/charge_card.py without a value.
_NAMES_OF_HANDLERS = frozenset({"FunctionName", "Resource", "StateMachineArn"})


def load(
    definition: Definition,
    *,
    substitutions: Mapping[str, Json] | None = None,
    workflow_type: WorkflowType = "STANDARD",
    limits: bool = True,
    ignore: Collection[str] = (),
    on_warnings: Callable[[list[Problem]], None] = lambda warnings: None,
) -> Machine:
    """Load a definition from a path, its text or a JSON value.

    Args:
        definition: A path, `template.yaml#Name`, the text of a definition, its JSON value, or a Machine, which is
            returned unchanged.
        substitutions: Values of `${Name}` placeholders.
        workflow_type: EXPRESS adds the rules of EXPRESS workflows.
        limits: False lifts AWS's limit of 1 MB.
        ignore: Rules ("SFN-G02") or sections ("SFN-G") whose Problems do not count.
        on_warnings: Called with the warnings, if there are any.

    Raises:
        DefinitionError: The definition has errors; its `problems` are all of them.
        UsageError: The file is a template with several state machines or none, or a rule in `ignore` is unknown.

    """
    if isinstance(definition, Machine):
        return definition
    from sfnrun.asl.lint.inspection import problems_of
    from sfnrun.asl.parse import parse

    source = as_source(definition, substitutions, limits=limits)
    problems = problems_of(source, workflow_type, (), ignore)
    errors = [problem for problem in problems if problem.severity == "error"] + unresolved_problems(source)
    if errors:
        raise DefinitionError(errors)
    warnings = [problem for problem in problems if problem.severity == "warning"]
    if warnings:
        on_warnings(warnings)
    machine = parse(source)
    unsupported = _unsupported(source, machine.graph)
    if unsupported:
        raise DefinitionError(unsupported)
    return machine


def as_source(
    definition: Definition, substitutions: Mapping[str, Json] | None = None, *, limits: bool = True
) -> Source:
    """Read a definition. A string that begins with `{` or has several lines is the text of one, any other a path."""
    match definition:
        case Source():
            return definition
        case Path():
            return machine_in(str(definition), substitutions, limits=limits)
        case str() if _is_text(definition):
            return from_text(definition, "<definition>", substitutions=substitutions, limits=limits)
        case str():
            return machine_in(definition, substitutions, limits=limits)
        case Mapping():
            return from_value(dict(definition), "<definition>")
    raise UsageError(f"a definition is a path, a string or a dict, not {type(definition).__name__}")


def _is_text(definition: str) -> bool:
    return definition.lstrip().startswith("{") or "\n" in definition


def validate(
    definition: Definition,
    *,
    substitutions: Mapping[str, Json] | None = None,
    workflow_type: WorkflowType | None = None,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
) -> list[Problem]:
    """Return all Problems of a definition, in line order. No user code is run.

    Args:
        definition: A path, the text of a definition, or its JSON value. The path of a CloudFormation, SAM, CDK or
            Serverless template is valid: all its state machines are checked.
        substitutions: Values of `${Name}` placeholders.
        workflow_type: STANDARD or EXPRESS; None: the type in the template, else STANDARD.
        select: Rules ("SFN-G02") or sections ("SFN-G") to check instead of the default ones.
        ignore: Rules or sections to leave out.

    Raises:
        UsageError: A rule is unknown.

    """
    from sfnrun.asl.lint.inspection import CheckOptions, problems_of

    if isinstance(definition, Path) or (isinstance(definition, str) and not _is_text(definition)):
        options = CheckOptions(substitutions or {}, workflow_type or "", tuple(select), tuple(ignore))
        return [problem for found in inspect(str(definition), options) for problem in found.problems]
    try:
        source = as_source(definition, substitutions)
    except DefinitionError as error:
        return list(error.problems)
    return problems_of(source, workflow_type or "STANDARD", select, ignore)


def _unsupported(source: Source, graph: StateMachine) -> list[Problem]:
    """Return a Problem for each feature of AWS that sfnrun cannot run: it must not be ignored silently."""
    return [
        source.problem(
            "SFN-U01",
            f"Map state '{state.name}' uses DISTRIBUTED mode, which sfnrun cannot run yet",
            (*state.pointer, "ItemProcessor", "ProcessorConfig", "Mode"),
            hint="set Mode to INLINE to run it locally",
        )
        for state in every_state(graph)
        if isinstance(state, Map) and state.distributed
    ]


def unresolved_problems(source: Source, severity: Severity = "error") -> list[Problem]:
    """Return a Problem for each placeholder without a value, by line, except for names of handlers.

    `${ChargeCardFunctionArn}` as a Resource or FunctionName finds its handler by its name.
    """
    problems = [
        _unresolved_problem(source, placeholder, severity)
        for placeholder in source.unresolved
        if placeholder.is_key or placeholder.pointer[-1] not in _NAMES_OF_HANDLERS
    ]
    return sorted(problems, key=lambda problem: (problem.span.line, problem.span.column) if problem.span else (0, 0))


def _unresolved_problem(source: Source, placeholder: Placeholder, severity: Severity) -> Problem:
    from difflib import get_close_matches

    close = get_close_matches(placeholder.name, source.substitutions.names, 1)
    hint = f"pass --set {placeholder.name}=VALUE, or set it under substitutions: in sfnrun.yaml"
    return source.problem(
        "SFN-T16",
        f"No value for {placeholder.text}",
        placeholder.pointer,
        key=placeholder.is_key,
        offset=None if placeholder.is_key else placeholder.offset,
        length=len(placeholder.text),
        hint=f"did you mean ${{{close[0]}}}?" if close else hint,
        code="",
        severity=severity,
    )


# --- files -----------------------------------------------------------------------------------------------------------


def inspect(name: str, options: CheckOptions) -> list[Inspection]:
    """Return the Inspection of a file, followed by one of each other file that a definition of it is in.

    `name` is a path, "-" for standard input, or a machine of a template as `template.yaml#Order`. Raises UsageError if
    a rule or the machine does not exist.
    """
    from sfnrun.asl.lint.inspection import inspect_text, unreadable

    path, machine = split_name(name)
    try:
        text = read_text(path)
    except DefinitionError as error:
        return [unreadable(path, error)]
    return inspect_text(path, text, options, _FILES, machine)


def fix(found: Inspection, options: CheckOptions) -> Fixed | None:
    """Return the text of a file with all safe fixes applied; None if no Problem has one."""
    from sfnrun.asl.lint.fixes import fixed

    return fixed(found, options, _FILES)


def machine_in(name: str, substitutions: Mapping[str, Json] | None = None, *, limits: bool = True) -> Source:
    """Read the only state machine of a file. Raises DefinitionError, and UsageError if it has several or none."""
    from sfnrun.asl.lint.machines import only_machine

    return only_machine(split_name(name)[0], machines_in(name, substitutions, limits=limits))


def machines_in(
    name: str, substitutions: Mapping[str, Json] | None = None, *, limits: bool = True
) -> list[FileMachine]:
    """Read all state machines of a file, or the one that `template.yaml#Order` names.

    Raises DefinitionError if the file cannot be read, UsageError if it has no such machine.
    """
    from sfnrun.asl.lint import machines

    path, machine = split_name(name)
    return machines.machines_in(path, read_text(path, limits=limits), substitutions, _FILES, machine, limits=limits)


def read_source(path: str | Path, *, substitutions: Mapping[str, Json] | None = None, limits: bool = True) -> Source:
    """Read the definition in a file, or on standard input for "-". Raises DefinitionError."""
    name = str(path)
    text = read_text(name, limits=limits)
    return from_text(text, name, format_of(name, text), substitutions, limits=limits)


def split_name(name: str) -> tuple[str, str]:
    """Split `template.yaml#Order` into path and machine; a file may have a # in its name."""
    path, mark, machine = name.rpartition("#")
    return (path, machine) if mark and path and not os.path.lexists(name) else (name, "")


def read_text(name: str, *, limits: bool = True) -> str:
    """Read a text file, or standard input for "-", but no more than a definition may have. Raises DefinitionError."""
    most = _MAX_BYTES if limits else -1
    data = sys.stdin.buffer.read(most) if name == "-" else _read_path(name, most)
    if len(data) == most:
        raise DefinitionError([too_long(name, f"over {most - 4:,} bytes")])
    return _decoded(name, data)


class _Files:
    """Reads files of the file system; see `text.source.Reader`."""

    def exists(self, path: str) -> bool:
        return os.path.isfile(path)

    def read(self, path: str) -> str:
        return read_text(path)

    def beside(self, path: str, relative: str) -> str:
        return os.path.normpath(os.path.join(os.path.dirname(path), relative))


_FILES = _Files()


def _read_path(name: str, most: int) -> bytes:
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise _unreadable(name, "Is a directory", f"pass a file in this directory{_definitions_in(name)}")
        if 0 < most <= status.st_size:
            raise DefinitionError([too_long(name, f"{status.st_size:,} bytes")])
        with open(name, "rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise _unreadable(name, "File not found", _similar(name)) from None
    except OSError as error:
        raise _unreadable(name, f"Cannot read file: {error.strerror}") from None
    except ValueError:  # os.stat and open reject it, in other words in each Python
        raise _unreadable(name, "Cannot read file: its name has a NUL character") from None


def _unreadable(name: str, message: str, hint: str = "") -> DefinitionError:
    return DefinitionError([Problem("SFN-S00", message, code="MISSING_DESCRIPTION", hint=hint, path=name)])


def _definitions_in(directory: str) -> str:
    names = sorted(entry.name for entry in os.scandir(directory) if ".asl." in entry.name)
    return f": {', '.join(names[:3])}" if names else ""


def _similar(name: str) -> str:
    from difflib import get_close_matches

    directory, base = os.path.split(name)
    if not os.path.isdir(directory or "."):
        return f"create the directory {directory}, or correct the path"
    close = get_close_matches(base, os.listdir(directory or ".")[:1000], 1)
    return f"did you mean {os.path.join(directory, close[0])}?" if close else ""


def _decoded(name: str, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or (b"\x00" in data[:4] and data[:2].strip(b"\x00") in (b"{", b"[")):
        raise DefinitionError([_not_text(name, "File is UTF-16", "save it as UTF-8")])
    if b"\x00" in data:
        raise DefinitionError([_not_text(name, "Binary file", "pass a JSON or YAML file")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DefinitionError([_not_utf8(name, data.removeprefix(b"\xef\xbb\xbf"), error)]) from None


def _not_text(name: str, message: str, hint: str, span: Span | None = None, source_line: str = "") -> Problem:
    return Problem(
        "SFN-S01",
        message,
        code="INVALID_JSON_DESCRIPTION",
        hint=hint,
        path=name,
        span=span,
        source_line=source_line,
    )


def _not_utf8(name: str, data: bytes, error: UnicodeDecodeError) -> Problem:
    line_start = data.rfind(b"\n", 0, error.start) + 1
    line = data.count(b"\n", 0, line_start) + 1
    column = len(data[line_start : error.start].decode()) + 1
    shown = data[line_start:].split(b"\n", 1)[0].decode(errors="replace").rstrip("\r")
    message = f"Byte 0x{data[error.start]:02x} is not UTF-8"
    return _not_text(name, message, "save the file as UTF-8", Span(line, column, line, column + 1), shown)
