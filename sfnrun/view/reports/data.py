"""Problems as JSON: every file that was checked, with all that is known of each problem."""

from __future__ import annotations

from collections.abc import Sequence

from sfnrun.payload import dumps
from sfnrun.view.reports.checked import Checked
from sfnrun.view.shapes import problem_json

__all__ = ["report"]


def report(files: Sequence[Checked]) -> str:
    """`{"files": [{"path", "problems": [{"rule", "code", "severity", "message", …}]}]}`, on one line."""
    return dumps({"files": [{"path": file.path, "problems": list(map(problem_json, file.problems))} for file in files]})
