"""`sfnrun redrive`: goes on with an execution that did not succeed, from where it failed."""

from typing import Annotated

import typer

from sfnrun.cli.cache_options import Cache, CacheTtl, NoCache, Refresh, cache_options
from sfnrun.cli.going_on import Config, Debug, Fsync, Functions, Json, Output, Quiet, Verbose, go_on
from sfnrun.cli.recorded import Folder, Name, folder_of

__all__ = ["app"]

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

EXAMPLE = "Example: [bold]sfnrun redrive last --from ChargeCard --with corrected.json[/bold]"

_BEYOND = "Beyond AWS"


@app.command(epilog=EXAMPLE)
def redrive(
    name: Name = "last",
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STATE",
            help="Go on from this state.",
            show_default="where it failed",
            rich_help_panel=_BEYOND,
        ),
    ] = None,
    with_: Annotated[
        str | None,
        typer.Option("--with", metavar="FILE|-|JSON", help="The input of that state.", rich_help_panel=_BEYOND),
    ] = None,
    definition: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The definition.", show_default="as it was", rich_help_panel=_BEYOND),
    ] = None,
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
    """Redrive an execution that failed, timed out or was aborted, with the handlers as they are now."""
    import sfnrun
    from sfnrun.cli.arguments import execution_file, read_input

    code = go_on(
        execution_file(name, folder_of(history)),
        sfnrun.redrive,
        from_=from_,
        input=None if with_ is None else read_input(with_),
        definition=definition,
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
    raise typer.Exit(code)
