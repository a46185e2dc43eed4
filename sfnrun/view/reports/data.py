"""Problems as JSON: every file that was checked, as it was given, and all that is known of each problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sfnrun.errors import Problem
from sfnrun.view.reports.checked import Checked

__all__ = ["report"]


def report(files: Sequence[Checked]) -> str:
    """`{"files": [{"path", "problems": [{"rule", "code", "severity", "message", …}]}]}`, indented.

    `location` is AWS's pointer, null where AWS gives none; `line`, `column`, `end_line` and `end_column` count from 1,
    the end is exclusive, and all are null where there is no place in the file.
    """
    told = [{"path": file.path, "problems": [_problem(problem) for problem in file.problems]} for file in files]
    return msgspec.json.format(msgspec.json.encode({"files": told}), indent=2).decode()


def _problem(problem: Problem) -> dict[str, Any]:
    span = problem.span
    return {
        "rule": problem.rule,
        "code": problem.code,
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
        "location": problem.location,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
    }
