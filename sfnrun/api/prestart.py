"""Starts the Python that runs functions while sfnrun still imports itself, because both take about as long."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

__all__ = ["prestart"]

# How far above a definition its project's directory of functions is looked for.
_LEVELS = 5


def prestart(definition: str) -> None:
    """Start a zygote if a definition seems to need one. A guess: whatever is wrong is found out and reported later."""
    file = Path(definition.partition("#")[0])
    try:
        has_tasks = file.is_file() and b"Task" in file.read_bytes()
    except (OSError, ValueError):
        return
    folders = islice((file.absolute().parent, *file.absolute().parent.parents), _LEVELS)
    if sys.platform == "win32" or not has_tasks or not any((folder / "functions").is_dir() for folder in folders):
        return
    from sfnrun.errors import UnavailableError
    from sfnrun.tasks.lambdas.zygotes import find_python, zygote_for

    try:
        zygote_for(find_python(None, file.absolute().parent) or sys.executable)
    except UnavailableError:
        return
