"""The arguments that all questions about recorded executions share: which one, and in which folder."""

from pathlib import Path
from typing import Annotated

import typer

from sfnrun.cli.arguments import EXECUTIONS, complete_execution

__all__ = ["Folder", "Name", "folder_of"]

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|last|FILE",
        help="An execution by its name, the last one, or a history file.",
        autocompletion=complete_execution,
        show_default=False,
    ),
]
Folder = Annotated[
    str | None, typer.Option("--history", metavar="DIR", help="Histories.", show_default=str(EXECUTIONS))
]


def folder_of(given: str | None) -> Path:
    """The folder of histories."""
    return Path(given) if given is not None else EXECUTIONS
