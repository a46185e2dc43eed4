"""`sfnrun config`: the settings in force, and where each comes from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sfnrun.cli import options
from sfnrun.cli.application import command

__all__ = ["app"]


def config(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="Only this setting, such as functions.charge-card.timeout.")
    ] = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Show the project and the settings in force, each with its origin."""
    from sfnrun.cli.output import print_json, print_line, print_rows
    from sfnrun.config import load_project
    from sfnrun.config.values import value_at

    project = load_project(config=config or None)
    values = project.values if key is None else value_at(project, key)
    about = {
        "root": str(project.root),
        "files": [str(file.path) for file in project.files],
        "templates": [str(path) for path in project.templates],
        "python": sys.executable,
        "extras": _extras(),
    }
    if json:
        print_json(
            {**about, "values": [{"key": each.key, "value": each.value, "origin": each.origin} for each in values]}
        )
        return
    if key is None:
        for name, value in about.items():
            print_line(f"{name:<10} {', '.join(value) or 'none' if isinstance(value, list) else value}")
        print_line("")
    if key is not None and len(values) == 1:
        print_line(_shown(values[0].value))
        return
    print_rows(("KEY", "VALUE", "ORIGIN"), [(each.key, _shown(each.value), each.origin) for each in values])


def _shown(value: object) -> str:
    from sfnrun.payload import dumps

    return value if isinstance(value, str) else dumps(value)


def _extras() -> list[str]:
    """The optional dependencies that are installed."""
    from importlib.util import find_spec

    modules = {"redis": "redis", "memcached": "pymemcache"}
    return [extra for extra, module in modules.items() if find_spec(module) is not None]


app = command(
    config,
    "sfnrun config",
    "sfnrun config functions.charge-card.timeout",
)
