"""`sfnrun trace replay`: executions run again over their recorded answers, to watch, to walk through, or as tests."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sfnrun.cli.arguments import complete_execution
from sfnrun.cli.recorded import Folder, folder_of
from sfnrun.errors import DivergenceError, HistoryError, UsageError

if TYPE_CHECKING:
    from sfnrun.asl.text.source import Source
    from sfnrun.cli.watching import Watch
    from sfnrun.history.recording import Recording

__all__ = ["EXAMPLE", "replay_"]

EXAMPLE = "Example: [bold]sfnrun trace replay --check 'histories/*.jsonl' --definition order.asl.yaml[/bold]"

_PATTERN = "*?["


class OnMissing(StrEnum):
    """What happens to a Task that the recording does not know."""

    RUN = "run"
    MOCK = "mock"
    STOP = "stop"


def replay_(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|last|FILE...",
            help="An execution by its name, the last one, or a history file; with --check several, or a pattern.",
            autocompletion=complete_execution,
            show_default="last",
        ),
    ] = None,
    definition: Annotated[
        str | None,
        typer.Option("--definition", "-d", metavar="FILE", help="The definition.", show_default="as it was"),
    ] = None,
    on_missing: Annotated[
        OnMissing | None,
        typer.Option(
            "--on-missing",
            help="A Task that was not recorded: run its handler, mock it as sfnrun.yaml says (else {}), or stop there.",
            show_default="it is a divergence",
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Tell only whether they go as they went, for CI.")] = False,
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="So many times as fast as it was; max does not wait.")
    ] = "max",
    step: Annotated[bool, typer.Option("--step", help="Walk through it, backwards too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing but a divergence.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what each state changed.")] = False,
    history: Folder = None,
) -> None:
    """Run an execution again over its recorded answers and compare; exit 3 where it goes another way."""
    from sfnrun.cli.trace_step import step_through
    from sfnrun.history.recording import read
    from sfnrun.view.listeners import speed_of

    pace = speed_of(speed)
    paths = _chosen(names or ["last"], folder_of(history))
    if check and (step or pace is not None):
        raise UsageError("--check neither walks nor waits", "leave --step and --speed out")
    if check:
        raise typer.Exit(_check(paths, definition, on_missing, quiet=quiet))
    if len(paths) > 1:
        raise UsageError("one execution is replayed at a time", "--check takes several")
    recording = read(paths[0])
    if step:
        step_through(recording, definition)
        return
    _watch(recording, definition, on_missing, pace, quiet=quiet, json=json, verbose=verbose)


def _value(on_missing: OnMissing | None) -> Literal["fail", "run", "mock", "stop"]:
    return "fail" if on_missing is None else on_missing.value


def _chosen(names: Iterable[str], folder: Path) -> list[Path]:
    """The files of names and patterns."""
    from glob import glob

    from sfnrun.cli.arguments import execution_file

    paths: list[Path] = []
    for name in names:
        if any(character in name for character in _PATTERN) and not Path(name).exists():
            found = sorted(glob(name, recursive=True))
            if not found:
                raise UsageError(f"no history is like {name}", "a pattern is one of files: 'histories/*.jsonl'")
            paths += map(Path, found)
        else:
            paths.append(execution_file(name, folder))
    return paths


def _watch(
    recording: "Recording",
    definition: str | None,
    on_missing: "OnMissing | None",
    pace: float | None,
    *,
    quiet: bool,
    json: bool,
    verbose: bool,
) -> None:
    from sfnrun.api.replay import replay_of
    from sfnrun.cli.output import handlers_on_stderr, print_line
    from sfnrun.cli.watching import Watch, recorded_source
    from sfnrun.view.listeners import Paced

    watch = Watch(quiet=quiet, json=json, verbose=verbose, real=False, replayed=True)
    listener = watch.listener
    if listener is not None and pace is not None:
        listener = Paced(listener, pace)
    try:
        with handlers_on_stderr(), watch:
            result = replay_of(recording, definition=definition, listener=listener, unrecorded=_value(on_missing))
    except DivergenceError as divergence:
        _tell(watch, divergence, recording, definition)
        raise typer.Exit(divergence.exit_code) from None
    watch.close(result, recorded_source(recording) if definition is None else None)
    if result.output_text is not None:
        print_line(result.output_text)


def _check(paths: list[Path], definition: str | None, on_missing: "OnMissing | None", *, quiet: bool) -> int:
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
            result = replay_of(recording, definition=definition, unrecorded=_value(on_missing))
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
