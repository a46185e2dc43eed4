"""Definitions without a Problem are remembered by their content, so that they need not be checked again.

Only clean ones are: what is wrong with a file is found anew each time. A verdict is an empty file whose name is the
hash of all that it depends on; nothing is ever read from it. Where the folder cannot be used, files are just checked.
"""

from __future__ import annotations

import os
from pathlib import Path

from sfnrun import __version__
from sfnrun.asl.source import Source
from sfnrun.digest import sha256_hex
from sfnrun.payload import dumps

__all__ = ["is_known_clean", "remember_clean"]

# So many are kept; the oldest half goes when there are more.
MOST = 2000

# What decides a verdict besides the definition: a change of any rule is a change of one of these files.
_CODE = ("rules", "shape.py", "schema.json", "outline.py", "source.py")


def _folder() -> Path:
    """Where a user's caches are kept: $XDG_CACHE_HOME, else ~/.cache (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sfnrun" / "clean"


def _name(source: Source, workflow_type: str) -> str:
    about = [__version__, _rules_changed_at(), workflow_type, source.format, source.text, source.substitutions.given]
    return sha256_hex(dumps(about))


def _rules_changed_at() -> list[int]:
    """When the rules were last changed, for those who work on them."""
    here = Path(__file__).parent
    return [os.stat(here / name).st_mtime_ns for name in _CODE]


def is_known_clean(source: Source, workflow_type: str) -> bool:
    """Whether this very text was checked before, by this version, and nothing was found."""
    if not source.text:
        return False
    try:
        return (_folder() / _name(source, workflow_type)).exists()
    except (OSError, RuntimeError):  # no home folder
        return False


def remember_clean(source: Source, workflow_type: str) -> None:
    """Keep the verdict that nothing was found."""
    if not source.text:
        return
    try:
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _name(source, workflow_type)).touch()
        _cull(folder)
    except (OSError, RuntimeError):
        return


def _cull(folder: Path) -> None:
    names = os.listdir(folder)
    if len(names) <= MOST:
        return
    by_age = sorted(names, key=lambda name: os.stat(folder / name).st_mtime_ns)
    for name in by_age[: MOST // 2]:
        (folder / name).unlink(missing_ok=True)
