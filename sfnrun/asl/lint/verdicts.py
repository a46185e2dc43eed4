"""Definitions without a Problem are remembered by their content, so that they need not be checked again.

Only clean ones are: what is wrong with a file is found anew each time. A verdict is an empty file whose name is the
hash of all that it depends on; nothing is ever read from it. Where the folder cannot be used, files are just checked.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from sfnrun.asl.text.source import Source
from sfnrun.digest import sha256_hex
from sfnrun.payload import Json, dumps
from sfnrun.version import __version__

__all__ = ["is_known_clean", "remember_clean", "verdict", "verdict_on"]

# So many are kept; the oldest half goes when there are more.
MOST = 5000

Verdict = str


def verdict(
    text: str,
    format: str,
    given: Mapping[str, Json],
    workflow_type: str,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    within: tuple[str | int, ...] = (),
) -> Verdict:
    """The name of the verdict on a text; `given` are its substitutions, and none if it has no placeholders."""
    about = [__version__, _rules_changed_at(), workflow_type, format, text, dict(given), within]
    return sha256_hex(dumps([*about, sorted(select), sorted(ignore)]))


def verdict_on(
    source: Source, workflow_type: str, select: Collection[str] = (), ignore: Collection[str] = ()
) -> Verdict | None:
    """The name of the verdict on a Source; None if it has no text, as one built in Python."""
    if not source.text:
        return None
    given = source.substitutions.values
    return verdict(source.text, source.format, given, workflow_type, select, ignore, source.within)


def _folder() -> Path:
    """Where a user's caches are kept: $XDG_CACHE_HOME, else ~/.cache (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sfnrun" / "clean"


@cache
def _rules_changed_at() -> int:
    """When the rules were last changed, for those who work on them."""
    here = os.path.dirname(__file__)
    folders = (here, os.path.join(here, "rules"), os.path.join(here, "templates"))
    entries = (entry for folder in folders for entry in os.scandir(folder))
    return max(entry.stat().st_mtime_ns for entry in entries if entry.name.endswith((".py", ".json")))


def is_known_clean(name: Verdict | None) -> bool:
    """Whether this was checked before, by this version, and nothing was found."""
    if name is None:
        return False
    try:
        return (_folder() / name).exists()
    except (OSError, RuntimeError):  # no home folder
        return False


def remember_clean(name: Verdict | None) -> None:
    """Keep the verdict that nothing was found."""
    if name is None:
        return
    try:
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        if name.startswith("00"):  # now and then
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
