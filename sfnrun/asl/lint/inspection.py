"""A file looked at as a whole: every machine in it checked, and all that is to be said of it and its neighbours."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from sfnrun.asl.lint.machines import machines_in, may_hold_template, split_name
from sfnrun.asl.lint.part import Part
from sfnrun.asl.lint.suppress import suppressed
from sfnrun.asl.lint.verdicts import is_known_clean, remember_clean, verdict, verdict_on
from sfnrun.asl.text.file_text import read_text
from sfnrun.asl.text.source import Source, format_of
from sfnrun.errors import DefinitionError, Problem
from sfnrun.payload import Json

__all__ = ["Inspection", "Wanted", "inspect", "problems_of"]


class Wanted(Struct, frozen=True):
    """What is to be checked, and how.

    `workflow_type` "" is what a template says, else STANDARD. `select` are the rules instead of those that are on by
    default, `ignore` those to leave out; ids as "SFN-G02", without their prefix, or sections as "SFN-G".
    """

    substitutions: Mapping[str, Json] = {}
    workflow_type: str = ""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class Inspection(Struct, frozen=True):
    """What was found in a file, by line. `machines` are those in it that could be read, each with what it has wrong.

    `is_readable` is False if there is nothing that could have been checked: no such file, a folder, no permission.
    """

    path: str
    problems: tuple[Problem, ...] = ()
    machines: tuple[tuple[Source, tuple[Problem, ...]], ...] = ()
    is_readable: bool = True


def inspect(name: str, wanted: Wanted) -> list[Inspection]:
    """The Inspection of a file, and after it one of each file that it names for a definition.

    `name` is a path, "-", or a machine of a template as `template.yaml#Order`. Raises UsageError for a rule or a
    machine that does not exist.
    """
    path, _ = split_name(name)
    try:
        text = read_text(path)
        if not may_hold_template(text) and _is_clean(path, text, wanted):
            return [Inspection(path)]
        parts = machines_in(name, wanted.substitutions, text=text)
    except DefinitionError as error:
        return [_inspection(path, error.problems)]
    return list(_of_parts(path, text, parts, wanted))


def _is_clean(path: str, text: str, wanted: Wanted) -> bool:
    given = wanted.substitutions if "${" in text else {}
    workflow_type = wanted.workflow_type or "STANDARD"
    return is_known_clean(verdict(text, format_of(path, text), given, workflow_type, wanted.select, wanted.ignore))


def _of_parts(path: str, text: str, parts: list[Part], wanted: Wanted) -> Iterator[Inspection]:
    texts = {path: text}
    found: dict[str, list[Problem]] = {path: []}
    machines: dict[str, list[tuple[Source, tuple[Problem, ...]]]] = {path: []}
    for part in parts:
        problems = list(part.problems)
        if part.source is not None:
            texts.setdefault(part.path, part.source.text)
            workflow_type = wanted.workflow_type or part.workflow_type or "STANDARD"
            problems += _checked(part.source, workflow_type, wanted.select, wanted.ignore)
            machines.setdefault(part.path, []).append((part.source, tuple(problems)))
        for problem in problems:
            found.setdefault(problem.path, []).append(problem)
    for file in dict.fromkeys((*found, *machines)):
        is_yaml = file in texts and format_of(file, texts[file]) == "yaml"
        kept = suppressed(found.get(file, ()), {file: texts[file]} if is_yaml else {})
        yield _inspection(file, kept, machines.get(file, ()))


def _inspection(
    path: str,
    problems: Collection[Problem],
    machines: Collection[tuple[Source, tuple[Problem, ...]]] = (),
) -> Inspection:
    in_order = tuple(sorted(dict.fromkeys(problems), key=_place))
    is_readable = all(problem.rule != "SFN-S00" for problem in problems)
    return Inspection(path, in_order, tuple(machines), is_readable)


def _place(problem: Problem) -> tuple[int, int, str]:
    span = problem.span
    return (span.line, span.column, problem.rule) if span else (0, 0, problem.rule)


def problems_of(
    source: Source, workflow_type: str = "STANDARD", select: Collection[str] = (), ignore: Collection[str] = ()
) -> list[Problem]:
    """What the rules find in one machine, without what its comments ignore."""
    found = _checked(source, workflow_type, select, ignore)
    is_file = source.format == "yaml" and not source.within
    return suppressed(found, {source.name: source.text} if is_file else {}) if found else []


def _checked(
    source: Source, workflow_type: str, select: Collection[str] = (), ignore: Collection[str] = ()
) -> list[Problem]:
    """What the rules find. A definition that is known to be clean is not checked again."""
    name = verdict_on(source, workflow_type, select, ignore)
    if is_known_clean(name):
        return []
    from sfnrun.asl.lint.rules import check  # twenty modules, which a clean file does not need

    problems = check(source, workflow_type=workflow_type, select=select, ignore=ignore)
    if not problems:
        remember_clean(name)
    return problems
