"""`sfnrun resume`: goes on with executions whose process died."""

from pathlib import Path
from typing import Annotated

import typer

from sfnrun.cli.arguments import complete_execution
from sfnrun.cli.cache_options import Cache, CacheTtl, NoCache, Refresh, cache_options
from sfnrun.cli.going_on import Config, Debug, Fsync, Functions, Json, Output, Quiet, Verbose, go_on
from sfnrun.cli.recorded import Folder, folder_of
from sfnrun.errors import UsageError

__all__ = ["app"]

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

EXAMPLE = "Example: [bold]sfnrun resume last[/bold]"


@app.command(epilog=EXAMPLE)
def resume(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|last|FILE",
            help="An execution by its name, the last one that can be resumed, or a history file.",
            autocompletion=complete_execution,
            show_default=False,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every execution whose process died, the oldest first.")] = False,
    functions: Functions = None,
    config: Config = None,
    cache: Cache = False,
    no_cache: NoCache = False,
    refresh: Refresh = None,
    cache_ttl: CacheTtl = None,
    debug: Debug = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
    output: Output = None,
    history: Folder = None,
    fsync: Fsync = False,
) -> None:
    """Go on with an execution whose process died. What had been answered is not asked again."""
    import sfnrun

    if (name is None) == (not all_):
        raise UsageError("resume one execution, or --all", "which ones can be: sfnrun trace list --status CRASHED")
    paths = _chosen(name, folder_of(history))
    if not paths:
        typer.echo(f"nothing to resume in {folder_of(history)}", err=True)
    codes = [
        go_on(
            path,
            sfnrun.resume,
            functions=functions,
            config=config,
            cache=cache_options(cache, no_cache, refresh, cache_ttl),
            debug=debug,
            quiet=quiet,
            json=json,
            verbose=verbose,
            output=output,
            fsync=fsync,
        )
        for path in paths
    ]
    raise typer.Exit(max(codes, default=0))


def _chosen(name: str | None, folder: Path) -> list[Path]:
    from sfnrun.cli.arguments import execution_file
    from sfnrun.history.listing import summaries

    if name is not None and name != "last":
        return [execution_file(name, folder)]
    crashed = [folder / f"{each.name}.jsonl" for each in summaries(folder) if each.status == "CRASHED"]
    if name is None:
        return crashed[::-1]
    if not crashed:
        raise UsageError(f"there is no execution to resume in {folder}", "see them all: sfnrun trace list")
    return crashed[:1]
