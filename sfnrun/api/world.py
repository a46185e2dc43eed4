"""Who answers the Tasks of a run: the caller's callables, a mock file, sfnrun.yaml, functions; in this order.

Everything is found by looking, before the execution starts, and Tasks that nobody answers are told all at once. The
cache stands before all of them but the mock file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.asl.model import Machine, Pointer, Task, every_state
from sfnrun.config import Project, Settings, load_project
from sfnrun.effects import Answerer, CachedReplies, Handler, Pause, Request, Resumed
from sfnrun.errors import UsageError
from sfnrun.payload import Json
from sfnrun.world.hosted import Step, run_on
from sfnrun.world.world import Clock, World

if TYPE_CHECKING:
    from sfnrun.api.caching import CacheOptions, RunCache
    from sfnrun.config.name_check import MachineNames
    from sfnrun.tasks.callables import Tasks
    from sfnrun.tasks.resolve import HandlerSource

# A path that holds no functions, whatever the working directory does.
NO_FUNCTIONS = Path(os.devnull)

__all__ = ["Answering", "configured", "handlers", "unheard"]


def unheard(line: str) -> None:
    """What is said to nobody."""


# Members of Answering that can be written down.
_RECORDED = ("functions", "mock_config", "test_case")


class Stage(NamedTuple):
    """A World for one execution, who answers its Tasks, and who steps through it."""

    world: World
    answerer: Answerer
    step: Step


class Answering(Struct, frozen=True, kw_only=True):
    """Who answers the Tasks of an execution, and how they are asked; the members are options of `sfnrun.run`."""

    tasks: Tasks = None
    config: Project | Settings | str | Path | Sequence[str | Path] | None = None
    functions: str | Path | None = None
    mock_config: str | Path | None = None
    test_case: str | None = None
    cache: CacheOptions | None = None
    say: Callable[[str], None] = unheard
    step: Callable[[Pause], Resumed] | None = None
    debug: bool = False

    def recorded(self) -> dict[str, Json]:
        """What a history keeps of it, for whoever goes on with the execution."""
        members = {name: str(value) for name in _RECORDED if (value := getattr(self, name)) is not None}
        files = _files(self.config)
        return {**members, "config": files[0] if len(files) == 1 else files} if files else members

    def or_recorded(self, start: Mapping[str, Json]) -> Answering:
        """The same, with what it leaves out as the start line of a history has it."""
        left_out = {name: start.get(name) for name in ("config", *_RECORDED) if getattr(self, name) is None}
        return replace(self, **left_out)

    def project(self, definition: object) -> Project:
        """The project that a definition belongs to."""
        return configured(self.config, definition, self.tasks, self.functions)

    @contextmanager
    def world(self, machine: Machine, project: Project, machine_name: str, clock: Clock) -> Iterator[Stage]:
        """A World in which they answer. Raises UnansweredTaskError with all the Tasks that nobody answers."""
        answerer = handlers(
            machine, project, self.tasks, self.mock_config, self.test_case, machine_name, in_process=self.debug
        )
        with ExitStack() as opened:
            opened.callback(answerer.close)
            cache = self._cache(project, machine)
            if cache is not None:
                opened.callback(cache.close)
                answerer = cache.around(answerer)
            world = World(clock, threads=not self.debug)
            opened.callback(world.close)
            if cache is not None and clock == "real":
                cache.by_clock(lambda: world.now)
            yield Stage(world, answerer, self.step or run_on)

    def _cache(self, project: Project, machine: Machine) -> RunCache | None:
        if self.cache is None and all(rule.cache is None for rule in project.rules.values()):
            return None
        from sfnrun.api.caching import CacheOptions, open_cache

        options = self.cache or CacheOptions()
        if options.refresh:
            from sfnrun.config.name_check import check_task_names

            check_task_names(options.refresh, machine_names(machine), "--refresh")
        return open_cache(project, options, self.say)


def configured(
    config: Project | Settings | str | Path | Sequence[str | Path] | None,
    definition: object,
    tasks: Tasks = None,
    functions: str | Path | None = None,
) -> Project:
    """The project of a run: what is given, or what belongs to the definition.

    Where the caller gives `tasks` and no `config`, nobody else is asked. `functions` goes before the settings' own.
    """
    folder = _folder_of(definition)
    if isinstance(config, Project):
        project = config
    elif isinstance(config, Settings):
        project = Project(root=folder.absolute(), settings=config)
    elif config is None and tasks is not None:
        project = Project(root=folder.absolute(), settings=Settings(functions_dir=NO_FUNCTIONS))
    else:
        project = load_project(folder, config=config)
    if functions is None:
        return project
    return replace(project, settings=replace(project.settings, functions_dir=Path(functions)))


def _files(config: Project | Settings | str | Path | Sequence[str | Path] | None) -> list[str]:
    """The files of settings, as a history records them."""
    if config is None or isinstance(config, Settings):
        return []
    if isinstance(config, Project):
        return [str(file.path) for file in config.files]
    return [str(config)] if isinstance(config, str | Path) else [str(path) for path in config]


def _folder_of(definition: object) -> Path:
    file = getattr(definition, "name" if hasattr(definition, "unresolved") else "file", definition)
    if isinstance(file, Path) or (isinstance(file, str) and "\n" not in file and not file.lstrip().startswith("{")):
        return Path(file).parent
    return Path()


def handlers(
    machine: Machine,
    project: Project,
    tasks: Tasks = None,
    mock_config: str | Path | None = None,
    test_case: str | None = None,
    machine_name: str | None = None,
    *,
    in_process: bool = False,
) -> Answerer:
    """Who answers a request. Raises UnansweredTaskError with all the Tasks that nobody answers.

    `machine_name` is the name under which the mock file knows the machine. `in_process` runs functions in this process.
    """
    if isinstance(tasks, Mapping) or project.files:
        from sfnrun.config.name_check import check_names, check_task_names

        names = machine_names(machine)
        check_task_names(tasks if isinstance(tasks, Mapping) else (), names, "tasks")
        check_names(project, names, lambda: _functions_in(project))
    if not any(isinstance(state, Task) for state in every_state(machine.graph)):
        return _NoTasks()
    from sfnrun.tasks.resolve import Resolver

    first = _first(machine, tasks, mock_config, test_case, machine_name or machine.name)
    resolver = Resolver(project, *first, in_process=in_process)
    unanswered = resolver.unanswered(machine)
    if unanswered:
        from sfnrun.tasks.unanswered import complaint

        error = complaint(unanswered, lambda pointer: _place(machine, pointer))
        if project.functions_dir == NO_FUNCTIONS:
            error.hint = "add an entry to `tasks`, keyed by state name, function name or resource"
        raise error
    return resolver


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
        raise AssertionError("a machine without Tasks has asked for one")

    def close(self) -> None:
        """Do nothing."""


def _first(
    machine: Machine, tasks: Tasks, mock_config: str | Path | None, test_case: str | None, machine_name: str
) -> list[HandlerSource]:
    found: list[HandlerSource] = []
    if tasks is not None:
        from sfnrun.tasks.callables import from_callables

        found.append(from_callables(tasks))
    if (mock_config is None) != (test_case is None):
        missing = "--test-case NAME" if test_case is None else "--mock-config FILE"
        raise UsageError("mock_config and test_case must be passed together", f"add {missing}")
    if mock_config is not None and test_case is not None:
        from sfnrun.tasks.mock_config import load_mock_config

        case = load_mock_config(Path(mock_config)).test_case(machine_name, test_case)
        case.check(machine)
        found.append(case)
    return found


def _place(machine: Machine, pointer: Pointer) -> str:
    """Where in its file a state stands: "order.asl.yaml:12:5"."""
    from sfnrun.asl.text.source import from_text

    span = from_text(machine.text, machine.file, substitutions=machine.substitutions, limits=False).locate(
        pointer, key=True
    )
    return machine.file if span is None else f"{machine.file}:{span.line}:{span.column}"
