"""`sfnrun trace diff`: two executions side by side from where they part."""

from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli import options
from sfnrun.cli.completion import complete_run

if TYPE_CHECKING:
    from sfnrun.history.recording import Recording

__all__ = ["diff"]

_MOST = 40


def diff(
    left: Annotated[str, typer.Argument(metavar="RUN", help="First execution.", autocompletion=complete_run)],
    right: Annotated[str, typer.Argument(metavar="[RUN]", help="Second one.", autocompletion=complete_run)] = "last",
    all_: options.All = False,
    store: options.Store = None,
) -> None:
    """Compare two executions side by side, from the first difference."""
    import shutil

    from sfnrun.cli.output import trace_on_stdout
    from sfnrun.cli.runs import history_of, store_of
    from sfnrun.history.diff import in_order, side_by_side
    from sfnrun.history.recording import read
    from sfnrun.view.diff import diff_lines
    from sfnrun.view.line import Line

    folder = store_of(store)
    one, other = (read(history_of(name, folder)) for name in (left, right))
    rows = list(side_by_side(in_order(one), in_order(other)))
    names = (one.start["name"], other.start["name"])
    width = max(80, shutil.get_terminal_size((160, 24)).columns)
    with trace_on_stdout() as trace:
        if _definition(one) != _definition(other):
            trace.say(Line("text", text="the definitions differ"))
        for line in diff_lines(rows, names, width=width, most=None if all_ else _MOST):
            trace.say(line)
    raise typer.Exit(int(not all(row.is_equal for row in rows)))


def _definition(recording: "Recording") -> object:
    return recording.start["sha256"], recording.start["substitutions"]
