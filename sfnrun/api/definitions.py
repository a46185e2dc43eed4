"""Definitions in the public API: load, validate, their JSON Schemas, and what MACHINE names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sfnrun.addresses import parse_machine
from sfnrun.asl.load import Definition
from sfnrun.asl.model import Machine
from sfnrun.asl.text.source import Source
from sfnrun.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from sfnrun.config import Project

__all__ = ["definition_at", "file_of", "is_text"]


def is_text(definition: str) -> bool:
    """Whether a string is the text of a definition, and not the address of one."""
    return definition.lstrip().startswith("{") or "\n" in definition


def file_of(definition: Definition) -> Path | None:
    """The file of a definition; None for a mapping, a text or stdin."""
    match definition:
        case Machine():
            name = definition.file
        case Source():
            name = definition.name
        case Path():
            return definition
        case str() if not is_text(definition):
            name = parse_machine(definition, os.path.lexists).name
        case _:
            return None
    return None if not name or name.startswith("<") else Path(name)


def definition_at(address: Definition, find_project: Callable[[], Project]) -> Definition:
    """Resolve MACHINE: the name or the ARN of a machine of the project becomes its file; anything else stays.

    Raises UsageError for a name that no machine has.
    """
    if not isinstance(address, str) or is_text(address) or address == "-":
        return address
    machine = parse_machine(address, os.path.lexists)
    if machine.kind == "name" and (machine.inside or _is_path(machine.name)):
        return address
    name = machine.name.rpartition(":")[2]
    machines = find_project().machines
    if name not in machines:
        hint = did_you_mean(name, machines, "pass the file of a definition")
        raise UsageError(f"state machine not found: '{name}'", hint)
    return machines[name]


def _is_path(name: str) -> bool:
    return os.path.lexists(name) or os.sep in name or "/" in name or bool(os.path.splitext(name)[1])
