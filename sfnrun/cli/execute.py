"""`sfnrun execute`: run a state machine; its output alone goes to stdout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli import options
from sfnrun.cli.application import command
from sfnrun.errors import UsageError

if TYPE_CHECKING:
    import sfnrun
    from sfnrun.cli.watching import Watch
    from sfnrun.errors import Problem

__all__ = ["app"]


def execute(
    machine: Annotated[
        str,
        typer.Argument(
            metavar="MACHINE",
            help="A definition or FILE#NAME for one in a template; a name in the project; - is stdin.",
            show_default=False,
        ),
    ],
    input_: options.Input = None,
    set_: options.Set = None,
    config: options.Config = None,
    type_: options.Type = None,
    no_limits: options.NoLimits = False,
    functions: options.Functions = None,
    mock_config: options.MockConfig = None,
    test_case: options.TestCase = None,
    cache: options.Cache = False,
    no_cache: options.NoCache = False,
    refresh: options.Refresh = None,
    cache_ttl: options.CacheTtl = None,
    clock: options.Clock = None,
    seed: options.Seed = None,
    step: options.Step = False,
    debug: options.Debug = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    json: options.Json = False,
    progress: options.Progress = None,
    output: options.Output = None,
    store: options.Store = None,
    no_store: options.NoStore = False,
    fsync: options.Fsync = False,
    name: options.Name = None,
) -> None:
    """Run a state machine. Its output goes to stdout, what happens to stderr."""
    from sfnrun.api.prestart import prestart

    if not debug:
        prestart(machine)
    import sfnrun
    from sfnrun.api.definitions import definition_at
    from sfnrun.asl.load import machine_in, split_name
    from sfnrun.cli.arguments import cache_options, checked_directory, read_input, substitutions
    from sfnrun.cli.output import check_output, handlers_on_stderr, print_json
    from sfnrun.cli.running import exit_code, print_output, watch_of
    from sfnrun.config import load_project

    if (mock_config is None) != (test_case is None):
        raise UsageError("--mock-config and --test-case require each other", "pass both or neither")
    if store is not None and no_store:
        raise UsageError("--store cannot be combined with --no-store", "remove one of them")
    check_output(output)
    project = load_project(Path(split_name(machine)[0]).parent, config=config)
    definition = str(definition_at(machine, lambda: project))
    path, part = split_name(definition)
    project = project.for_machine(project.machine_at(path, part or ""))
    is_limited = project.settings.limits.quotas and not no_limits
    time = clock or project.settings.clock or "real"
    watch = watch_of((quiet, verbose, progress, json), moving=not (step or debug), real=time == "real")
    given = substitutions(set_)
    source = machine_in(definition, {**project.substitutions, **given}, limits=is_limited)
    loaded = sfnrun.load(
        source,
        workflow_type=type_ or "STANDARD",
        limits=is_limited,
        ignore=project.settings.ignore,
        on_warnings=lambda warnings: _warn(watch, warnings),
    )
    payload = read_input(input_, Path(store) if store else project.store)
    run_options: sfnrun.Options = {
        "clock": time,
        "type": type_,
        "limits": is_limited,
        "mock_config": mock_config,
        "test_case": test_case,
        "step": _stepper(watch) if step else None,
        "debug": debug,
        "store": None if no_store else store or project.store,
        "listener": watch.listener,
        "keep_events": False,
        "interruptible": True,
        "fsync": fsync,
        "cache": cache_options(cache, no_cache, refresh, cache_ttl),
        "warn": watch.warn,
    }
    if functions is not None:
        run_options["functions"] = checked_directory(functions)
    chance = project.settings.seed if seed is None else seed
    if chance is not None:
        run_options["seed"] = chance
    with handlers_on_stderr(), watch, sfnrun.Session(project, **run_options) as session:
        result = session.run(loaded, payload, name=name)
    watch.close(result, source)
    if json:
        from sfnrun.cli.running import result_json

        print_json(result_json(result), output)
    else:
        print_output(result, output)
    raise typer.Exit(exit_code(result))


def _warn(watch: Watch, warnings: list[Problem]) -> None:
    """Print the first warning, and where to see the others."""
    first = warnings[0]
    place = f"{first.path}:{first.span.line}:{first.span.column}" if first.span else first.path
    more = f" (and {len(warnings) - 1} more: sfnrun validate {first.path})" if len(warnings) > 1 else ""
    watch.warn(f"{place}: warning {first.rule}: {first.message}{more}")


def _stepper(watch: Watch) -> Callable[[sfnrun.Pause], sfnrun.Resumed]:
    from sfnrun.view.stepper import Stepper, open_terminal

    return Stepper(open_terminal().readline, watch.trace.write)


app = command(
    execute,
    "sfnrun execute order.asl.yaml -i order.json",
    "sfnrun execute order.asl.yaml --clock virtual --seed 7 | jq .total",
    exit_codes="Exit codes: 1 the execution failed or timed out; 2 nothing ran; 130 it was aborted.",
)
