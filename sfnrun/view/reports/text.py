"""Problems for people: `file:line:col: error RULE CODE: message`, the line with a caret, and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from sfnrun.errors import Problem, caret
from sfnrun.view.measures import clean
from sfnrun.view.reports.checked import Checked

__all__ = ["MOST", "has_colours", "lines", "report"]

# Nobody reads more of one file; programs get all of them from the other formats.
MOST = 200

_BOLD, _FAINT, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "info": "\x1b[1;36m"}


def report(files: Sequence[Checked]) -> str:
    """Every problem of every file, with colours if stdout is a terminal and NO_COLOR is not set."""
    colours = has_colours()
    return "\n".join(line for file in files for line in lines(file, colours=colours))


def has_colours() -> bool:
    """Whether stdout shows colours: https://no-color.org, and FORCE_COLOR for those who know better."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def lines(file: Checked, *, colours: bool = False) -> Iterator[str]:
    """The lines of one file; of very many problems the first ones, and how many more there are."""
    for problem in file.problems[:MOST]:
        yield from _coloured(problem) if colours else _plain(problem)
    more = len(file.problems) - MOST
    if more > 0:
        yield f"{file.path}: and {more:,} more; --format json gives all of them"


def _plain(problem: Problem) -> Iterator[str]:
    yield f"{_where(problem)}: {problem.severity} {problem.rule}{_code(problem)}: {clean(problem.message)}"
    if problem.span and problem.source_line:
        yield caret(problem.source_line, problem.span)
    if problem.hint:
        yield f"  help: {clean(problem.hint)}"


def _coloured(problem: Problem) -> Iterator[str]:
    colour = _COLOURS[problem.severity]
    what = f"{colour}{problem.severity} {problem.rule}{_RESET}{_FAINT}{_code(problem)}{_RESET}"
    yield f"{_BOLD}{_where(problem)}{_RESET}: {what}: {_BOLD}{clean(problem.message)}{_RESET}"
    if problem.span and problem.source_line:
        shown, under = caret(problem.source_line, problem.span).split("\n")
        gutter, bar, carets = under.partition("|")
        number, _, text = shown.partition("|")
        yield f"{_FAINT}{number}|{_RESET}{text}"
        yield f"{_FAINT}{gutter}{bar}{_RESET}{colour}{carets}{_RESET}"
    if problem.hint:
        yield f"  {_COLOURS['info']}help{_RESET}: {clean(problem.hint)}"


def _where(problem: Problem) -> str:
    path = clean(problem.path)
    return f"{path}:{problem.span.line}:{problem.span.column}" if problem.span else path


def _code(problem: Problem) -> str:
    return f" {problem.code}" if problem.code else ""
