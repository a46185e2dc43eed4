"""Problems as workflow commands of GitHub Actions, which shows them beside the lines of a pull request.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sfnrun.errors import Problem
from sfnrun.view.reports.checked import Checked

__all__ = ["report"]

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}
_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def report(files: Sequence[Checked]) -> str:
    """A line for each problem."""
    return "\n".join(_command(file, problem) for file in files for problem in file.problems)


def _command(file: Checked, problem: Problem) -> str:
    command = "error" if file.fails(problem) else _COMMANDS[problem.severity]
    properties = ",".join(f"{name}={value.translate(_IN_PROPERTIES)}" for name, value in _properties(file, problem))
    text = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    return f"::{command} {properties}::{text.translate(_IN_DATA)}"


def _properties(file: Checked, problem: Problem) -> Iterator[tuple[str, str]]:
    span = problem.span
    yield "file", file.path
    if span:
        yield "line", str(span.line)
        yield "endLine", str(span.end_line)
        # Columns are understood on one line only, and there the last one is inclusive.
        if span.end_line == span.line:
            yield "col", str(span.column)
            yield "endColumn", str(max(span.column, span.end_column - 1))
    yield "title", f"{problem.rule} {problem.code}".strip()
