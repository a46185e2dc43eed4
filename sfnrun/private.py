"""Directories and files that only their owner can read: histories and caches hold the data of executions."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["make_directory", "opener"]

PROJECT_DIRECTORY = ".sfnrun"


def make_directory(path: Path) -> None:
    """Create a directory and its parents with mode 0700; git ignores a `.sfnrun` among them."""
    missing = []
    for folder in (path, *path.parents):
        if folder.is_dir():
            break
        missing.append(folder)
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.name == PROJECT_DIRECTORY:
            with suppress(OSError):  # a full disk is reported by whoever needs the directory
                (folder / ".gitignore").write_text("*\n", encoding="ascii")


def opener(path: str, flags: int) -> int:
    """The `opener` for `open` that creates files with mode 0600."""
    return os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
