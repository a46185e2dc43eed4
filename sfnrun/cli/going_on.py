"""What the commands that go on with an execution share: who answers from now on, what is shown, how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sfnrun.api.result import Result

__all__ = ["EXIT_CODES", "Config", "Debug", "Fsync", "Functions", "Json", "Output", "Quiet", "Verbose", "go_on"]

EXIT_CODES = {"SUCCEEDED": 0, "ABORTED": 130}

_WORLD = "Who answers Tasks"
_SHOWN = "What is shown"
_KEPT = "What is kept"

Functions = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of handlers.",
        show_default="as it was",
        rich_help_panel=_WORLD,
        exists=True,
        file_okay=False,
    ),
]
Config = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Configuration.", show_default="as it was", rich_help_panel=_WORLD),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Handlers on the main thread: breakpoint() works.", rich_help_panel=_WORLD)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing but failures.", rich_help_panel=_SHOWN)]
Json = Annotated[bool, typer.Option("--json", help="Events as JSON lines.", rich_help_panel=_SHOWN)]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what each state changed.", rich_help_panel=_SHOWN)]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="The output.", show_default="stdout", rich_help_panel=_KEPT),
]
Fsync = Annotated[
    bool, typer.Option("--fsync", help="Safe from power cuts, too: each answer is on the disk.", rich_help_panel=_KEPT)
]


def go_on(
    path: Path,
    how: "Callable[..., Result]",
    *,
    quiet: bool,
    json: bool,
    verbose: bool,
    debug: bool,
    output: str | None,
    **options: Any,
) -> int:
    """Go on with an execution and show it; return the exit code of its end."""
    from sfnrun.cli.output import check_output, handlers_on_stderr, print_document
    from sfnrun.cli.watching import Watch, recorded_source
    from sfnrun.history.recording import read

    check_output(output)
    recording = read(path)
    real = recording.start.get("clock") != "virtual"
    watch = Watch(quiet=quiet, json=json, verbose=verbose, moving=not debug, real=real)
    with handlers_on_stderr(), watch:
        result = how(
            path,
            listener=watch.listener,
            keep_events=False,
            interruptible=True,
            debug=debug,
            warn=watch.warn,
            **options,
        )
    watch.close(result, recorded_source(recording))
    if result.output_text is not None:
        print_document(result.output_text, output)
    return EXIT_CODES.get(result.status, 1)
