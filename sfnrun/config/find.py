"""Where sfnrun.yaml and the folder of handlers are: beside the definition, else above it, never outside the project."""

from __future__ import annotations

from pathlib import Path

from sfnrun.config.settings import Config

__all__ = ["find_config", "load_config"]

_NAMES = ("sfnrun.yaml", "sfnrun.yml")


def load_config(path: Path | None, start: Path) -> Config:
    """The settings in `path`, or in the sfnrun.yaml that `find_config(start)` finds; those of no file if none is there.

    `start` is the folder of the definition. Raises ConfigError with all that is wrong in the file.
    """
    folders = _folders(start)
    found = path or find_config(start)
    if found is None:
        return Config(functions=_functions_in(folders))
    from sfnrun.config.file import read_config

    return read_config(found, _functions_in([found.parent, *folders]))


def find_config(start: Path) -> Path | None:
    """sfnrun.yaml beside the definition; else above it, up to the working directory or to the folder with `.git`."""
    return next((file for folder in _folders(start) for name in _NAMES if (file := folder / name).is_file()), None)


def _folders(start: Path) -> list[Path]:
    """`start` and the folders above it that belong to the project, then the working directory."""
    here = Path.cwd()
    absolute = Path(start).absolute()
    chain = [absolute, *absolute.parents]
    for depth, folder in enumerate(chain):
        if folder == here or (folder / ".git").exists():
            return list(dict.fromkeys([*chain[: depth + 1], here]))
    # Nothing says where the project ends: what lies above may be anybody's.
    return [absolute, here]


def _functions_in(folders: list[Path]) -> Path:
    """The first `functions` folder there is; if there is none, the one that would be beside the file or definition."""
    there = (folder / "functions" for folder in folders)
    return next((folder for folder in there if folder.is_dir()), folders[0] / "functions")
