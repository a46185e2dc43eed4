"""Reports of the problems of files.

A report is a function from `Checked` files to a text; its module is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sfnrun.view.reports.checked import Checked

__all__ = ["FORMATS", "Checked", "report"]

FORMATS = ("text", "json", "github", "junit", "sarif")


def report(format: str) -> Callable[[Sequence[Checked]], str]:
    """The function that reports in this format."""
    if format == "text":
        from sfnrun.view.reports import text

        return text.report
    if format == "junit":
        from sfnrun.view.reports import junit

        return junit.report
    from sfnrun.view.reports import formats

    return {"json": formats.json, "github": formats.github, "sarif": formats.sarif}[format]
