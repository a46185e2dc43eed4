"""Check all state machines of a file and collect their problems."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct

from sfnrun.asl.lint.machines import machines_in
from sfnrun.asl.text.source import FileMachine, Reader, Source, format_of
from sfnrun.errors import DefinitionError, Problem
from sfnrun.payload import Json

__all__ = ["CheckOptions", "Inspection", "inspect_text", "problems_of", "unreadable"]


class CheckOptions(Struct, frozen=True):
    """What to check and how.

    `workflow_type` "" is the type in the template, else STANDARD. `select` are the rules to check instead of the
    default ones, `ignore` those to leave out: IDs ("SFN-G02") or sections ("SFN-G"), with or without the prefix.
    """

    substitutions: Mapping[str, Json] = {}
    workflow_type: str = ""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class Inspection(Struct, frozen=True):
    """The problems of a file, by line. `machines` are those of its state machines that could be read, with their own.

    `is_readable` is False if there was nothing to check: the file is missing, a directory, or not permitted.
    """

    path: str
    problems: tuple[Problem, ...] = ()
    machines: tuple[tuple[Source, tuple[Problem, ...]], ...] = ()
    is_readable: bool = True


def inspect_text(path: str, text: str, options: CheckOptions, reader: Reader, machine: str = "") -> list[Inspection]:
    """Return the Inspection of a file with this text, followed by one of each other file that it names.

    `machine` is the only one to check of a template. Raises UsageError if it, or a rule, does not exist.
    """
    try:
        machines = machines_in(path, text, options.substitutions, reader, machine)
    except DefinitionError as error:
        return [unreadable(path, error)]
    return list(_inspections(path, text, machines, options))


def unreadable(path: str, error: DefinitionError) -> Inspection:
    """Return the Inspection of a file that cannot be read."""
    return _inspection(path, error.problems)


def _inspections(path: str, text: str, found: list[FileMachine], options: CheckOptions) -> Iterator[Inspection]:
    texts = {path: text}
    by_file: dict[str, list[Problem]] = {path: []}
    machines: dict[str, list[tuple[Source, tuple[Problem, ...]]]] = {path: []}
    for one in found:
        problems = list(one.problems)
        if one.source is not None:
            texts.setdefault(one.path, one.source.text)
            workflow_type = options.workflow_type or one.workflow_type or "STANDARD"
            problems += _checked(one.source, workflow_type, options.select, options.ignore)
            machines.setdefault(one.path, []).append((one.source, tuple(problems)))
        for problem in problems:
            by_file.setdefault(problem.path, []).append(problem)
    for file in dict.fromkeys((*by_file, *machines)):
        is_yaml = file in texts and format_of(file, texts[file]) == "yaml"
        kept = _suppressed(by_file.get(file, ()), {file: texts[file]} if is_yaml else {})
        yield _inspection(file, kept, machines.get(file, ()))


def _inspection(
    path: str,
    problems: Collection[Problem],
    machines: Collection[tuple[Source, tuple[Problem, ...]]] = (),
) -> Inspection:
    in_order = tuple(sorted(dict.fromkeys(problems), key=_position))
    is_readable = all(problem.rule != "SFN-S00" for problem in problems)
    return Inspection(path, in_order, tuple(machines), is_readable)


def _position(problem: Problem) -> tuple[int, int, str]:
    span = problem.span
    return (span.line, span.column, problem.rule) if span else (0, 0, problem.rule)


def problems_of(
    source: Source, workflow_type: str = "STANDARD", select: Collection[str] = (), ignore: Collection[str] = ()
) -> list[Problem]:
    """Return what the rules find in one state machine, without what its comments ignore."""
    found = _checked(source, workflow_type, select, ignore)
    is_file = source.format == "yaml" and not source.within
    return _suppressed(found, {source.name: source.text} if is_file else {}) if found else []


def _suppressed(problems: Iterable[Problem], texts: Mapping[str, str]) -> list[Problem]:
    from sfnrun.asl.lint.suppress import suppressed  # only files with problems or comments need it

    return suppressed(problems, texts)


def _checked(
    source: Source, workflow_type: str, select: Collection[str] = (), ignore: Collection[str] = ()
) -> list[Problem]:
    from sfnrun.asl.lint.rulebook import check

    return check(source, workflow_type=workflow_type, select=select, ignore=ignore)
