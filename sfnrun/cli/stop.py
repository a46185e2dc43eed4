"""`sfnrun stop`: ends an execution that runs in another process, or whose process died."""

from typing import Annotated

import typer

from sfnrun.cli.recorded import Folder, Name, folder_of

__all__ = ["app"]

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

EXAMPLE = "Example: [bold]sfnrun stop last --error Cancelled --cause 'wrong input'[/bold]"


@app.command(epilog=EXAMPLE)
def stop(
    name: Name = "last",
    error: Annotated[str | None, typer.Option(metavar="NAME", help="The error that it ends with.")] = None,
    cause: Annotated[str | None, typer.Option(metavar="TEXT", help="The cause that it ends with.")] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for its end.")] = 30,
    history: Folder = None,
) -> None:
    """Stop an execution, as StopExecution does; it ends ABORTED."""
    import sfnrun
    from sfnrun.cli.arguments import execution_file

    result = sfnrun.stop(execution_file(name, folder_of(history)), error=error, cause=cause, timeout=timeout)
    typer.echo(f"{result.name} {result.status}", err=True)
