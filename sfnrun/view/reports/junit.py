"""Problems as JUnit's XML: a suite for each file, a test case for each problem, and one that passes where none is.

What does not fail the run does not fail here either: it is the output of a test case that passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from sfnrun.errors import Problem
from sfnrun.view.measures import clean
from sfnrun.view.reports.checked import Checked

__all__ = ["report"]


def report(files: Sequence[Checked]) -> str:
    """One `testsuites` element, indented."""
    root = Xml.Element("testsuites", name="sfnrun")
    for file in files:
        root.append(_suite(file))
    for count in ("tests", "failures"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode")


def _suite(file: Checked) -> Xml.Element:
    cases = [_case(file, problem) for problem in file.problems]
    cases = cases or [Xml.Element("testcase", name="no problems", classname=clean(file.path))]
    failures = sum(file.fails(problem) for problem in file.problems)
    suite = Xml.Element("testsuite", name=clean(file.path), tests=str(len(cases)), failures=str(failures), errors="0")
    suite.extend(cases)
    return suite


def _case(file: Checked, problem: Problem) -> Xml.Element:
    place = f"{problem.span.line}:{problem.span.column} " if problem.span else ""
    case = Xml.Element("testcase", name=f"{place}{problem.rule}", classname=clean(file.path), file=clean(file.path))
    if problem.span:
        case.set("line", str(problem.span.line))
    if file.fails(problem):
        Xml.SubElement(case, "failure", type=problem.code or problem.rule, message=clean(problem.message)).text = _text(
            problem
        )
    else:
        Xml.SubElement(case, "system-out").text = _text(problem)
    return case


def _text(problem: Problem) -> str:
    return "\n".join(clean(line) for line in str(problem).split("\n"))
