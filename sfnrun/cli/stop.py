"""`sfnrun stop`: stop an execution that another process runs, or whose process has crashed."""

from typing import Annotated

import typer

from sfnrun.cli import options
from sfnrun.cli.application import command

__all__ = ["app"]


def stop(
    run: options.Run = "last",
    error: Annotated[str | None, typer.Option(metavar="NAME", help="Error that it ends with.")] = None,
    cause: Annotated[str | None, typer.Option(metavar="TEXT", help="Cause that it ends with.")] = None,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long to wait for its end.")] = "30s",
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Stop an execution, as StopExecution does; it ends ABORTED."""
    import sfnrun
    from sfnrun.cli.arguments import milliseconds_of
    from sfnrun.cli.output import print_json
    from sfnrun.cli.runs import history_of, store_of
    from sfnrun.view.shapes import summary_json

    path = history_of(run, store_of(store))
    summary = sfnrun.stop(path, error=error, cause=cause, timeout=milliseconds_of("--timeout", timeout) / 1000)
    if json:
        print_json(summary_json(summary))
    typer.echo(f"{summary.name} {summary.status}", err=True)


app = command(
    stop,
    "sfnrun stop order-7",
    "sfnrun stop last --error Cancelled --cause 'wrong input'",
    exit_codes="Exit codes: 1 it had ended.",
)
