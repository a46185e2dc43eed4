"""What every report is made of: files with their problems, and what there is to know about the rules behind them."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from sfnrun.errors import Problem

__all__ = ["Checked", "Described"]


class Described(Struct, frozen=True):
    """A rule as its documentation has it; `title` is one sentence, `text` all of it in Markdown."""

    title: str
    text: str
    severity: str


class Checked(Struct, frozen=True):
    """A file that was checked, by its path as it was given, and its problems by line.

    `is_strict` says that warnings count as errors. `describe` gives the documentation of a rule; of what is no rule,
    None.
    """

    path: str
    problems: tuple[Problem, ...] = ()
    is_strict: bool = False
    describe: Callable[[str], Described | None] = lambda rule: None

    def fails(self, problem: Problem) -> bool:
        """Whether a problem makes the file fail."""
        return problem.severity == "error" or (self.is_strict and problem.severity == "warning")
