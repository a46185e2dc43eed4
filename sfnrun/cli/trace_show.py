"""`sfnrun trace show`: the trace of an execution, or the data of one state."""

from pathlib import Path
from typing import TYPE_CHECKING

from sfnrun.cli import options, trace_why

if TYPE_CHECKING:
    from sfnrun.history.recording import Recording

__all__ = ["show"]


def show(
    address: options.Address = "last",
    verbose: options.Verbose = 0,
    json: options.Json = False,
    store: options.Store = None,
) -> None:
    """Show the trace of an execution, or the data of one state at each processing stage."""
    from sfnrun.cli.runs import split_address, store_of
    from sfnrun.history.recording import read
    from sfnrun.view.explanation import stages

    path, place = split_address(address, store_of(store))
    recording = read(path)
    if place is not None:
        trace_why.tell(trace_why.explained(recording, place), stages, json=json)
    elif json:
        _as_json(path)
    else:
        _as_text(recording, bool(verbose))


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


def _as_json(path: Path) -> None:
    from sfnrun.api.result import recorded_result
    from sfnrun.cli.output import print_json
    from sfnrun.cli.running import result_json
    from sfnrun.history.store import FolderStore

    print_json(result_json(recorded_result(FolderStore(path.parent), path.stem)))
