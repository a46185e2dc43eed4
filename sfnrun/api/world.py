"""Who answers the Tasks of a run: the caller's callables, a mock file, sfnrun.yaml, functions; in this order.

Everything is found by looking, before the execution starts, and Tasks that nobody answers are told all at once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sfnrun.asl.load import every_state
from sfnrun.asl.model import Machine, Pointer, Task
from sfnrun.config import Config, load_config
from sfnrun.drivers.perform import HandlerFor
from sfnrun.engine.effects import Request, TaskHandler
from sfnrun.errors import UsageError

if TYPE_CHECKING:
    from sfnrun.tasks.callables import Tasks
    from sfnrun.tasks.resolve import Answers

# A path that holds no functions, whatever the working directory does.
NO_FUNCTIONS = Path(os.devnull)

__all__ = ["configured", "handlers"]


def configured(
    config: Config | str | Path | None, definition: object, tasks: Tasks = None, functions: str | Path | None = None
) -> Config:
    """The settings of a run: those given, or of the sfnrun.yaml that belongs to the definition.

    Where the caller gives `tasks` and no `config`, nobody else is asked. `functions` goes before the settings' own.
    """
    if not isinstance(config, Config):
        if config is None and tasks is not None:
            config = Config(functions=NO_FUNCTIONS)
        else:
            config = load_config(None if config is None else Path(config), _folder_of(definition))
    return config if functions is None else replace(config, functions=Path(functions))


def _folder_of(definition: object) -> Path:
    file = getattr(definition, "name" if hasattr(definition, "unresolved") else "file", definition)
    if isinstance(file, Path) or (isinstance(file, str) and "\n" not in file and not file.lstrip().startswith("{")):
        return Path(file).parent
    return Path()


def handlers(
    machine: Machine,
    config: Config,
    tasks: Tasks = None,
    mock_config: str | Path | None = None,
    test_case: str | None = None,
    machine_name: str | None = None,
) -> HandlerFor:
    """Who answers a request. Raises HandlerNotFound with all the Tasks that nobody answers.

    `machine_name` is the name under which the mock file knows the machine.
    """
    if not any(isinstance(state, Task) for state in every_state(machine.graph)):
        return _nobody_asks
    from sfnrun.tasks.resolve import Resolver

    resolver = Resolver(config, *_first(machine, tasks, mock_config, test_case, machine_name or machine.name))
    unanswered = resolver.unanswered(machine)
    if unanswered:
        from sfnrun.tasks.unanswered import complaint

        error = complaint(unanswered, lambda pointer: _place(machine, pointer))
        if config.functions == NO_FUNCTIONS:
            error.hint = "Answer each in `tasks`, by the name of its state, its function or its resource."
        raise error
    return resolver.for_request


def _nobody_asks(request: Request) -> TaskHandler:
    raise AssertionError("a machine without Tasks has asked for one")


def _first(
    machine: Machine, tasks: Tasks, mock_config: str | Path | None, test_case: str | None, machine_name: str
) -> list[Answers]:
    found: list[Answers] = []
    if tasks is not None:
        from sfnrun.tasks.callables import from_callables

        found.append(from_callables(tasks))
    if (mock_config is None) != (test_case is None):
        missing = "--test-case NAME" if test_case is None else "--mock-config FILE"
        raise UsageError("A mock configuration and a test case go together.", f"Add {missing}.")
    if mock_config is not None and test_case is not None:
        from sfnrun.tasks.mocks import load_mock_config

        case = load_mock_config(Path(mock_config)).test_case(machine_name, test_case)
        case.check(machine)
        found.append(case)
    return found


def _place(machine: Machine, pointer: Pointer) -> str:
    """Where in its file a state stands: "order.asl.yaml:12:5"."""
    from sfnrun.asl.source import from_text

    span = from_text(machine.text, machine.file, substitutions=machine.substitutions, limits=False).locate(
        pointer, key=True
    )
    return machine.file if span is None else f"{machine.file}:{span.line}:{span.column}"
