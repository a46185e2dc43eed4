"""`sfnrun execute`: runs a definition against local handlers; the output alone goes to stdout."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli.cache_options import Cache, CacheTtl, NoCache, Refresh, cache_options
from sfnrun.errors import UsageError

if TYPE_CHECKING:
    import sfnrun
    from sfnrun.cli.watching import Watch
    from sfnrun.errors import Problem

__all__ = ["app"]

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

EXAMPLE = "Example: [bold]sfnrun execute order.asl.yaml --input order.json | jq .total[/bold]"


class Clock(StrEnum):
    """Whose time Waits, backoffs and timeouts take."""

    REAL = "real"
    VIRTUAL = "virtual"


class WorkflowType(StrEnum):
    """The service's two kinds of workflow."""

    STANDARD = "STANDARD"
    EXPRESS = "EXPRESS"


_EXIT_CODES = {"SUCCEEDED": 0, "ABORTED": 130}

_WORLD = "Who answers Tasks"
_RUN = "How it runs"
_SHOWN = "What is shown"
_KEPT = "What is kept"


@app.command(epilog=EXAMPLE)
def execute(
    definition: Annotated[
        str, typer.Argument(metavar="DEFINITION", help="The definition (JSON or YAML); - is stdin.", show_default=False)
    ],
    input_: Annotated[
        str | None, typer.Option("--input", "-i", metavar="FILE|-|JSON", help="The input; {} if left out.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value for ${Name} in the definition.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the execution.", show_default="machine and time")] = None,
    functions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of handlers.",
            show_default="functions/",
            rich_help_panel=_WORLD,
            exists=True,
            file_okay=False,
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Configuration.", show_default="sfnrun.yaml", rich_help_panel=_WORLD),
    ] = None,
    mock_config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A MockConfigFile.json of Step Functions Local.", rich_help_panel=_WORLD),
    ] = None,
    test_case: Annotated[
        str | None, typer.Option(metavar="NAME", help="The test case of --mock-config.", rich_help_panel=_WORLD)
    ] = None,
    cache: Cache = False,
    no_cache: NoCache = False,
    refresh: Refresh = None,
    cache_ttl: CacheTtl = None,
    clock: Annotated[
        Clock, typer.Option(help="virtual: waits, backoffs and timeouts cost nothing.", rich_help_panel=_RUN)
    ] = Clock.REAL,
    workflow_type: Annotated[
        WorkflowType, typer.Option("--type", help="Type of the workflow.", rich_help_panel=_RUN)
    ] = WorkflowType.STANDARD,
    seed: Annotated[
        int | None, typer.Option(help="Decides all chance: the same seed, the same history.", rich_help_panel=_RUN)
    ] = None,
    no_limits: Annotated[
        bool, typer.Option("--no-limits", help="Lift AWS's quotas (256 KiB, 25,000 events…).", rich_help_panel=_RUN)
    ] = False,
    step: Annotated[
        bool, typer.Option("--step", help="Stop before every state: run, skip, edit or quit.", rich_help_panel=_RUN)
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Handlers on the main thread: breakpoint() works.", rich_help_panel=_RUN),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show nothing but failures.", rich_help_panel=_SHOWN)
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.", rich_help_panel=_SHOWN)] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what each state changed.", rich_help_panel=_SHOWN)
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The output.", show_default="stdout", rich_help_panel=_KEPT
        ),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Histories.", show_default=".sfnrun/executions", rich_help_panel=_KEPT),
    ] = None,
    no_history: Annotated[bool, typer.Option("--no-history", help="Keep no history.", rich_help_panel=_KEPT)] = False,
    fsync: Annotated[
        bool,
        typer.Option("--fsync", help="Safe from power cuts, too: each answer is on the disk.", rich_help_panel=_KEPT),
    ] = False,
) -> None:
    """Run a state machine; its output goes to stdout, alone."""
    from sfnrun.api.prestart import prestart

    if not debug:
        prestart(definition)
    import sfnrun
    from sfnrun.asl.load import machine_in
    from sfnrun.cli.arguments import read_input, substitutions
    from sfnrun.cli.output import check_output, handlers_on_stderr, print_document
    from sfnrun.cli.watching import Watch
    from sfnrun.config import load_project

    if (mock_config is None) != (test_case is None):
        raise UsageError("--mock-config and --test-case go together", "give both, or neither")
    check_output(output)
    watch = Watch(quiet=quiet, json=json, verbose=verbose, moving=not (step or debug), real=clock is Clock.REAL)
    project = load_project(Path(definition).parent, config=config)
    path, _, part = definition.rpartition("#") if "#" in definition else (definition, "", "")
    project = project.for_machine(project.machine_at(path, part))
    source = machine_in(definition, {**project.substitutions, **substitutions(set_)}, limits=not no_limits)
    machine = sfnrun.load(
        source,
        workflow_type=workflow_type.value,
        limits=not no_limits,
        ignore=project.settings.ignore,
        on_warnings=lambda warnings: _warn(watch, warnings),
    )
    payload = read_input(input_)
    stepper = _stepper(watch) if step else None
    options: sfnrun.Options = {
        "clock": clock.value,
        "type": workflow_type.value,
        "limits": not no_limits,
        "functions": functions,
        "mock_config": mock_config,
        "test_case": test_case,
        "step": stepper,
        "debug": debug,
        "store": None if no_history else history or project.store,
        "listener": watch.listener,
        "keep_events": False,
        "interruptible": True,
        "fsync": fsync,
        "cache": cache_options(cache, no_cache, refresh, cache_ttl),
        "warn": watch.warn,
    }
    if seed is not None:
        options["seed"] = seed
    with handlers_on_stderr(), watch, sfnrun.Session(project, **options) as session:
        result = session.run(machine, payload, name=name)
    watch.close(result, source)
    if result.output_text is not None:
        print_document(result.output_text, output)
    raise typer.Exit(_EXIT_CODES.get(result.status, 1))


def _warn(watch: "Watch", warnings: "list[Problem]") -> None:
    """The warnings in one line: what the first says, and where to see the others."""
    first = warnings[0]
    place = f"{first.path}:{first.span.line}:{first.span.column}" if first.span else first.path
    more = f" (and {len(warnings) - 1} more: sfnrun validate {first.path})" if len(warnings) > 1 else ""
    watch.warn(f"{place}: warning {first.rule}: {first.message}{more}")


def _stepper(watch: "Watch") -> "Callable[[sfnrun.Pause], sfnrun.Resumed]":
    from sfnrun.view.stepper import Stepper, open_terminal

    return Stepper(open_terminal().readline, watch.trace.write)
