"""Check the files of a project: definitions, templates and settings, each under the settings of its own project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import unified_diff
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.asl.lint.inspection import CheckOptions, Inspection
from sfnrun.asl.load import fix, inspect, split_name
from sfnrun.config import load_project
from sfnrun.config.definitions import definitions_in, named, tasks_in
from sfnrun.config.project import SETTINGS_FILES, find_root, settings_file_in
from sfnrun.errors import ConfigError, Problem, UsageError

if TYPE_CHECKING:
    from sfnrun.config import Project

__all__ = ["Checker", "Fixes", "Round", "files_to_watch", "rule_documentation", "rule_named"]

# A fix can reveal another problem; five rounds have always been enough.
_ROUNDS = 5
_BOM = b"\xef\xbb\xbf"


class Round(Struct, frozen=True, dict=True):
    """What one round found: the files that were passed, and those that templates name, each once."""

    files: tuple[Inspection, ...]

    @cached_property
    def problems(self) -> list[Problem]:
        return [problem for file in self.files for problem in file.problems]

    @property
    def is_readable(self) -> bool:
        """Whether every file could be checked."""
        return all(file.is_readable for file in self.files)


class Fixes(Struct):
    """What was fixed, or can be: the texts of files by path, before and after, and the number of changes."""

    before: dict[str, str] = {}
    after: dict[str, str] = {}
    changes: int = 0

    def diff(self) -> Iterator[str]:
        """The lines of a unified diff."""
        for path, before in self.before.items():
            lines = before.splitlines(keepends=True), self.after[path].splitlines(keepends=True)
            for line in unified_diff(*lines, path, path):
                yield line.removesuffix("\n")
                if not line.endswith("\n"):
                    yield "\\ No newline at end of file"


class Checker:
    """Checks files. `options` override the settings of each file's project; `config` names other files of settings."""

    def __init__(self, options: CheckOptions, *, config: Iterable[str] | None = None) -> None:
        self._options = options
        self._config = tuple(config) if config else None
        self._projects: dict[Path, Project] = {}

    def check(self, paths: Iterable[str]) -> Round:
        """Check files, directories and glob patterns. Raises UsageError."""
        found: dict[str, Inspection] = {}
        for name in self._files(paths):
            for one in self._inspections(name):
                found[one.path] = _joined(found[one.path], one) if one.path in found else one
        return Round(tuple(found.values()))

    def fix(self, paths: Iterable[str], found: Round, *, write: bool) -> tuple[Fixes, Round]:
        """Apply safe fixes to the files of a round; the Round after it if they are written, else the same one.

        Raises UsageError if a file cannot be written.
        """
        paths, fixes = list(paths), Fixes({}, {})
        for _ in range(_ROUNDS if write else 1):
            changed = [(one, new) for one in found.files if one.path != "-" and (new := fix(one, self._for(one.path)))]
            if not changed:
                break
            for one, new in changed:
                fixes.changes += new.changes
                fixes.before.setdefault(one.path, one.machines[0][0].lines.text)
                fixes.after[one.path] = new.text
                if write:
                    _write(one.path, new.text)
            if write:
                found = self.check(paths)
        return fixes, found

    def _files(self, paths: Iterable[str]) -> Iterator[str]:
        """The files to check, each directory's settings before its definitions."""
        for path in paths:
            if Path(path).is_dir():
                settings = settings_file_in(Path(path))
                if settings is not None and self._config is None:
                    yield str(settings)
                    if not any(definitions_in(path)):
                        continue
            yield from named([path])

    def _inspections(self, name: str) -> list[Inspection]:
        if Path(name).name in SETTINGS_FILES:
            return [self._settings(Path(name))]
        try:
            options = self._for(name)
        except ConfigError as error:
            if any(problem.span is None for problem in error.problems):
                raise
            # The settings are reported where they are; the definition is checked without them.
            return [*_by_file(error.problems), *inspect(name, self._options)]
        return inspect(name, options)

    def _settings(self, path: Path) -> Inspection:
        from sfnrun.config.name_check import MachineNames, name_problems

        try:
            project = load_project(path.parent, config=path)
        except ConfigError as error:
            return next(_by_file(error.problems))
        files = list(definitions_in(str(project.root)))
        tasks = tuple(task for file in files for task in tasks_in(file))
        names = MachineNames("this project", tasks, "".join(map(_text_of, files)))
        return Inspection(str(path), tuple(name_problems(project, names, lambda: _functions_in(project), notes=True)))

    def _for(self, name: str) -> CheckOptions:
        """The options for a file: those that were passed override those of its project."""
        settings = self._project(Path(split_name(name)[0]).parent)
        return replace(
            self._options,
            substitutions={**settings.substitutions, **self._options.substitutions},
            ignore=(*self._options.ignore, *settings.settings.ignore),
        )

    def _project(self, folder: Path) -> Project:
        if folder not in self._projects:
            project = load_project(folder, config=self._config)
            _require_rules(project)
            self._projects[folder] = project
        return self._projects[folder]


def files_to_watch(paths: Iterable[str]) -> list[str]:
    """The files themselves, and the settings of their projects; none while they cannot be found."""
    try:
        names = [split_name(name)[0] for name in named(paths)]
    except UsageError:
        return []
    roots = {find_root(Path(name).parent) for name in names}
    return [*names, *(str(root / name) for root in sorted(roots) for name in SETTINGS_FILES)]


def rule_named(rule: str) -> tuple[str, str, str] | None:
    """Title, documentation and severity of a rule; None if there is no such rule."""
    from sfnrun.asl.lint.rulebook import all_rules

    known = all_rules().get(rule)
    return (known.title, known.documentation, known.severity) if known else None


def rule_documentation(name: str) -> str:
    """The documentation of a rule, of a section, or of `all` rules as a page. Raises UsageError."""
    from sfnrun.asl.lint.rule_docs import explained

    return explained(name)


def _joined(one: Inspection, other: Inspection) -> Inspection:
    """A file that is checked twice, by itself and as a part of a template."""
    problems = sorted(dict.fromkeys((*one.problems, *other.problems)), key=_position)
    return Inspection(
        one.path, tuple(problems), (*one.machines, *other.machines), one.is_readable and other.is_readable
    )


def _by_file(problems: Iterable[Problem]) -> Iterator[Inspection]:
    by_file: dict[str, list[Problem]] = {}
    for problem in problems:
        by_file.setdefault(problem.path, []).append(problem)
    for path, found in by_file.items():
        yield Inspection(path, tuple(found))


def _position(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)


def _require_rules(project: Project) -> None:
    if not project.settings.ignore:
        return
    from sfnrun.asl.lint.rulebook import rules_named

    try:
        rules_named(project.settings.ignore)
    except UsageError as error:
        problem = Problem("SFN-CONFIG", error.message, code="", hint=error.hint, path=str(project.files[-1].path))
        for file in reversed(project.files):
            if file.line_of(("ignore",)) is not None:
                problem = file.problem(error.message, ("ignore",), hint=error.hint)
                break
        raise ConfigError([problem]) from None


def _functions_in(project: Project) -> list[str]:
    from sfnrun.tasks.lambdas.find import FunctionFolder

    return FunctionFolder(project.functions_dir.absolute()).names


def _text_of(file: str) -> str:
    return Path(file).read_text("utf-8", errors="replace")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "r+b") as file:
            mark = _BOM if file.read(3) == _BOM else b""
            file.seek(0)
            file.write(mark + text.encode())
            file.truncate()
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
