"""Find a project, from a definition's directory upwards, and the settings in force there.

The root is the nearest directory with sfnrun.yaml; else the nearest with a template; else the nearest with `.git`; else
the starting directory. The search ends at the directory with `.git`, and before the home directory and the file
system's root.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from sfnrun.config.names import functions_named, tasks_named
from sfnrun.config.settings import CacheRule, CacheSettings, FunctionSettings, MachineSettings, Settings, TaskRule
from sfnrun.errors import ConfigError, Problem
from sfnrun.payload import Json

if TYPE_CHECKING:
    from sfnrun.config.files import SettingsFile
    from sfnrun.config.values import Value

__all__ = ["Project", "find_root", "load_project", "settings_file_in"]

SETTINGS_FILES = ("sfnrun.yaml", "sfnrun.yml")
VARIABLES = {"clock": "SFNRUN_CLOCK", "seed": "SFNRUN_SEED", "store": "SFNRUN_STORE"}
"""Environment variables that override settings, by the key of the setting."""

_TEMPLATES = {
    *("template.yaml", "template.yml", "template.json"),
    *("serverless.yml", "serverless.yaml", "serverless.json"),
    "cdk.json",
}
_TERRAFORM = b"aws_sfn_state_machine"

# No file has this directory above it, so nothing is found in it, whatever the working directory is.
NOWHERE = Path(os.devnull)


class Project(Struct, frozen=True, kw_only=True, dict=True):
    """A project: the directory it begins at, the settings in force there, and the files they come from.

    `machine` is the state machine whose own settings take precedence, "" for none. `plain` is what the files say
    together, as JSON, and `variables` are the keys that environment variables override.
    """

    root: Path = Path()
    settings: Settings = Settings()
    files: tuple[SettingsFile, ...] = ()
    machine: str = ""
    plain: Mapping[str, Json] = {}
    variables: tuple[str, ...] = ()

    def for_machine(self, name: str) -> Project:
        """The same project with the settings of one state machine on top."""
        return replace(self, machine=name)

    def machine_at(self, file: str | Path, name: str = "") -> str:
        """The name under `machines:` of a definition; "" if it has none there. `name` is its name in a template."""
        path = os.path.abspath(file)
        for machine, entry in self.settings.machines.items():
            if entry.definition in (path, f"{path}#{name}") or (entry.definition is None and machine == name):
                return machine
        return ""

    @property
    def functions_dir(self) -> Path:
        """The directory of Python handlers that are found by name."""
        return self.settings.functions_dir or self.root / "functions"

    @property
    def store(self) -> Path:
        """The directory that executions are recorded in."""
        return self.settings.store or self.root / ".sfnrun" / "executions"

    @property
    def cache(self) -> CacheSettings:
        """Where results are cached; the backend is a directory or the URL of a server."""
        given = self.settings.cache
        return given if given.backend else replace(given, backend=str(self.root / ".sfnrun" / "cache"))

    @property
    def own(self) -> MachineSettings:
        """The settings of the state machine itself."""
        return self.settings.machines.get(self.machine) or MachineSettings()

    @property
    def substitutions(self) -> Mapping[str, Json]:
        return {**self.settings.substitutions, **self.own.substitutions}

    @property
    def rules(self) -> Mapping[str, TaskRule]:
        """The rules of Tasks by name, the machine's own first."""
        return {
            **self.own.tasks,
            **{name: rule for name, rule in self.settings.tasks.items() if name not in self.own.tasks},
        }

    def task_rule(self, state: str, function: str | None, resource: str) -> TaskRule:
        """The rule of a Task; those that match complete each other key by key, the more specific first."""
        rules = [rule for _, rule in self._matching(state, function, resource)]
        if len(rules) < 2:
            return rules[0] if rules else TaskRule()
        answering = next((rule for rule in rules if rule.answers), rules[0])
        return TaskRule(
            attempts=answering.answers,
            duration_ms=next((rule.duration_ms for rule in rules if rule.duration_ms is not None), None),
            timeout=next((rule.timeout for rule in rules if rule.timeout is not None), None),
            cache=next((rule.cache for rule in rules if rule.cache is not None), None),
        )

    def cache_rule(self, state: str, function: str | None, resource: str) -> tuple[str, CacheRule] | None:
        """The cache rule of a Task, with the name that its results are cached under."""
        return next(
            ((name, rule.cache) for name, rule in self._matching(state, function, resource) if rule.cache is not None),
            None,
        )

    def _matching(self, state: str, function: str | None, resource: str) -> Iterator[tuple[str, TaskRule]]:
        for rules in (self.own.tasks, self.settings.tasks):
            yield from ((name, rules[name]) for name in tasks_named(rules, state, function, resource))

    def function(self, name: str) -> FunctionSettings:
        """The settings of a function: all entries that match, the more specific first."""
        given = self.settings.functions
        entries = [given[each] for each in functions_named(given, name)]
        if len(entries) < 2:
            return entries[0] if entries else FunctionSettings()
        merged = {name: value for entry in reversed(entries) for name, value in _given(entry).items()}
        environment = {key: value for entry in reversed(entries) for key, value in entry.environment.items()}
        return FunctionSettings(**{**merged, "environment": environment})

    @property
    def values(self) -> list[Value]:
        """Every setting in force, with its origin."""
        from sfnrun.config.values import values_of

        return values_of(self)

    @cached_property
    def templates(self) -> tuple[Path, ...]:
        """The templates of the project."""
        patterns = self.settings.templates
        if patterns is None:
            found = (self.root / name for name in sorted(_TEMPLATES) if name != "cdk.json")
            return (*(path for path in found if path.is_file()), *sorted(self.root.glob("cdk.out/*.template.json")))
        from glob import glob

        return tuple(Path(path) for pattern in patterns for path in sorted(glob(pattern, recursive=True)))

    @cached_property
    def machines(self) -> Mapping[str, str]:
        """The definitions of the project by name: those of the settings, of templates, and files at the root."""
        from sfnrun.config.definitions import definitions_at, machines_of

        found: dict[str, str] = {}
        for path in definitions_at(self.root):
            found[Path(path).name.split(".")[0]] = path
        for template in reversed(self.templates):
            found |= {name: f"{template}#{name}" for name in machines_of(str(template))}
        entries = self.settings.machines.items()
        return found | {name: entry.definition for name, entry in entries if entry.definition is not None}


