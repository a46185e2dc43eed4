"""`sfnrun trace diff`: two executions side by side from where they part."""

from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli.arguments import complete_execution
from sfnrun.cli.recorded import Folder, folder_of

if TYPE_CHECKING:
    from sfnrun.history.recording import Recording

__all__ = ["EXAMPLE", "diff"]

EXAMPLE = "Example: [bold]sfnrun trace diff yesterday last[/bold]"

_MOST = 40


def diff(
    left: Annotated[
        str,
        typer.Argument(metavar="A", help="One execution: a name, last, or a file.", autocompletion=complete_execution),
    ],
    right: Annotated[str, typer.Argument(metavar="B", help="The other.", autocompletion=complete_execution)],
    all_: Annotated[bool, typer.Option("--all", help="Show every event after the first difference.")] = False,
    history: Folder = None,
) -> None:
    """Show two executions side by side from the first difference; exit 1 if there is one."""
    import shutil

    from sfnrun.cli.arguments import execution_file
    from sfnrun.cli.output import trace_on_stdout
    from sfnrun.history.diff import in_order, side_by_side
    from sfnrun.history.recording import read
    from sfnrun.view.diff import diff_lines
    from sfnrun.view.line import Line

    folder = folder_of(history)
    one, other = (read(execution_file(name, folder)) for name in (left, right))
    rows = list(side_by_side(in_order(one), in_order(other)))
    names = (one.start["name"], other.start["name"])
    width = max(80, shutil.get_terminal_size((160, 24)).columns)
    with trace_on_stdout() as trace:
        if _definition(one) != _definition(other):
            trace.say(Line("text", text="their definitions differ"))
        for line in diff_lines(rows, names, width=width, most=None if all_ else _MOST):
            trace.say(line)
    raise typer.Exit(int(not all(row.is_equal for row in rows)))


def _definition(recording: "Recording") -> object:
    return recording.start["sha256"], recording.start["substitutions"]
