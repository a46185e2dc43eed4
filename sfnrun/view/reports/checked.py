"""Checked files: what every report is made of."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from sfnrun.errors import Problem

__all__ = ["Checked"]


class Checked(Struct, frozen=True):
    """A file that was checked, by its path as it was passed, and its problems by line.

    `is_strict` says that warnings count as errors. `describe` gives title, documentation in Markdown and severity of a
    rule, None for what is not one.
    """

    path: str
    problems: tuple[Problem, ...] = ()
    is_strict: bool = False
    describe: Callable[[str], tuple[str, str, str] | None] = lambda rule: None

    def fails(self, problem: Problem) -> bool:
        """Whether a problem makes the file fail."""
        return problem.severity == "error" or (self.is_strict and problem.severity == "warning")
