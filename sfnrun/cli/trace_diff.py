"""`sfnrun trace diff`: two executions side by side from where they part."""

from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli.arguments import complete_execution
from sfnrun.cli.recorded import Folder, folder_of

if TYPE_CHECKING:
    from sfnrun.history.file import Recording

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
    import io
    import shutil

    from sfnrun.cli.arguments import execution_file
    from sfnrun.cli.output import write_text
    from sfnrun.history.alignment import beside, in_order
    from sfnrun.history.file import read
    from sfnrun.view.beside import side_by_side
    from sfnrun.view.plain import PlainTrace

    folder = folder_of(history)
    one, other = (read(execution_file(name, folder)) for name in (left, right))
    rows = list(beside(in_order(one), in_order(other)))
    text = io.StringIO()
    trace = PlainTrace(text, encoding="utf-8")
    names = (one.start["name"], other.start["name"])
    width = max(80, shutil.get_terminal_size((160, 24)).columns)
    if _definition(one) != _definition(other):
        text.write("their definitions differ\n")
    for line in side_by_side(rows, names, width=width, most=None if all_ else _MOST):
        trace.say(line)
    write_text(text.getvalue().rstrip("\n"))
    raise typer.Exit(int(not all(row.is_equal for row in rows)))


def _definition(recording: "Recording") -> object:
    return recording.start["sha256"], recording.start["substitutions"]
