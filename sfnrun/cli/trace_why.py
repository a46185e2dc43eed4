"""`sfnrun trace why` and `trace show --state`: one visit of a state, explained."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli.recorded import Folder, Name, folder_of

if TYPE_CHECKING:
    from sfnrun.explain.explanation import Explanation
    from sfnrun.history.recording import Recording
    from sfnrun.view.line import Line

__all__ = ["EXAMPLE", "Attempt", "Item", "Visited", "tell", "why"]

EXAMPLE = "Example: [bold]sfnrun trace why last --state ChargeCard[/bold]"

Visited = Annotated[
    int | None,
    typer.Option("--visit", metavar="N", help="Which visit of it, from 1.", show_default="the worst, else the last"),
]
Attempt = Annotated[
    int | None,
    typer.Option("--attempt", metavar="N", help="Which attempt of the visit, from 1.", show_default="the last"),
]
Item = Annotated[
    str | None,
    typer.Option("--item", metavar="I", help="In which Map item or branch, from 0 (2/0: the item 0 inside item 2)."),
]


class WhyFormat(StrEnum):
    """What `trace why` writes."""

    TEXT = "text"
    JSON = "json"


def why(
    name: Name = "last",
    state: Annotated[
        str | None, typer.Option("--state", "-s", metavar="S", help="The state.", show_default="the one that failed")
    ] = None,
    visit: Visited = None,
    item: Item = None,
    format: Annotated[WhyFormat, typer.Option(help="For people, or as one JSON object.")] = WhyFormat.TEXT,
    history: Folder = None,
) -> None:
    """Say why a state went as it did: the rule that matched, retries and their delays, Catchers, the cache."""
    from sfnrun.cli.arguments import execution_file
    from sfnrun.explain.explain import explain
    from sfnrun.history.recording import read
    from sfnrun.view.explanation import why as lines_of

    recording = read(execution_file(name, folder_of(history)))
    explanation = explain(recording, state or _failed_state(recording), visit=visit, item=item)
    tell(explanation, lines_of, json=format is WhyFormat.JSON)


def _failed_state(recording: "Recording") -> str:
    from sfnrun.errors import UsageError
    from sfnrun.history.timeline import timeline_of

    failed = [visit for visit in timeline_of(recording) if visit.outcome == "failed"]
    if not failed:
        raise UsageError("no state of this execution failed", "say which one: --state NAME")
    return failed[-1].name


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
