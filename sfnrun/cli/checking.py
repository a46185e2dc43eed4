"""One round of `sfnrun validate`: every file inspected under the settings beside it, the worst of them decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.asl.lint.inspection import CheckOptions, Inspection
from sfnrun.asl.load import inspect
from sfnrun.config import load_project
from sfnrun.config.project import find_root, settings_file_in
from sfnrun.errors import ConfigError, Problem, UsageError
from sfnrun.view.reports import Checked, Described

if TYPE_CHECKING:
    from sfnrun.config import Project

__all__ = ["Checker", "Round", "counts", "describe"]


class Round(Struct, frozen=True, dict=True):
    """What one round found: the files, those that were named and those that templates name, each once."""

    inspections: tuple[Inspection, ...]
    is_strict: bool = False

    @cached_property
    def files(self) -> list[Checked]:
        return [Checked(one.path, one.problems, self.is_strict, describe) for one in self.inspections]

    @cached_property
    def problems(self) -> list[Problem]:
        return [problem for one in self.inspections for problem in one.problems]

    @property
    def exit_code(self) -> int:
        """0 nothing that fails, 1 problems, 2 a file that could not be checked."""
        if not all(one.is_readable for one in self.inspections):
            return 2
        return int(any(file.fails(problem) for file in self.files for problem in file.problems))


class Checker:
    """Inspects files; `wanted` is what the command line says, to which the settings beside each file are added."""

    def __init__(self, wanted: CheckOptions, *, config: str | None = None, is_strict: bool = False) -> None:
        self._wanted = wanted
        self._config = None if config is None else Path(config)
        self._is_strict = is_strict
        self._by_config: dict[Path | None, CheckOptions] = {}
        self._by_folder: dict[Path, CheckOptions] = {}

    def round(self, names: Iterable[str]) -> Round:
        """Inspect files, a template's own and those it names together. Raises UsageError and ConfigError."""
        found: dict[str, Inspection] = {}
        for name in names:
            for one in inspect(name, self.wanted(name)):
                found[one.path] = _joined(found[one.path], one) if one.path in found else one
        return Round(tuple(found.values()), self._is_strict)

    def wanted(self, name: str) -> CheckOptions:
        """What is wanted of a file: the command line's words go before those of its sfnrun.yaml."""
        folder = Path(name).parent
        if folder not in self._by_folder:
            self._by_folder[folder] = self._wanted_in(folder)
        return self._by_folder[folder]

    def _wanted_in(self, folder: Path) -> CheckOptions:
        path = self._config or settings_file_in(find_root(folder))
        if path not in self._by_config:
            # Without a file there are no settings: where handlers are is of no interest here.
            self._by_config[path] = self._wanted if path is None else self._with(load_project(folder, config=path))
        return self._by_config[path]

    def _with(self, project: Project) -> CheckOptions:
        _require_rules(project)
        settings = project.settings
        substitutions = {**settings.substitutions, **self._wanted.substitutions}
        return replace(self._wanted, substitutions=substitutions, ignore=(*self._wanted.ignore, *settings.ignore))


def _joined(one: Inspection, other: Inspection) -> Inspection:
    """A file that is looked at twice, by itself and as a part of a template."""
    problems = sorted(dict.fromkeys((*one.problems, *other.problems)), key=_place)
    return Inspection(
        one.path, tuple(problems), (*one.machines, *other.machines), one.is_readable and other.is_readable
    )


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)


def _require_rules(project: Project) -> None:
    if not project.settings.ignore:
        return
    from sfnrun.asl.lint.rulebook import rules_named

    try:
        rules_named(project.settings.ignore)
    except UsageError as error:
        problem = Problem(
            "SFN-CONFIG", f"ignore: {error.message}", code="", hint=error.hint, path=str(project.files[-1].path)
        )
        raise ConfigError([problem]) from None


def describe(rule: str) -> Described | None:
    """The documentation of a rule, for reports."""
    from sfnrun.asl.lint.rulebook import all_rules

    known = all_rules().get(rule)
    return Described(known.title, known.documentation, known.severity) if known else None


def counts(problems: Iterable[Problem]) -> Iterator[tuple[str, int]]:
    """How many there are of each severity that there is, the worst first, by the words that people use."""
    words: Mapping[str, str] = {"error": "error", "warning": "warning", "info": "note"}
    severities = [problem.severity for problem in problems]
    yield from ((noun, severities.count(of)) for of, noun in words.items() if of in severities)
