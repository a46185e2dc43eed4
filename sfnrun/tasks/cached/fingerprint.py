"""Fingerprints of handlers: the source files of their code with their hashes. A change makes cached replies stale."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from pathlib import Path
from typing import Any

from sfnrun.cache.key import code_files
from sfnrun.effects import Fingerprint, Handler
from sfnrun.payload import Json, dumps
from sfnrun.tasks.lambdas.find import Code

__all__ = ["CodeFingerprints", "of_callable", "of_code", "of_result"]


class CodeFingerprints:
    """The fingerprint of each handler, made once, because the code that runs is the code that was imported.

    File names are relative to `home`.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.absolute()
        self._known: dict[int, tuple[Handler, Fingerprint]] = {}

    def of(self, handler: Handler) -> Fingerprint:
        """The handler's fingerprint; None: its replies are never cached."""
        known = self._known.get(id(handler))
        if known is None:
            # Keeping the handler keeps its id from being given to another one.
            known = self._known[id(handler)] = (handler, handler.fingerprint(self._home))
        return known[1]


def of_result(result: Json) -> Fingerprint:
    """The fingerprint of a fixed result."""
    return {"its fixed result": hashlib.sha256(dumps(result).encode()).hexdigest()[:16]}


def of_code(code: Code, home: Path) -> Fingerprint:
    """The fingerprint of a function: the file of its handler and the files that it imports."""
    folders = tuple(map(Path, code.folders))
    for folder in (*folders, *map(Path, sys.path)):
        place = folder.joinpath(*code.module.split("."))
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if file.is_file():
                return code_files(file, (*folders, home), home)
    return {}


def of_callable(function: Any, home: Path) -> Fingerprint:
    """The fingerprint of a Python callable: the file that defines it and the files that it imports."""
    partial_of = function.func if isinstance(function, functools.partial) else function
    inner = inspect.unwrap(partial_of)
    try:
        file = Path(inspect.getfile(inner if inspect.isroutine(inner) else type(inner)))
    except TypeError:  # a builtin
        return {}
    return code_files(file, (home,), home) if file.is_file() else {}
