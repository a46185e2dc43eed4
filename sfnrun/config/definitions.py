"""Find definitions: files, directories, glob patterns, `-`, and single machines of templates, in the order given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from sfnrun.asl.load import machines_in, split_name
from sfnrun.errors import DefinitionError, UsageError
from sfnrun.payload import Json

__all__ = ["RawTask", "definitions_at", "definitions_in", "machines_of", "named", "tasks_in"]

_DEFINITION = re.compile(r"\.asl(?:\.json|\.ya?ml)?$", re.IGNORECASE)
_TEMPLATE = re.compile(r"(?:^|[._-])template\.(?:json|ya?ml)$|^serverless\.ya?ml$", re.IGNORECASE)

# Words of which a template with a state machine has one.
_MACHINES = (b"AWS::StepFunctions::StateMachine", b"AWS::Serverless::StateMachine", b"stepFunctions")
_MOST_BYTES = 4_194_304

# Directories of other people's definitions.
_SKIPPED = {"node_modules", "__pycache__", "site-packages", "venv"}

RawTask = tuple[str, str | None, str]
"""State, function (a name, an ARN or None) and resource of a Task, as `tasks_named` takes them."""


def named(given: Iterable[str]) -> list[str]:
    """The files to check, each once. A name without a file stays in the list, for the reader to report.

    Raises UsageError for a glob pattern that matches nothing and a directory without definitions.
    """
    return list(dict.fromkeys(file for name in given for file in _files(name)))


def _files(name: str) -> Iterable[str]:
    path, _ = split_name(name)
    if os.path.isdir(path):
        found = list(definitions_in(path))
        if not found:
            raise UsageError(f"no definitions found in {name}", "they end in .asl.json, .asl.yaml, .asl.yml or .asl")
        return found
    if name == "-" or os.path.lexists(path) or not any(mark in name for mark in "*?["):
        return [name]
    return _matching(name)


def _matching(pattern: str) -> list[str]:
    from glob import glob  # the shell has expanded most patterns already

    found = [file for file in sorted(glob(pattern, recursive=True)) if not os.path.isdir(file)]
    if not found:
        raise UsageError(f"no file matches {pattern}", "** matches directories of any depth")
    return found


def definitions_in(folder: str) -> Iterator[str]:
    """The definitions, and the templates with state machines, in a directory and below it."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(parent, name)
            if _DEFINITION.search(name) or (_TEMPLATE.search(name) and _has_machines(path)):
                yield path


def definitions_at(folder: str | os.PathLike[str]) -> Iterator[str]:
    """The definitions in a directory, without those below it and those in templates."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    yield from (os.path.join(folder, name) for name in names if _DEFINITION.search(name))


def machines_of(template: str) -> list[str]:
    """The names of the state machines in a template."""
    try:
        return [part.name for part in machines_in(template) if part.name]
    except (DefinitionError, UsageError):
        return []


def _has_machines(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST_BYTES)
    except OSError:
        return False
    return any(word in text for word in _MACHINES)


def tasks_in(file: str) -> Iterator[RawTask]:
    """The Tasks of all state machines of a file, as far as it can be read."""
    try:
        parts = machines_in(file)
    except (DefinitionError, UsageError):
        return
    for part in parts:
        if part.source is not None:
            yield from _tasks_of(part.source.value)


def _tasks_of(graph: Json) -> Iterator[RawTask]:
    graphs = [graph]
    while graphs:
        states = graphs.pop().get("States")
        for name, state in states.items() if isinstance(states, dict) else ():
            if not isinstance(state, dict):
                continue
            inside = [*_list(state.get("Branches")), state.get("ItemProcessor"), state.get("Iterator")]
            graphs += [each for each in inside if isinstance(each, dict)]
            if state.get("Type") == "Task":
                yield name, _function_of(state), str(state.get("Resource", ""))


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _function_of(state: dict[str, Json]) -> str | None:
    resource = str(state.get("Resource", ""))
    if ":function:" in resource or ":states:" not in resource:
        return resource
    arguments = state.get("Arguments") or state.get("Parameters")
    name = arguments.get("FunctionName") if ":lambda:" in resource and isinstance(arguments, dict) else None
    return name if isinstance(name, str) else None
