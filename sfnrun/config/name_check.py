"""Check that the names in settings mean something: a mock whose name is misspelt would let the real handler run.

A name without `*` has to match in the machine that runs or, if it does not, in another machine of the project.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from msgspec import Struct

from sfnrun.asl.text.source import Pointer
from sfnrun.config.definitions import RawTask, definitions_in, tasks_in
from sfnrun.config.names import function_name, key, same_function, short_resource, tasks_named
from sfnrun.config.project import Project
from sfnrun.config.reader import RULE, STARTS_OWN_KEY
from sfnrun.errors import ConfigError, Problem, Severity, UsageError, did_you_mean

__all__ = ["MachineNames", "check_names", "check_task_names", "name_problems"]


class MachineNames(Struct, frozen=True):
    """What can be named in a machine: its `tasks`, and the `text` that has its placeholders; `file` is for messages."""

    file: str
    tasks: tuple[RawTask, ...] = ()
    text: str = ""


def check_names(project: Project, machine: MachineNames, functions: Callable[[], Iterable[str]] = tuple) -> None:
    """Raise ConfigError for each name in the settings that matches nothing.

    `functions` gives the names of the functions that have code here.
    """
    if not project.files:
        return
    problems = list(name_problems(project, machine, functions))
    if problems:
        raise ConfigError(problems)


def check_task_names(names: Iterable[str], machine: MachineNames, what: str) -> None:
    """Raise UsageError for the first name that means no Task of a machine; `what` says where it was given."""
    for name in names:
        if "*" not in name and not _means_task(name, machine.tasks):
            message = f"{what}: no state, function or resource is called '{name}' in {machine.file}"
            raise UsageError(message, _task_meant(name, machine.tasks))


def name_problems(
    project: Project, machine: MachineNames, functions: Callable[[], Iterable[str]] = tuple, *, notes: bool = False
) -> Iterator[Problem]:
    """The names that match nothing, each with its location; with `notes` also patterns that match no Task."""
    others = _Others(project, machine)
    for name in project.own.tasks:
        if _is_name(name) and not _means_task(name, machine.tasks):
            yield _unknown_task(project, ("machines", project.machine, "tasks", name), name, machine)
    for name in project.settings.tasks:
        if _is_name(name) and not _means_task(name, machine.tasks) and not _means_task(name, others.tasks):
            yield _unknown_task(project, ("tasks", name), name, machine)
    yield from _twice(project, machine)
    for name in project.settings.tasks if notes else ():
        if "*" in name and not _means_task(name, machine.tasks):
            yield _problem(project, ("tasks", name), f"'{name}' matches no Task", "", severity="info")
    known = [function for _, function, _ in machine.tasks if function]
    for name in project.settings.functions:
        if not _is_name(name) or _means_function(name, known):
            continue
        with_code = [*functions(), *(function for _, function, _ in others.tasks if function)]
        if not _means_function(name, with_code):
            hint = did_you_mean(name, [function_name(each) for each in (*known, *with_code)])
            yield _problem(project, ("functions", name), f"no function is called '{name}'", hint)
    for name in project.settings.substitutions:
        if name not in machine.text and not any(name in text for text in others.texts):
            yield _problem(project, ("substitutions", name), f"no definition has the placeholder ${{{name}}}", "")


def _twice(project: Project, machine: MachineNames) -> Iterator[Problem]:
    """Names of one function in two spellings, of which only one could count."""
    states = {state for state, _, _ in machine.tasks}
    names = [name for name in project.settings.tasks if _is_name(name) and name not in states]
    first: dict[str, str] = {}
    for name in names:
        if _means_function(name, [function for _, function, _ in machine.tasks if function]):
            other = first.setdefault(key(name), name)
            if other != name:
                yield _problem(project, ("tasks", name), f"'{other}' and '{name}' name the same function", "")


class _Others(Struct, frozen=True, dict=True):
    """The other machines of the project, read only for names that are left over."""

    project: Project
    machine: MachineNames

    @cached_property
    def _files(self) -> list[str]:
        return [*definitions_in(str(self.project.root)), *map(str, self.project.templates)]

    @cached_property
    def tasks(self) -> list[RawTask]:
        return [task for file in self._files for task in tasks_in(file)]

    @cached_property
    def texts(self) -> list[str]:
        return [_text_of(file) for file in self._files]


def _text_of(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            return opened.read()
    except OSError:
        return ""


def _is_name(name: str) -> bool:
    return "*" not in name and not name.startswith(STARTS_OWN_KEY)


def _means_task(name: str, tasks: Iterable[RawTask]) -> bool:
    return any(tasks_named([name], *task) or _can_call_any_function(task) for task in tasks)


def _can_call_any_function(task: RawTask) -> bool:
    """Whether a Task takes the name of its function from its input, so that any name can be that of a function."""
    _, function, resource = task
    return not function and "lambda:invoke" in resource


def _means_function(name: str, functions: Iterable[str]) -> bool:
    return any(same_function(function, [name]) is not None for function in functions)


def _unknown_task(project: Project, at: Pointer, name: str, machine: MachineNames) -> Problem:
    message = f"no state, function or resource is called '{name}' in {machine.file}"
    return _problem(project, at, message, _task_meant(name, machine.tasks))


def _task_meant(name: str, tasks: Iterable[RawTask]) -> str:
    names: dict[str, None] = {}
    for state, function, resource in tasks:
        names |= dict.fromkeys((state, *([function_name(function)] if function else []), short_resource(resource)))
    return did_you_mean(name, names)


def _problem(project: Project, at: Pointer, message: str, hint: str, severity: Severity = "error") -> Problem:
    for file in reversed(project.files):
        if file.line_of(at) is not None:
            return file.problem(message, at, hint=hint, severity=severity)
    return Problem(RULE, message, severity, code="", hint=hint)
