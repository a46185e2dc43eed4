"""`sfnrun trace export`: a recorded execution in the formats of others."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli import options

if TYPE_CHECKING:
    from sfnrun.history.recording import Recording
    from sfnrun.view.graph.model import Graph, Path

__all__ = ["export"]


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
    run: options.Run = "last",
    format: Annotated[
        ExportFormat | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="aws, chrome (for ui.perfetto.dev), csv, dot, junit, mermaid or svg.",
            show_default="by the suffix of -o, else aws",
        ),
    ] = None,
    output: options.Output = None,
    store: options.Store = None,
) -> None:
    """Export an execution as AWS history, diagram, table, timeline or test report."""
    from sfnrun.cli.output import print_document
    from sfnrun.cli.runs import history_of, store_of
    from sfnrun.history.recording import read

    chosen = format or _SUFFIXES.get((output or "").rpartition(".")[2], ExportFormat.AWS)
    print_document(_FORMATS[chosen](read(history_of(run, store_of(store)))), output)


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


_SUFFIXES = {
    "csv": ExportFormat.CSV,
    "dot": ExportFormat.DOT,
    "mmd": ExportFormat.MERMAID,
    "svg": ExportFormat.SVG,
    "xml": ExportFormat.JUNIT,
}
_FORMATS: "dict[ExportFormat, Callable[[Recording], str]]" = {
    ExportFormat.AWS: _aws,
    ExportFormat.CHROME: _chrome,
    ExportFormat.CSV: _csv,
    ExportFormat.DOT: _dot,
    ExportFormat.JUNIT: _junit,
    ExportFormat.MERMAID: _mermaid,
    ExportFormat.SVG: _svg,
}