def _given(entry: FunctionSettings) -> dict[str, Any]:
    """What an entry says."""
    return {name: value for name, value in asdict(entry).items() if value is not None}


def load_project(
    start: str | Path = ".",
    *,
    config: str | Path | Iterable[str | Path] | None = None,
    variables: Mapping[str, str] = os.environ,
) -> Project:
    """The project that a directory belongs to.

    Args:
        start: The directory.
        config: Files of settings to read instead of sfnrun.yaml, later ones over earlier ones; by default those of the
            variable SFNRUN_CONFIG.
        variables: Environment variables: those of `VARIABLES` override settings, others are values of `${env:NAME}`.

    Raises:
        ConfigError: with all problems of all files.
    """
    root = find_root(Path(start))
    if config is None and variables.get("SFNRUN_CONFIG"):
        config = variables["SFNRUN_CONFIG"].split(os.pathsep)
    if config is None:
        found = settings_file_in(root)
        paths = [] if found is None else [found]
    else:
        paths = [Path(config)] if isinstance(config, str | Path) else [Path(each) for each in config]
    given = {key: variables[name] for key, name in VARIABLES.items() if variables.get(name)}
    if not paths and not given:
        return Project(root=root)
    from sfnrun.config.files import read_settings

    loaded = read_settings(paths, given, variables)
    return Project(root=root, settings=loaded.settings, files=loaded.files, plain=loaded.plain, variables=tuple(given))


def find_root(start: Path) -> Path:
    """The directory that the project of a directory begins at."""
    start = Path(os.path.abspath(start))
    folders = list(_upwards(start))
    for marks in (_has_settings, _has_template, _has_git):
        found = next((folder for folder, names in folders if marks(folder, names)), None)
        if found is not None:
            return found
    return start


def settings_file_in(folder: Path) -> Path | None:
    """The sfnrun.yaml in a directory. Raises ConfigError if there are two."""
    found = [path for name in SETTINGS_FILES if (path := folder / name).is_file()]
    if len(found) > 1:
        message = f"'{found[1].name}' and '{found[0].name}' exclude each other"
        raise ConfigError([Problem("SFN-CONFIG", message, code="", hint="remove one of them", path=str(found[1]))])
    return found[0] if found else None


def _upwards(start: Path) -> Iterator[tuple[Path, set[str]]]:
    """The directories to look at, with the names in them."""
    home = Path(os.path.expanduser("~"))
    for folder in (start, *start.parents):
        if folder in (home, folder.parent):
            return
        try:
            names = set(os.listdir(folder))
        except OSError:
            names = set()
        yield folder, names
        if ".git" in names:
            return


def _has_settings(folder: Path, names: set[str]) -> bool:
    return any(name in names for name in SETTINGS_FILES)


def _has_template(folder: Path, names: set[str]) -> bool:
    if _TEMPLATES & names:
        return True
    return any(_has_word(folder / name, _TERRAFORM) for name in names if name.endswith(".tf"))


def _has_git(folder: Path, names: set[str]) -> bool:
    return ".git" in names


def _has_word(path: Path, word: bytes) -> bool:
    try:
        return word in path.read_bytes()
    except OSError:
        return False
