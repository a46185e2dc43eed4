"""What code stands behind a handler, by content: when it changes, what it answered before is no answer any more."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfnrun.cache.code import code_files
from sfnrun.effects import Request, TaskHandler
from sfnrun.payload import dumps
from sfnrun.tasks.answers import Fixed, Silent
from sfnrun.tasks.lambdas.lambda_runtime import LambdaFunction

__all__ = ["CodeBehind"]

Code = Mapping[str, str]


class CodeBehind:
    """The files behind handlers, read once for each handler: what runs is what was imported. `home` shortens names."""

    def __init__(self, home: Path) -> None:
        self._home = home.absolute()
        self._known: dict[int, tuple[TaskHandler, Code | None]] = {}

    def __call__(self, handler: TaskHandler, request: Request) -> Code | None:
        """The files with their hashes; None for answers that belong to a test case or to no code, and are not kept."""
        known = self._known.get(id(handler))
        if known is None:
            # The handler is kept with it, so that its id is nobody else's.
            known = self._known[id(handler)] = (handler, self._read(handler, request))
        return known[1]

    def _read(self, handler: Any, request: Request) -> Code | None:
        if isinstance(handler, Silent):
            return None
        if isinstance(handler, Fixed):
            return {"its fixed result": hashlib.sha256(dumps(handler.result).encode()).hexdigest()[:16]}
        if hasattr(handler, "resolved"):
            return self._read(handler.resolved(request), request)
        if hasattr(handler, "handler"):
            return self._read(handler.handler, request)
        function = getattr(handler, "function", None)
        if function is None:
            return None
        return self._of_function(function) if isinstance(function, LambdaFunction) else self._of_callable(function)

    def _of_function(self, function: LambdaFunction) -> Code:
        code = function.code
        folders = tuple(map(Path, code.folders))
        for folder in (*folders, *map(Path, sys.path)):
            place = folder.joinpath(*code.module.split("."))
            for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                if file.is_file():
                    return code_files(file, (*folders, self._home), self._home)
        return {}

    def _of_callable(self, function: Any) -> Code:
        """The code of what was handed in from Python: the file that it stands in."""
        inner = inspect.unwrap(getattr(function, "func", function))
        try:
            file = Path(inspect.getfile(inner if inspect.isroutine(inner) else type(inner)))
        except TypeError:  # a builtin
            return {}
        return code_files(file, (self._home,), self._home) if file.is_file() else {}
