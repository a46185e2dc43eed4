"""`sfnrun trace`: recorded executions listed, shown and replayed; user code is never imported."""

import typer

from sfnrun.cli import trace_diff, trace_export, trace_import, trace_list, trace_replay, trace_show, trace_why

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="List, show, explain, compare and replay recorded executions.",
    epilog="Example: [bold]sfnrun trace show last[/bold]",
    rich_markup_mode="rich",
    add_completion=False,
)

app.command("list", epilog=trace_list.EXAMPLE)(trace_list.list_)
app.command("show", epilog=trace_show.EXAMPLE)(trace_show.show)
app.command("replay", epilog=trace_replay.EXAMPLE)(trace_replay.replay_)
app.command("why", epilog=trace_why.EXAMPLE)(trace_why.why)
app.command("diff", epilog=trace_diff.EXAMPLE)(trace_diff.diff)
app.command("import", epilog=trace_import.EXAMPLE)(trace_import.import_)
app.command("export", epilog=trace_export.EXAMPLE)(trace_export.export)
