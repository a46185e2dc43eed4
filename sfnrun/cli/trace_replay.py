"""`sfnrun trace replay`: executions run again over their recorded answers, to watch, to walk through, or as tests."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sfnrun.cli import options
from sfnrun.errors import DivergenceError, HistoryError, UsageError

if TYPE_CHECKING:
    from sfnrun.asl.text.source import Source
    from sfnrun.cli.watching import Watch
    from sfnrun.history.recording import Recording

__all__ = ["replay_"]


Unrecorded = Literal["fail", "run", "mock", "stop"]


def replay_(
    runs: options.Runs = None,
    check: Annotated[bool, typer.Option("--check", help="Report only whether each replay diverged. For CI.")] = False,
    unrecorded: Annotated[
        Unrecorded,
        typer.Option("--unrecorded", metavar="HOW", help="Tasks without a recorded result: fail, run, mock or stop."),
    ] = "fail",
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="Factor of the original speed; max does not wait.")
    ] = "max",
    definition: options.Definition = None,
    step: options.Step = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    progress: options.Progress = None,
    store: options.Store = None,
) -> None:
    """Replay executions from their recorded results and compare every event. No handler runs."""
    from sfnrun.cli.runs import histories_of, store_of
    from sfnrun.cli.trace_step import step_through
    from sfnrun.history.recording import read
    from sfnrun.view.listeners import speed_of

    pace = speed_of(speed)
    paths = histories_of(runs or ["last"], store_of(store))
    if check and (step or pace is not None):
        raise UsageError("--check cannot be combined with --step or --speed", "remove --step and --speed")
    if check:
        raise typer.Exit(_check(paths, definition, unrecorded, quiet=quiet))
    if len(paths) > 1:
        raise UsageError("cannot replay several executions at once", "pass --check to check several executions")
    recording = read(paths[0])
    if step:
        step_through(recording, definition)
        return
    _watch(recording, definition, unrecorded, pace, quiet=quiet, json=progress == "json", verbose=bool(verbose))


def _watch(
    recording: "Recording",
    definition: str | None,
    unrecorded: Unrecorded,
    pace: float | None,
    *,
    quiet: bool,
    json: bool,
    verbose: bool,
) -> None:
    from sfnrun.api.replay import replay_of
    from sfnrun.cli.output import handlers_on_stderr, print_value
    from sfnrun.cli.watching import Watch, recorded_source
    from sfnrun.view.listeners import Paced

    watch = Watch(quiet=quiet, json=json, verbose=verbose, real=False, replayed=True)
    listener = watch.listener
    if listener is not None and pace is not None:
        listener = Paced(listener, pace)
    try:
        with handlers_on_stderr(), watch:
            result = replay_of(recording, definition=definition, listener=listener, unrecorded=unrecorded)
    except DivergenceError as divergence:
        _tell(watch, divergence, recording, definition)
        raise typer.Exit(divergence.exit_code) from None
    watch.close(result, recorded_source(recording) if definition is None else None)
    if result.output_text is not None:
        print_value(result.output_text)


def _check(paths: list[Path], definition: str | None, unrecorded: Unrecorded, *, quiet: bool) -> int:
    """Replay all of them, say which went another way, and return the exit code."""
    from sfnrun.api.replay import replay_of
    from sfnrun.cli.errors import report as told
    from sfnrun.cli.watching import Watch
    from sfnrun.history.recording import read
    from sfnrun.view.line import Line
    from sfnrun.view.text import counted

    watch = Watch(quiet=True, moving=False)
    diverged = unreadable = 0
    for path in paths:
        try:
            recording = read(path)
            result = replay_of(recording, definition=definition, unrecorded=unrecorded)
        except HistoryError as error:
            unreadable = told(error)
        except DivergenceError as divergence:
            diverged += 1
            watch.trace.say(Line("bad", text=f"✗ {path}"))
            _tell(watch, divergence, recording, definition)
        else:
            if not quiet:
                watch.trace.say(Line("good", text=f"✓ {path}  {result.status}, {counted(result.event_count, 'event')}"))
    summary = f"{counted(len(paths), 'history')} replayed, {diverged or 'none'} diverged"
    watch.trace.say(Line("bad" if diverged else "good", text=summary))
    return DivergenceError.exit_code if diverged else unreadable


def _tell(watch: "Watch", divergence: DivergenceError, recording: "Recording", definition: str | None) -> None:
    from sfnrun.cli.watching import place_of
    from sfnrun.view.summary import divergence_lines

    place = place_of(_source(recording, definition), divergence.state) if divergence.state else None
    for line in divergence_lines(divergence, place):
        watch.trace.say(line)


def _source(recording: "Recording", definition: str | None) -> "Source":
    from sfnrun.asl.load import read_source
    from sfnrun.cli.watching import recorded_source

    if definition is None:
        return recorded_source(recording)
    return read_source(definition, substitutions=recording.start["substitutions"], limits=False)
