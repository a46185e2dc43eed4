"""Resolve Task handlers: `tasks=`, then the mock file, sfnrun.yaml and the functions directory; the cache around them.

Resolving looks at names and files only, before an execution starts; all Tasks without a handler are reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sfnrun.api.definitions import file_of
from sfnrun.asl.load import Definition
from sfnrun.asl.model import Machine, Pointer, Task, every_state
from sfnrun.config import Project, Settings, load_project
from sfnrun.effects import Answerer, CachedReplies, Handler, Request
from sfnrun.errors import UsageError
from sfnrun.payload import Json

if TYPE_CHECKING:
    from sfnrun.api.caching import RunCache
    from sfnrun.api.options import Options
    from sfnrun.config.name_check import MachineNames
    from sfnrun.tasks.resolve import HandlerSource, Resolver

__all__ = [
    "NOWHERE",
    "RECORDED",
    "Handlers",
    "machine_names",
    "project_in",
    "project_of",
    "recorded_options",
    "with_functions",
]

# No file has this directory above it, so nothing is found in it.
NOWHERE = Path(os.devnull)

# Options that a history records, for whoever resumes or redrives the execution; callables cannot be recorded.
RECORDED = ("config", "functions", "mock_config", "test_case")


def project_in(folder: Path, options: Options) -> Project:
    """The project that a directory belongs to, with the settings that the options name, if they do."""
    config = options.get("config")
    if isinstance(config, Settings):
        return with_functions(Project(root=folder.absolute(), settings=config), options)
    return with_functions(load_project(folder, config=config), options)


def project_of(definition: Definition, options: Options) -> Project:
    """The project that a definition belongs to. One without a file has none: nothing is read for it."""
    file = file_of(definition)
    if file is None and options.get("config") is None:
        return with_functions(Project(root=Path().absolute(), settings=Settings(functions_dir=NOWHERE)), options)
    return project_in(Path() if file is None else file.parent, options)


def with_functions(project: Project, options: Options) -> Project:
    """The project with the directory of Python handlers that the options name, if they do."""
    functions = options.get("functions")
    if functions is None:
        return project
    return replace(project, settings=replace(project.settings, functions_dir=Path(functions)))


def recorded_options(options: Options, project: Project) -> dict[str, Json]:
    """What a history records of who answers."""
    given = {name: options.get(name) for name in RECORDED if name != "config"}
    found: dict[str, Json] = {name: str(value) for name, value in given.items() if value is not None}
    config = options.get("config")
    if config is not None and not isinstance(config, Settings):
        files = [str(file.path) for file in project.files]
        found["config"] = files[0] if len(files) == 1 else files
    return found


class Handlers:
    """The handlers of a Session, with one cache for each project.

    `now` is a real clock, by which the age of cached results is judged; without it the time of each request counts.
    """

    def __init__(self, options: Options, now: Callable[[], int] | None) -> None:
        self._options = options
        self._now = now
        self._resolvers: list[Resolver] = []
        self._caches: dict[Path, RunCache | None] = {}

    def answerer(self, machine: Machine, project: Project, name: str) -> Answerer:
        """The handlers of a machine's Tasks. `name` is the machine's, by which the mock file knows it.

        Raises UnansweredTaskError with all the Tasks that have none, UsageError for a name in `tasks` that no Task has.
        """
        self._check_names(machine, project)
        if not any(isinstance(state, Task) for state in every_state(machine.graph)):
            return _NoTasks()
        from sfnrun.tasks.resolve import Resolver

        in_process = self._options.get("debug", False)
        resolver = Resolver(project, *self._sources(machine, name), in_process=in_process)
        self._resolvers.append(resolver)
        unanswered = resolver.unanswered(machine)
        if unanswered:
            from sfnrun.tasks.unanswered import complaint

            error = complaint(unanswered, lambda pointer: _location(machine, pointer))
            if project.functions_dir == NOWHERE:
                error.hint = "add an entry to `tasks`, keyed by state name, function name or resource"
            raise error
        cache = self._cache(machine, project)
        return resolver if cache is None else cache.around(resolver)

    def close(self) -> None:
        """Wait for results that are still being cached, and let go of the functions."""
        for cache in self._caches.values():
            if cache is not None:
                cache.close()
        for resolver in self._resolvers:
            resolver.close()

    def _check_names(self, machine: Machine, project: Project) -> None:
        tasks = self._options.get("tasks")
        if not isinstance(tasks, Mapping) and not project.files:
            return
        from sfnrun.config.name_check import check_names, check_task_names

        names = machine_names(machine)
        check_task_names(tasks if isinstance(tasks, Mapping) else (), names, "tasks")
        check_names(project, names, lambda: _functions_in(project))

    def _sources(self, machine: Machine, name: str) -> list[HandlerSource]:
        found: list[HandlerSource] = []
        tasks = self._options.get("tasks")
        if tasks is not None:
            from sfnrun.tasks.callables import from_callables

            found.append(from_callables(tasks))
        mock_config, test_case = self._options.get("mock_config"), self._options.get("test_case")
        if (mock_config is None) != (test_case is None):
            missing = "test_case" if test_case is None else "mock_config"
            raise UsageError("mock_config and test_case must be passed together", f"add {missing}")
        if mock_config is not None and test_case is not None:
            from sfnrun.tasks.mock_config import load_mock_config

            case = load_mock_config(Path(mock_config)).test_case(name, test_case)
            case.check(machine)
            found.append(case)
        return found

    def _cache(self, machine: Machine, project: Project) -> RunCache | None:
        given = self._options.get("cache")
        if given is None and all(rule.cache is None for rule in project.rules.values()):
            return None
        from sfnrun.api.caching import CacheOptions, open_cache

        options = CacheOptions(everything=given, off=not given) if isinstance(given, bool) else given or CacheOptions()
        if options.refresh:
            from sfnrun.config.name_check import check_task_names

            check_task_names(options.refresh, machine_names(machine), "--refresh")
        if project.root not in self._caches:
            cache = self._caches[project.root] = open_cache(project, options, self._options.get("warn") or _ignore)
            if cache is not None and self._now is not None:
                cache.by_clock(self._now)
        return self._caches[project.root]


def machine_names(machine: Machine) -> MachineNames:
    """What settings and options can name in a machine."""
    from sfnrun.config.name_check import MachineNames
    from sfnrun.tasks.resolve import named_function, tasks_of

    tasks = tuple((task.name, named_function(task), task.resource.arn) for task in tasks_of(machine.graph))
    return MachineNames(machine.file or machine.name, tasks, machine.text)


def _functions_in(project: Project) -> list[str]:
    from sfnrun.tasks.lambdas.find import FunctionFolder

    return FunctionFolder(project.functions_dir.absolute()).names


class _NoTasks:
    """The Answerer of a machine without Tasks."""

    cached_replies: CachedReplies | None = None

    def for_request(self, request: Request) -> Handler:
        raise AssertionError("a machine without Tasks has called one")

    def close(self) -> None:
        """Do nothing."""


def _ignore(line: str) -> None:
    """Nobody reads warnings."""


def _location(machine: Machine, pointer: Pointer) -> str:
    """Where a state is defined: "order.asl.yaml:12:5"."""
    from sfnrun.asl.text.source import from_text

    source = from_text(machine.text, machine.file, substitutions=machine.substitutions, limits=False)
    span = source.locate(pointer, key=True)
    return machine.file if span is None else f"{machine.file}:{span.line}:{span.column}"
