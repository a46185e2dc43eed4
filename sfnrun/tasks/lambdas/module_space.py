"""Imports functions that run in this process under private names, so that two files `app.py` do not collide.

Each cold start creates a package with an impossible name ("charge_card@1") whose `__path__` is the function's
directories. Its modules get an `__import__` that looks there first, as Lambda looks into /var/task before the installed
packages. sys.path stays unchanged, because other functions and the user's own code run in the same process.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

__all__ = ["ModuleSpace"]

_serial = itertools.count(1)


class ModuleSpace:
    """The modules of one cold start of a function, searched in `folders` in order."""

    def __init__(self, folders: Sequence[str]) -> None:
        name = os.path.basename(folders[0]) if folders else "function"
        self.package = f"{name.replace('.', '_')}@{next(_serial)}"
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self._import}
        self._folders = list(folders)
        self._local: dict[str, bool] = {}
        package = ModuleType(self.package)
        package.__path__ = self._folders
        sys.modules[self.package] = package
        _spaces[self.package] = self

    def load(self, name: str) -> ModuleType:
        """Import the module `name` ("app", "orders.api") and return it. Raises whatever its code raises.

        Without folders it is an installed module, which all functions share.
        """
        return importlib.import_module(f"{self.package}.{name}" if self._folders else name)

    def close(self) -> None:
        """Remove the modules from sys.modules; references to their functions stay valid."""
        _spaces.pop(self.package, None)
        for name in [name for name in sys.modules if name.partition(".")[0] == self.package]:
            del sys.modules[name]

    def plain(self, text: str) -> str:
        """The text with the names that the modules have in their files."""
        return text.replace(f"{self.package}.", "") if "@" in text else text

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # the signature of __import__
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or not self._is_local(top):
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{self.package}.{name}", globals, locals, fromlist, 0)
        return module if fromlist else sys.modules[f"{self.package}.{top}"]

    def _is_local(self, top: str) -> bool:
        if top not in self._local:
            self._local[top] = top not in sys.builtin_module_names and self._finds(top)
        return self._local[top]

    def _finds(self, top: str) -> bool:
        spec = PathFinder.find_spec(f"{self.package}.{top}", self._folders)
        if spec is None:
            return False
        # A folder without __init__.py is a package only if no installed one has its name, as everywhere in Python.
        return spec.loader is not None or not _is_installed(top)


def _is_installed(top: str) -> bool:
    try:
        return importlib.util.find_spec(top) is not None
    except ValueError:  # "__main__" has no spec
        return True


_spaces: dict[str, ModuleSpace] = {}


class _Loader(SourceFileLoader):
    """Executes a module with the builtins of its space."""

    def __init__(self, name: str, path: str, space: ModuleSpace) -> None:
        super().__init__(name, path)
        self._space = space

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self._space.builtins
        super().exec_module(module)


class _Finder:
    """Finds the modules of module spaces by their names."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        space = _spaces.get(name.partition(".")[0]) if "@" in name else None
        if space is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path, space)
        return spec


sys.meta_path.insert(0, _Finder)
