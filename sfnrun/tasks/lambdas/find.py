"""Finds the code of functions by their names, without importing it.

`functions/NAME.py`, or `functions/NAME/` with `app.py`, `lambda_function.py`, `index.py` or `__init__.py`.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from msgspec import Struct

from sfnrun.config.names import candidates, function_name, key
from sfnrun.errors import UnansweredTaskError

__all__ = ["Code", "FunctionFolder"]

_FILES = ("app", "lambda_function", "index", "__init__")
_HANDLERS = ("handler", "lambda_handler")


class Code(Struct, frozen=True):
    """The location of a handler: `module` in one of `folders`, under the first of `names` that the module has.

    `handler` is how Lambda would name it ("app.lambda_handler"); if it is written without a dot, `module` is "".
    """

    folders: tuple[str, ...]
    module: str
    names: tuple[str, ...]
    handler: str


class FunctionFolder(Struct, frozen=True, dict=True):
    """The functions in a directory, by any of their names. `path` is absolute; it does not have to exist."""

    path: Path

    def find(self, name: str) -> Code | None:
        """The code of the function `name` (a name, an ARN, a placeholder); None if it is not found.

        Raises UnansweredTaskError if several files match equally well.
        """
        bare = function_name(name)
        for places in (self._by_name, self._by_short_name):
            for candidate in candidates(bare):
                if found := places.get(candidate, []):
                    return self._code(self._only(name, [path for path in found if path.stem == bare] or found))
        return None

    def configured(self, handler: str, start: Path) -> Code:
        """The code of a `handler` in sfnrun.yaml: "/abs/charge.py:handler", "package.module:handler".

        A module is looked for in the functions folder, in `start` (the folder of sfnrun.yaml), then as Python does.
        Lambda's own "app.lambda_handler" is understood too.
        """
        place, _, function = handler.rpartition(":") if ":" in handler else handler.rpartition(".")
        if place.endswith(".py"):
            path = Path(place)
            return Code((str(path.parent),), path.stem, (function,), f"{path.stem}.{function}")
        module = place.replace("/", ".").lstrip(".")
        folders = (self.path, start)
        first = next((folder for folder in folders if _has_module(folder, module)), None)
        around = () if first is None else (str(first),)
        return Code(around, module, (function,), f"{module}.{function}" if module else function)

    @property
    def names(self) -> list[str]:
        """The names of the functions."""
        return [path.stem for path in self._entries]

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in self._entries:
            found.setdefault(key(path.stem), []).append(path)
        return found

    @cached_property
    def _by_short_name(self) -> dict[str, list[Path]]:
        """functions/charge_card_lambda/ is found as ChargeCard too, unless another file has that name."""
        found: dict[str, list[Path]] = {}
        for path in self._entries:
            for shorter in list(candidates(path.stem))[1:]:
                found.setdefault(shorter, []).append(path)
        return found

    @cached_property
    def _entries(self) -> list[Path]:
        if not self.path.is_dir():
            return []
        paths = (path for path in sorted(self.path.iterdir()) if not path.name.startswith(("_", ".")))
        return [path for path in paths if (_file_in(path) if path.is_dir() else path.suffix == ".py")]

    def _code(self, path: Path) -> Code:
        functions = str(self.path)
        if path.suffix == ".py":
            return Code((functions,), path.stem, _HANDLERS, f"{path.stem}.{_HANDLERS[0]}")
        stem = _file_in(path)
        if stem == "__init__":
            return Code((functions, str(path)), path.name, _HANDLERS, f"{path.name}.{_HANDLERS[0]}")
        return Code((str(path), functions), stem, _HANDLERS, f"{stem}.{_HANDLERS[0]}")

    def _only(self, name: str, found: list[Path]) -> Path:
        if len(found) == 1:
            return found[0]
        shown = " and ".join(str(path.relative_to(self.path.parent)) for path in found)
        hint = f"choose one in sfnrun.yaml: functions: {{{function_name(name)}: {{handler: file.py:function}}}}"
        raise UnansweredTaskError(f"function '{name}' is ambiguous: {shown} all match", hint)


def _file_in(folder: Path) -> str:
    return next((stem for stem in _FILES if (folder / f"{stem}.py").is_file()), "")


def _has_module(folder: Path, module: str) -> bool:
    path = folder.joinpath(*module.split("."))
    return bool(module) and (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file())
