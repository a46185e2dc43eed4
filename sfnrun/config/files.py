"""Read settings files, later ones over earlier ones.

All problems of all files are reported at once. What a file says stays plain JSON until all of them are merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from sfnrun.asl.load import read_text
from sfnrun.asl.text.positions import SyntaxProblem
from sfnrun.asl.text.source import Pointer, Source, problem_of
from sfnrun.config.reader import RULE, Reader, as_path, merge, type_of, value_of
from sfnrun.config.scalars import Invalid
from sfnrun.config.settings import Settings
from sfnrun.errors import ConfigError, DefinitionError, Problem, Severity
from sfnrun.payload import Json

__all__ = ["Loaded", "SettingsFile", "read_settings"]


class SettingsFile(Struct, frozen=True):
    """A file of settings: its plain `value`, and the pointers in it whose value came from the environment."""

    path: Path
    source: Source
    value: dict[str, Any]
    secrets: frozenset[Pointer] = frozenset()

    def problem(self, message: str, pointer: Pointer, *, hint: str = "", severity: Severity = "error") -> Problem:
        """A Problem at the key of a setting."""
        return self.source.problem(RULE, message, pointer, hint=hint, code="", severity=severity, key=True)

    def line_of(self, pointer: Pointer) -> int | None:
        """The line of a setting; None if this file does not say it."""
        value: Json = self.value
        try:
            for step in pointer:
                value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
        span = self.source.locate(pointer, key=True)
        return span.line if span else None


class Loaded(NamedTuple):
    """Settings that were read: the files they come from, and what these say together, as plain JSON."""

    settings: Settings
    files: tuple[SettingsFile, ...]
    plain: Mapping[str, Json]


def read_settings(paths: Iterable[Path], given: Mapping[str, str], variables: Mapping[str, str]) -> Loaded:
    """The settings of files, later ones over earlier ones, with the texts of some keys on top.

    `variables` are the values of `${env:NAME}`. Raises ConfigError with the problems of all files.
    """
    problems: list[Problem] = []
    files = []
    for path in paths:
        try:
            files.append(_read(path, variables))
        except ConfigError as error:
            problems += error.problems
    over: dict[str, Json] = {}
    for key, text in given.items():
        try:
            over[key] = value_of(key, text, Path.cwd())
        except Invalid as error:
            problems.append(Problem(RULE, error.message, code="", hint=error.hint, path=f"SFNRUN_{key.upper()}"))
    if problems:
        raise ConfigError(problems)
    value: dict[str, Any] = {}
    for file in files:
        value = merge(value, file.value, type_of(Settings))
    value |= over
    return Loaded(msgspec.convert(value, Settings, dec_hook=as_path), tuple(files), value)


def _read(path: Path, variables: Mapping[str, str]) -> SettingsFile:
    try:
        source = _source(path)
    except DefinitionError as error:
        raise ConfigError(map(_as_config_problem, error.problems)) from None
    reader = Reader(source, path.absolute().parent, variables)
    problem = reader.version_problem()
    if problem is not None:
        raise ConfigError([problem])
    value = reader.visit(source.value, type_of(Settings), ())
    if reader.problems:
        raise ConfigError(sorted(reader.problems, key=_by_position))
    return SettingsFile(path, source, value, frozenset(reader.secrets))


def _source(path: Path) -> Source:
    """The text, its value and where each value is. Placeholders stay as they are written: `${Name}` is a value here."""
    from sfnrun.asl.text import yaml_text

    name = str(path)
    text = read_text(name)
    try:
        value, nodes, mark, tags = yaml_text.decode(text)
        if tags:
            tag = tags[0]
            raise SyntaxProblem(f"Tag {tag.name} has no JSON value", tag.start, tag.end - tag.start, "remove the tag")
        if value is not None and not isinstance(value, dict):
            raise SyntaxProblem("settings are a map, such as 'seed: 1'", 0, len(text.splitlines()[0]), "")
    except SyntaxProblem as problem:
        raise DefinitionError([problem_of(name, text, problem)]) from None
    return Source(name, text, "yaml", _without(mark, value or {}), nodes)


def _without(mark: str, value: Json) -> Json:
    """The value without the mark of unquoted placeholders."""
    if not mark:
        return value
    if isinstance(value, dict):
        return {name.replace(mark, ""): _without(mark, member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without(mark, item) for item in value]
    return value.replace(mark, "") if isinstance(value, str) else value


def _as_config_problem(problem: Problem) -> Problem:
    return msgspec.structs.replace(problem, rule=RULE, code="", location=None)


def _by_position(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)
