"""Imports of a function: no cached bytecode for sources that were just edited.

Python compares the second and the size of a source with those in its .pyc, so an edit of the same size within a second
of the last import is not seen. A source that is younger than two seconds gets no .pyc.
"""

from __future__ import annotations

import sys
import time
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["install"]

_YOUNG_S = 2.0


class _FreshLoader(SourceFileLoader):
    """Writes no bytecode for young sources."""

    def _cache_bytecode(self, source_path: str, cache_path: str, data: Any) -> None:
        try:
            if time.time() - self.path_stats(source_path)["mtime"] > _YOUNG_S:
                super()._cache_bytecode(source_path, cache_path, data)  # type: ignore[misc]
        except OSError:
            pass


def install() -> None:
    """Use the loader for all sources that are imported from now on."""
    loaders = [
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (_FreshLoader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    ]
    hook = FileFinder.path_hook(*loaders)
    for number, other in enumerate(sys.path_hooks):
        if other.__qualname__.startswith("FileFinder."):
            sys.path_hooks[number] = hook
    sys.path_importer_cache.clear()
