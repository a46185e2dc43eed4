"""`sfnrun trace export`: a recorded execution in the formats of others."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli.recorded import Folder, Name, folder_of

if TYPE_CHECKING:
    from sfnrun.history.recording import Recording
    from sfnrun.view.graph.model import Graph, Path

__all__ = ["EXAMPLE", "export"]

EXAMPLE = "Example: [bold]sfnrun trace export last --format svg -o run.svg[/bold]"


class ExportFormat(StrEnum):
    """What `trace export` writes."""

    AWS = "aws"
    CHROME = "chrome"
    CSV = "csv"
    DOT = "dot"
    JUNIT = "junit"
    MERMAID = "mermaid"
    SVG = "svg"


def export(
    name: Name = "last",
    format: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            "-f",
            help="aws: as get-execution-history prints it. chrome: for ui.perfetto.dev. dot, mermaid, svg: the graph "
            "with the path taken. csv: a row for each visit of a state. junit: for CI servers.",
            show_default=False,
        ),
    ] = ExportFormat.AWS,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="The file.", show_default="stdout")
    ] = None,
    history: Folder = None,
) -> None:
    """Write an execution as AWS has it, as a picture, a table, a timeline or a test report."""
    from sfnrun.cli.arguments import execution_file
    from sfnrun.cli.output import print_document
    from sfnrun.history.recording import read

    print_document(_FORMATS[format](read(execution_file(name, folder_of(history)))), output)


def _aws(recording: "Recording") -> str:
    import json

    from sfnrun.history.aws.events import aws_document

    return json.dumps(aws_document(recording), indent=4, ensure_ascii=False)


def _chrome(recording: "Recording") -> str:
    from sfnrun.history.exports.chrome import chrome

    return chrome(recording)


def _csv(recording: "Recording") -> str:
    from sfnrun.history.exports.csv import csv

    return csv(recording)


def _junit(recording: "Recording") -> str:
    from sfnrun.history.exports.junit import junit

    return junit(recording)


def _dot(recording: "Recording") -> str:
    from sfnrun.view.graph.dot import dot

    return dot(*_graph(recording))


def _mermaid(recording: "Recording") -> str:
    from sfnrun.view.graph.mermaid import mermaid

    return mermaid(*_graph(recording))


def _svg(recording: "Recording") -> str:
    from sfnrun.view.graph.svg import svg

    return svg(*_graph(recording))


def _graph(recording: "Recording") -> "tuple[Graph, Path]":
    """The graph of the recorded definition, and the path through it."""
    from sfnrun.asl.text.source import from_text
    from sfnrun.history.timeline import timeline_of
    from sfnrun.view.graph.model import graph_of, path_of

    start = recording.start
    source = from_text(start["definition"], start["file"], substitutions=start["substitutions"], limits=False)
    return graph_of(source.value), path_of(timeline_of(recording))


_FORMATS: "dict[ExportFormat, Callable[[Recording], str]]" = {
    ExportFormat.AWS: _aws,
    ExportFormat.CHROME: _chrome,
    ExportFormat.CSV: _csv,
    ExportFormat.DOT: _dot,
    ExportFormat.JUNIT: _junit,
    ExportFormat.MERMAID: _mermaid,
    ExportFormat.SVG: _svg,
}
