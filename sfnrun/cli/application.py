"""The commands and how they are asked for; what they do is imported when they are run, not before."""

from __future__ import annotations

from typing import Annotated

import typer

from sfnrun.cli import execute, trace, validate

__all__ = ["app"]

app = typer.Typer(
    name="sfnrun",
    help="Run AWS Step Functions workflows on your own machine, against your own Python handlers, as AWS would.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"sfnrun {version('sfnrun')}")
        raise typer.Exit


@app.callback()
def sfnrun(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Run AWS Step Functions workflows on your own machine, against your own Python handlers, as AWS would."""


app.command("validate", epilog=validate.EXAMPLE)(validate.validate)
app.command("execute", epilog=execute.EXAMPLE)(execute.execute)
app.add_typer(trace.app, name="trace")
