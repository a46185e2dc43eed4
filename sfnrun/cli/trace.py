"""`sfnrun trace`: recorded executions listed, shown and replayed; user code is never imported."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli import trace_diff, trace_export, trace_import, trace_list, trace_replay, trace_why
from sfnrun.cli.recorded import Folder, Name, folder_of

if TYPE_CHECKING:
    from sfnrun.history.file import Recording

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="List, show, explain, compare and replay recorded executions.",
    epilog="Example: [bold]sfnrun trace show last[/bold]",
    rich_markup_mode="rich",
    add_completion=False,
)


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
    from sfnrun.cli.output import write_text
    from sfnrun.explain import explain
    from sfnrun.history.file import read
    from sfnrun.view.account import stages

    recording = read(execution_file(name, folder_of(history)))
    if state is None and format is ShowFormat.TEXT:
        _show(recording, verbose)
        return
    if state is None:
        write_text(_SHOWN[format](recording, verbose))
        return
    account = explain(recording, state, visit=visit, attempt=attempt, item=item)
    trace_why.tell(account, stages, json=format is not ShowFormat.TEXT)


def _show(recording: "Recording", verbose: bool) -> None:
    """The trace."""
    from sfnrun.cli.output import trace_on_stdout
    from sfnrun.cli.watching import ending_of
    from sfnrun.history.retold import retell
    from sfnrun.view.closing import closing
    from sfnrun.view.story import Story

    with trace_on_stdout() as trace:
        story = Story(trace.say, verbose=verbose)
        retell(recording, story)
        if story.status == "RUNNING":
            story.say_open()
        for line in closing(ending_of(story, recording)):
            trace.say(line)


def _shown_as_json(recording: "Recording", verbose: bool) -> str:
    import io

    from sfnrun.history.retold import retell
    from sfnrun.view.jsonlines import JsonLines

    text = io.StringIO()
    retell(recording, JsonLines(text))
    return text.getvalue().rstrip("\n")


def _shown_as_aws(recording: "Recording", verbose: bool) -> str:
    import json

    from sfnrun.history.exports.aws import aws_document

    return json.dumps(aws_document(recording), indent=4, ensure_ascii=False)


_SHOWN = {ShowFormat.JSON: _shown_as_json, ShowFormat.AWS: _shown_as_aws}


app.command("replay", epilog=trace_replay.EXAMPLE)(trace_replay.replay_)
app.command("why", epilog=trace_why.EXAMPLE)(trace_why.why)
app.command("diff", epilog=trace_diff.EXAMPLE)(trace_diff.diff)
app.command("import", epilog=trace_import.EXAMPLE)(trace_import.import_)
app.command("export", epilog=trace_export.EXAMPLE)(trace_export.export)
