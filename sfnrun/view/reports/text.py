"""Problems as text: `file:line:col: error RULE CODE: message`, the line with a caret, and the hint."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from sfnrun.errors import Problem, caret
from sfnrun.view.palette import has_color, paint
from sfnrun.view.reports.checked import Checked
from sfnrun.view.text import clean

__all__ = ["MOST", "lines", "report"]

# Limit per file; the other formats are complete.
MOST = 200


def report(files: Sequence[Checked]) -> str:
    """Every problem of every file, in colors if stdout shows them."""
    is_colored = has_color(sys.stdout)
    return "\n".join(line for file in files for line in lines(file, is_colored=is_colored))


def lines(file: Checked, *, is_colored: bool = False) -> Iterator[str]:
    """The lines of one file; of very many problems the first ones, and the number of the others."""
    for problem in file.problems[:MOST]:
        yield from _colored(problem) if is_colored else _plain(problem)
    more = len(file.problems) - MOST
    if more > 0:
        yield f"{file.path}: {more:,} more problems; --json lists all of them"


def _plain(problem: Problem) -> Iterator[str]:
    yield f"{_where(problem)}: {problem.severity} {problem.rule}{_code(problem)}: {clean(problem.message)}"
    if problem.span and problem.source_line:
        yield caret(problem.source_line, problem.span)
    if problem.hint:
        yield f"  help: {clean(problem.hint)}"


def _colored(problem: Problem) -> Iterator[str]:
    severity = problem.severity
    what = f"{paint(f'{severity} {problem.rule}', severity)}{paint(_code(problem), 'faint')}"
    yield f"{paint(_where(problem), 'name')}: {what}: {paint(clean(problem.message), 'name')}"
    if problem.span and problem.source_line:
        shown, under = caret(problem.source_line, problem.span).split("\n")
        gutter, bar, carets = under.partition("|")
        number, _, text = shown.partition("|")
        yield f"{paint(f'{number}|', 'faint')}{text}"
        yield f"{paint(gutter + bar, 'faint')}{paint(carets, severity)}"
    if problem.hint:
        yield f"  {paint('help', 'info')}: {clean(problem.hint)}"


def _where(problem: Problem) -> str:
    path = clean(problem.path)
    return f"{path}:{problem.span.line}:{problem.span.column}" if problem.span else path


def _code(problem: Problem) -> str:
    return f" {problem.code}" if problem.code else ""
