"""State machines of a Session: loaded, with the project that each belongs to and the handlers of its Tasks."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sfnrun.addresses import parse_machine
from sfnrun.api.definitions import definition_at, file_of
from sfnrun.api.handlers import Handlers, project_in, project_of, with_functions
from sfnrun.asl.load import Definition, load
from sfnrun.asl.model import Machine
from sfnrun.asl.text.source import Source
from sfnrun.errors import Problem, UsageError

if TYPE_CHECKING:
    from sfnrun.api.options import Options
    from sfnrun.config import Project
    from sfnrun.effects import Answerer

__all__ = ["Machines", "Prepared"]


class Prepared(NamedTuple):
    """A state machine that is ready to start, with the name that it has in ARNs."""

    machine: Machine
    name: str
    project: Project
    answerer: Answerer


class Machines:
    """Prepares state machines, each once. `now` is a real clock, by which the age of cached results is judged."""

    def __init__(self, given: Project | str | Path | None, options: Options, now: Callable[[], int] | None) -> None:
        if given is not None and not isinstance(given, str | Path) and options.get("config") is not None:
            raise UsageError("config cannot be combined with a Project", "pass load_project(…, config=…)")
        self._given = given
        self._options = options
        self._handlers = Handlers(options, now)
        self._prepared: dict[object, tuple[Definition, Prepared]] = {}

    @cached_property
    def project(self) -> Project:
        """The project that was passed, else that of the working directory."""
        given = self._given
        if given is not None and not isinstance(given, str | Path):
            return with_functions(given, self._options)
        path = Path(given or ".")
        return project_in(path if path.is_dir() else path.parent, self._options)

    def prepare(self, definition: Definition) -> Prepared:
        """Load a definition, and find the handlers of its Tasks."""
        definition = definition_at(definition, lambda: self.project)
        key = _key_of(definition)
        if key is not None and key in self._prepared:
            return self._prepared[key][1]
        project = self._project_of(definition)
        options = self._options
        machine = load(
            definition,
            substitutions={**project.substitutions, **(options.get("substitutions") or {})},
            workflow_type=options.get("type") or "STANDARD",
            limits=options.get("limits", True),
            ignore=project.settings.ignore,
            on_warnings=self._warn,
        )
        name = project.machine or machine.name
        prepared = Prepared(machine, name, project, self.answerer(machine, project, name))
        if key is not None:
            self._prepared[key] = (definition, prepared)
        return prepared

    def answerer(self, machine: Machine, project: Project, name: str) -> Answerer:
        """The handlers of a machine's Tasks."""
        return self._handlers.answerer(machine, project, name)

    def close(self) -> None:
        """Let go of the handlers."""
        self._handlers.close()

    def _project_of(self, definition: Definition) -> Project:
        """The project of a definition, with the settings of that state machine on top."""
        project = project_of(definition, self._options) if self._given is None else self.project
        file = file_of(definition)
        if file is None or project.machine:
            return project
        inside = parse_machine(definition, os.path.lexists).inside if isinstance(definition, str) else ""
        return project.for_machine(project.machine_at(file, inside))

    def _warn(self, warnings: list[Problem]) -> None:
        """Report the warnings of a definition in one line: the first one, and where to see the others."""
        warn = self._options.get("warn")
        if warn is not None:
            first = warnings[0]
            location = f"{first.path}:{first.span.line}:{first.span.column}" if first.span else first.path
            others = f" (and {len(warnings) - 1} more: sfnrun validate {first.path})" if len(warnings) > 1 else ""
            warn(f"{location}: warning {first.rule}: {first.message}{others}")


def _key_of(definition: Definition) -> object:
    """What a definition is remembered by; None for one that is read again for each start, as its file can change."""
    return id(definition) if isinstance(definition, Machine | Source) else None
