"""The commands: each is imported when it is used, so that none waits for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

from sfnrun.cli.renamed import Command, Group

__all__ = ["EXIT_CODES", "app", "command", "group", "run"]

# name of a command -> its panel in `--help`, and the module with its `app`
COMMANDS = {
    "validate": ("Run", "validate"),
    "execute": ("Run", "execute"),
    "resume": ("Continue", "resume"),
    "redrive": ("Continue", "redrive"),
    "stop": ("Continue", "stop"),
    "trace": ("Look", "trace"),
    "cache": ("Look", "cache"),
    "config": ("Project", "config"),
    "schema": ("Project", "schema"),
}

EXIT_CODES = (
    "Exit codes: 0 success; 1 the execution failed, there are problems or differences, or AWS's rules refuse; "
    "2 invalid usage, an unreadable file, or invalid settings or definitions; 3 a replay diverged; 130 interrupted; "
    "143 terminated."
)
INTERRUPTED = 130
_CONTEXT = {"help_option_names": ["-h", "--help"]}


class _Commands(Group):
    """The group of all commands; `--help` and the shell's completion import every one of them, a run its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The names alone: this is where Typer looks for the one that a misspelt name means.
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        panel, module = COMMANDS[cmd_name]
        found: Any = typer.main.get_command(import_module(f"sfnrun.cli.{module}").app)
        found.name = cmd_name
        found.rich_help_panel = panel
        return found


def command(function: Callable[..., None], *examples: str, exit_codes: str = "") -> typer.Typer:
    """An application of one command, whose `--help` ends with examples and the exit codes that are special to it."""
    single = typer.Typer(rich_markup_mode="rich", add_completion=False)
    add(single, function, *examples, exit_codes=exit_codes)
    return single


def add(
    application: typer.Typer,
    function: Callable[..., None],
    *examples: str,
    name: str | None = None,
    exit_codes: str = "",
) -> None:
    """Add a command to a group."""
    application.command(name, cls=Command, epilog=epilog(examples, exit_codes), context_settings=_CONTEXT)(function)


def group(help: str, *examples: str) -> typer.Typer:
    """A group of commands, which prints its help if it is called without one."""
    application = typer.Typer(
        cls=Group,
        help=help,
        epilog=epilog(examples),
        rich_markup_mode="rich",
        add_completion=False,
        invoke_without_command=True,
        context_settings=_CONTEXT,
    )

    @application.callback()
    def callback(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return application


def epilog(examples: Sequence[str], exit_codes: str = "") -> str:
    """Examples, one a line, and exit codes."""
    lines = ["Examples:", *(f"[bold]$ {example}[/bold]" for example in examples)]
    return "\n\n".join([*lines, exit_codes] if exit_codes else lines)


def _version(is_wanted: bool) -> None:
    if is_wanted:
        from sfnrun.version import __version__

        typer.echo(f"sfnrun {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="sfnrun",
    cls=_Commands,
    epilog=epilog(["sfnrun execute order.asl.yaml -i order.json", "sfnrun trace why"], EXIT_CODES),
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings=_CONTEXT,
    rich_markup_mode="rich",
)


@app.callback()
def sfnrun(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Run AWS Step Functions state machines locally, with Python handlers."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run() -> int:
    """Run the command line of this process and return its exit code; errors are printed."""
    from sfnrun.cli.errors import exit_code, report

    try:
        return exit_code(app(prog_name="sfnrun", standalone_mode=False))
    except SystemExit as stop:
        return exit_code(stop.code)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        return report(error)
