"""Reports of the problems of files.

    text.py     for a terminal or a log: every problem with its line and a caret, bounded
    data.py     JSON
    sarif.py    SARIF 2.1.0, for code scanning
    github.py   the annotations of GitHub Actions
    junit.py    JUnit's XML, for whatever shows the results of tests

A report is a function from `Checked` files to a text; it is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from sfnrun.view.reports.checked import Checked

__all__ = ["FORMATS", "Checked", "report"]

# format -> the module of its `report`
FORMATS = {
    "text": "text",
    "json": "data",
    "sarif": "sarif",
    "github": "github",
    "junit": "junit",
}

Report = Callable[[Sequence[Checked]], str]


def report(format: str) -> Report:
    """The function that reports in this format."""
    found: Report = import_module(f"sfnrun.view.reports.{FORMATS[format]}").report
    return found
