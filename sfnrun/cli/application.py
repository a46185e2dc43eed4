"""The commands and where they are: each is imported when it is asked for, so that none waits for the others."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

__all__ = ["EXIT_CODES", "app"]

_COMMANDS = ("validate", "execute", "resume", "redrive", "stop", "trace", "cache", "schema")


class _Commands(TyperGroup):
    """The group of all commands; `--help` and the shell's completion look at every one of them, a run at its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The names alone: Typer looks here for what a person may have meant by one that does not exist.
        self.commands = dict.fromkeys(_COMMANDS)  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        command = typer.main.get_command(import_module(f"sfnrun.cli.{cmd_name}").app)
        command.name = cmd_name
        return command


def _version(asked: bool) -> None:
    if asked:
        from sfnrun.version import __version__

        typer.echo(f"sfnrun {__version__}")
        raise typer.Exit


EXAMPLE = "Example: [bold]sfnrun execute order.asl.yaml --input order.json[/bold]"
EXIT_CODES = (
    "Exit codes: 0 it succeeded; 1 the execution failed, or there are problems; 2 wrong usage, unreadable files, or a "
    "definition with errors; 3 a replay diverged; 130 interrupted; 143 terminated."
)

app = typer.Typer(
    name="sfnrun",
    cls=_Commands,
    no_args_is_help=True,
    epilog=f"{EXAMPLE}\n\n{EXIT_CODES}",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


@app.callback()
def sfnrun(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Run AWS Step Functions workflows on your own machine, against your own Python handlers, as AWS would."""
