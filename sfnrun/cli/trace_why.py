"""`sfnrun trace why`: one visit of a state, explained."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sfnrun.cli import options

if TYPE_CHECKING:
    from sfnrun.explain.explanation import Explanation
    from sfnrun.history.recording import Recording
    from sfnrun.view.line import Line

__all__ = ["explained", "tell", "why"]


def why(address: options.Address = "last", json: options.Json = False, store: options.Store = None) -> None:
    """Explain the outcome of a state: Choice rules, retries and their delays, catchers, cache lookups."""
    from sfnrun.cli.runs import split_address, store_of
    from sfnrun.history.recording import read
    from sfnrun.view.explanation import why as lines_of

    path, place = split_address(address, store_of(store))
    tell(explained(read(path), place), lines_of, json=json)


def explained(recording: "Recording", place: str | None) -> "Explanation":
    """The explanation of a place, by default of the last failure."""
    from sfnrun.cli.runs import visit_at
    from sfnrun.errors import UsageError
    from sfnrun.explain.explain import explain
    from sfnrun.history.timeline import timeline_of

    visits = timeline_of(recording)
    if place is None:
        failed = [visit for visit in visits if visit.outcome == "failed"]
        if not failed:
            raise UsageError("no state failed in this execution", "name a place: RUN:STATE")
        return explain(recording, failed[-1].name)
    found = visit_at(place, [visit.name for visit in visits])
    return explain(recording, found.state, visit=found.visit, attempt=found.attempt, item=found.item)


def tell(explanation: "Explanation", lines_of: "Callable[[Explanation], Iterator[Line]]", *, json: bool) -> None:
    """Print an explanation, as one JSON object or as lines."""
    from sfnrun.cli.output import print_line, trace_on_stdout
    from sfnrun.view.explanation import explanation_as_json

    if json:
        print_line(explanation_as_json(explanation))
        return
    with trace_on_stdout() as trace:
        for line in lines_of(explanation):
            trace.say(line)
