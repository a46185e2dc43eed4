"""`sfnrun resume`: continue executions whose process has crashed."""

from pathlib import Path
from typing import Annotated

import typer

from sfnrun.cli import options
from sfnrun.cli.application import command
from sfnrun.cli.completion import complete_run
from sfnrun.errors import SfnrunError, UsageError

__all__ = ["app"]


def resume(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Executions: names, ARNs or FILE.jsonl; `last` is the last one that has crashed.",
            autocompletion=complete_run,
            show_default="last",
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every execution that has crashed, oldest first.")] = False,
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
    """Continue an execution whose process has crashed. Recorded results are not asked for again."""
    import sfnrun
    from sfnrun.cli.arguments import cache_options, configured
    from sfnrun.cli.errors import report
    from sfnrun.cli.output import print_json
    from sfnrun.cli.running import continue_run, exit_code, print_output
    from sfnrun.cli.runs import store_of

    if runs and all_:
        raise UsageError("--all cannot be combined with a RUN", "remove one of them")
    directory = store_of(store)
    paths = _crashed(directory)[::-1] if all_ else [_chosen(run, directory) for run in runs or ["last"]]
    if not paths:
        typer.echo(f"no execution in {directory} has crashed", err=True)
    code = 0
    shapes = []
    for path in paths:
        try:
            result = continue_run(
                path,
                sfnrun.resume,
                display=(quiet, verbose, progress, json),
                output=output,
                debug=debug,
                fsync=fsync,
                cache=cache_options(cache, no_cache, refresh, cache_ttl),
                **configured(functions, config),
            )
        except SfnrunError as error:
            if len(paths) == 1:
                raise
            code = max(code, report(error))
            continue
        code = max(code, exit_code(result))
        if json:
            shapes.append(result)
        else:
            print_output(result, output)
    if json:
        from sfnrun.cli.running import result_json

        found = [result_json(result) for result in shapes]
        print_json(found if all_ or len(paths) > 1 else found[0], output)
    raise typer.Exit(code)


def _chosen(run: str, store: Path) -> Path:
    from sfnrun.cli.runs import history_of

    if run != "last":
        return history_of(run, store)
    crashed = _crashed(store)
    if not crashed:
        raise UsageError(f"no execution in {store} has crashed", "run `sfnrun trace list` to list executions")
    return crashed[0]


def _crashed(store: Path) -> list[Path]:
    """The histories of executions whose process has crashed, newest first."""
    from sfnrun.history.listing import summaries

    return [store / f"{each.name}.jsonl" for each in summaries(store) if each.status == "CRASHED"]


app = command(resume, "sfnrun resume", "sfnrun resume --all --json")
