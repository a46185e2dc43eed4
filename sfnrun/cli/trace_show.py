"""`sfnrun trace show`: what happened, for people, for programs or as AWS tells it; or the data in one state."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli import trace_why
from sfnrun.cli.recorded import Folder, Name, folder_of

if TYPE_CHECKING:
    from sfnrun.history.recording import Recording

__all__ = ["EXAMPLE", "show"]

EXAMPLE = "Example: [bold]sfnrun trace show last --format aws | jq '.events[].type'[/bold]"


class ShowFormat(StrEnum):
    """What `trace show` writes: lines for people, JSON lines, or what `aws stepfunctions` prints."""

    TEXT = "text"
    JSON = "json"
    AWS = "aws"


def show(
    name: Name = "last",
    format: Annotated[ShowFormat, typer.Option(help="For people, as JSON lines, or as AWS's CLI has it.")] = (
        ShowFormat.TEXT
    ),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what each state changed.")] = False,
    state: Annotated[
        str | None, typer.Option("--state", "-s", metavar="S", help="The data of this state at every stage.")
    ] = None,
    visit: trace_why.Visited = None,
    attempt: trace_why.Attempt = None,
    item: trace_why.Item = None,
    history: Folder = None,
) -> None:
    """Show what happened in an execution, or with --state what happened to the data in one state."""
    from sfnrun.cli.arguments import execution_file
    from sfnrun.explain.explain import explain
    from sfnrun.history.recording import read
    from sfnrun.view.explanation import stages

    recording = read(execution_file(name, folder_of(history)))
    if state is None:
        _SHOWN[format](recording, verbose)
    else:
        explanation = explain(recording, state, visit=visit, attempt=attempt, item=item)
        trace_why.tell(explanation, stages, json=format is not ShowFormat.TEXT)


def _as_text(recording: "Recording", verbose: bool) -> None:
    from sfnrun.cli.output import trace_on_stdout
    from sfnrun.cli.watching import ending_of
    from sfnrun.view.summary import summary_lines
    from sfnrun.view.trace import TraceLines

    with trace_on_stdout() as trace:
        lines = TraceLines(trace.say, verbose=verbose)
        recording.replay_to(lines)
        if lines.timeline.status == "RUNNING":
            lines.say_open()
        for line in summary_lines(ending_of(lines, recording)):
            trace.say(line)


def _as_json(recording: "Recording", verbose: bool) -> None:
    import io

    from sfnrun.cli.output import print_line
    from sfnrun.view.listeners import JsonLines

    text = io.StringIO()
    recording.replay_to(JsonLines(text))
    print_line(text.getvalue().rstrip("\n"))


def _as_aws(recording: "Recording", verbose: bool) -> None:
    import json

    from sfnrun.cli.output import print_line
    from sfnrun.history.aws.events import aws_document

    print_line(json.dumps(aws_document(recording), indent=4, ensure_ascii=False))


_SHOWN = {ShowFormat.TEXT: _as_text, ShowFormat.JSON: _as_json, ShowFormat.AWS: _as_aws}
