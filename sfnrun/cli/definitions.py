"""Which files are meant: names, folders, globs, `-`, and single machines of templates, in the order given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from sfnrun.asl.lint.machines import split_name
from sfnrun.errors import UsageError

__all__ = ["named"]

_DEFINITION = re.compile(r"\.asl(?:\.json|\.ya?ml)?$", re.IGNORECASE)
_TEMPLATE = re.compile(r"(?:^|[._-])template\.(?:json|ya?ml)$|^serverless\.ya?ml$", re.IGNORECASE)

# Words of which a template with a state machine has one.
_MACHINES = (b"AWS::StepFunctions::StateMachine", b"AWS::Serverless::StateMachine", b"stepFunctions")
_MOST_BYTES = 4_194_304

# What other people's definitions lie in.
_PASSED_BY = {"node_modules", "__pycache__", "site-packages", "venv"}


def named(given: Iterable[str]) -> list[str]:
    """The files to check, each once. A name that is none stays in the list, for the reader to say what is wrong.

    Raises UsageError for a glob that matches nothing and a folder without definitions.
    """
    return list(dict.fromkeys(file for name in given for file in _files(name)))


def _files(name: str) -> Iterable[str]:
    path, _ = split_name(name)
    if os.path.isdir(path):
        found = list(_in_folder(path))
        if not found:
            raise UsageError(
                f"there are no definitions in {name}", "they end in .asl.json, .asl.yaml, .asl.yml or .asl"
            )
        return found
    if name == "-" or os.path.lexists(path) or not any(mark in name for mark in "*?["):
        return [name]
    return _matching(name)


def _matching(pattern: str) -> list[str]:
    from glob import glob  # only for those whose shell left it to us

    found = [file for file in sorted(glob(pattern, recursive=True)) if not os.path.isdir(file)]
    if not found:
        raise UsageError(f"no file matches {pattern}", "** matches folders of any depth")
    return found


def _in_folder(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSED_BY and not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(parent, name)
            if _DEFINITION.search(name) or (_TEMPLATE.search(name) and _has_machines(path)):
                yield path


def _has_machines(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST_BYTES)
    except OSError:
        return False
    return any(word in text for word in _MACHINES)
