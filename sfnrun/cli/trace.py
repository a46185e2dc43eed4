"""`sfnrun trace`: recorded executions listed, shown and replayed; user code is never imported."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfnrun.cli import trace_export, trace_import, trace_list
from sfnrun.cli.recorded import Folder, Name, folder_of

if TYPE_CHECKING:
    from sfnrun.cli.watching import Watch
    from sfnrun.history.file import Recording
    from sfnrun.history.record import Event

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="List, show and replay recorded executions.", rich_markup_mode="rich")


class ShowFormat(StrEnum):
    """What `trace show` writes: lines for people, JSON lines, or what `aws stepfunctions` prints."""

    TEXT = "text"
    JSON = "json"
    AWS = "aws"


Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what each state changed.")]


app.command("list", epilog=trace_list.EXAMPLE)(trace_list.list_)


@app.command("show", epilog="Example: [bold]sfnrun trace show last --format aws | jq '.events[].type'[/bold]")
def show(
    name: Name = "last",
    format: Annotated[ShowFormat, typer.Option(help="For people, as JSON lines, or as AWS's CLI has it.")] = (
        ShowFormat.TEXT
    ),
    verbose: Verbose = False,
    history: Folder = None,
) -> None:
    """Show what happened in an execution."""
    from sfnrun.cli.arguments import execution_file
    from sfnrun.cli.output import write_text
    from sfnrun.history.file import read

    recording = read(execution_file(name, folder_of(history)))
    write_text(_SHOWN[format](recording, verbose))


def _shown_as_text(recording: "Recording", verbose: bool) -> str:
    import io

    from sfnrun.cli.watching import ending_of
    from sfnrun.history.retold import retell
    from sfnrun.view.closing import closing
    from sfnrun.view.plain import PlainTrace
    from sfnrun.view.story import Story

    text = io.StringIO()
    trace = PlainTrace(text, encoding="utf-8")
    story = Story(trace.say, verbose=verbose)
    retell(recording, story)
    for line in closing(ending_of(story, recording)):
        trace.say(line)
    return text.getvalue().rstrip("\n")


def _shown_as_json(recording: "Recording", verbose: bool) -> str:
    import io

    from sfnrun.history.retold import retell
    from sfnrun.view.jsonlines import JsonLines

    text = io.StringIO()
    retell(recording, JsonLines(text))
    return text.getvalue().rstrip("\n")


def _shown_as_aws(recording: "Recording", verbose: bool) -> str:
    import json

    from sfnrun.history.project import aws_event
    from sfnrun.history.retold import events

    told: list[dict[str, Any]] = []
    for event in events(recording):
        projected = aws_event(event)
        told.append({**projected, "timestamp": projected["timestamp"].isoformat()})
    return json.dumps({"events": told}, indent=4, ensure_ascii=False)


_SHOWN = {ShowFormat.TEXT: _shown_as_text, ShowFormat.JSON: _shown_as_json, ShowFormat.AWS: _shown_as_aws}


@app.command("replay", epilog="Example: [bold]sfnrun trace replay last --speed 10[/bold]")
def replay_(
    name: Name = "last",
    speed: Annotated[
        str, typer.Option(metavar="N|max", help="So many times as fast as it was; max does not wait.")
    ] = "max",
    step: Annotated[bool, typer.Option("--step", help="Stop before every state.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing but a divergence.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
    verbose: Verbose = False,
    definition: Annotated[
        str | None, typer.Option(metavar="FILE", help="Replay against this definition, to see what a change changes.")
    ] = None,
    history: Folder = None,
) -> None:
    """Run an execution again over its recorded answers and compare; exit 3 where it goes another way."""
    import sfnrun
    from sfnrun.cli.arguments import execution_file
    from sfnrun.cli.output import write_text
    from sfnrun.cli.watching import Watch, recorded_source
    from sfnrun.history.file import read
    from sfnrun.view.pace import Paced, speed_of

    pace = speed_of(speed)
    recording = read(execution_file(name, folder_of(history)))
    watch = Watch(quiet=quiet, json=json, verbose=verbose, moving=not step, real=False, replayed=True)
    listener = watch.listener
    if listener is not None and (pace is not None or step):
        listener = Paced(listener, pace, before=_pausing(watch) if step else None)
    replay = sfnrun.replay
    with watch:
        result = replay(recording, definition=definition, listener=listener)
    watch.close(result, recorded_source(recording) if definition is None else None)
    if result.output_text is not None:
        write_text(result.output_text)


def _pausing(watch: "Watch") -> "Callable[[Event], None]":
    from sfnrun.view.step import open_terminal, pausing

    return pausing(open_terminal(), watch.trace.write)


app.command("import", epilog=trace_import.EXAMPLE)(trace_import.import_)
app.command("export", epilog=trace_export.EXAMPLE)(trace_export.export)
