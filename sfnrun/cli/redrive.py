"""`sfnrun redrive`: continue an execution that did not succeed, from where it failed."""

from typing import Annotated

import typer

from sfnrun.cli import options
from sfnrun.cli.application import command

__all__ = ["app"]


def redrive(
    run: options.Run = "last",
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="PLACE", help="State to continue from.", show_default="where it failed"),
    ] = None,
    input_: options.Input = None,
    definition: options.Definition = None,
    config: options.Config = None,
    functions: options.Functions = None,
    cache: options.Cache = False,
    no_cache: options.NoCache = False,
    refresh: options.Refresh = None,
    cache_ttl: options.CacheTtl = None,
    debug: options.Debug = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    json: options.Json = False,
    progress: options.Progress = None,
    output: options.Output = None,
    store: options.Store = None,
    fsync: options.Fsync = False,
) -> None:
    """Redrive an execution that failed, timed out or was aborted, with the handlers as they are now.

    AWS redrives from the failed state, with its own input and definition; --from, -i and -d go beyond that.
    """
    import sfnrun
    from sfnrun.cli.arguments import cache_options, configured, read_input
    from sfnrun.cli.output import print_json
    from sfnrun.cli.running import continue_run, exit_code, print_output
    from sfnrun.cli.runs import history_of, store_of

    directory = store_of(store)
    result = continue_run(
        history_of(run, directory),
        sfnrun.redrive,
        display=(quiet, verbose, progress, json),
        output=output,
        from_=from_,
        input=None if input_ is None else read_input(input_, directory),
        definition=definition,
        debug=debug,
        fsync=fsync,
        cache=cache_options(cache, no_cache, refresh, cache_ttl),
        **configured(functions, config),
    )
    if json:
        from sfnrun.cli.running import result_json

        print_json(result_json(result), output)
    else:
        print_output(result, output)
    raise typer.Exit(exit_code(result))


app = command(redrive, "sfnrun redrive", "sfnrun redrive order-7 --from ChargeCard -i fixed.json")
