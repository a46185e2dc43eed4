"""Problems as JUnit XML: a suite for each file, a test case for each problem.

A file without problems has one test case that passes. A problem that does not fail the run is the output of a test case
that passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from sfnrun.errors import Problem
from sfnrun.history.exports.junit import element, to_xml
from sfnrun.view.reports.checked import Checked
from sfnrun.view.text import clean

__all__ = ["report"]


def report(files: Sequence[Checked]) -> str:
    """One `testsuites` element, indented."""
    suites = [_suite(file) for file in files]
    totals = {count: sum(int(suite.get(count, "0")) for suite in suites) for count in ("tests", "failures")}
    return to_xml(suites, name="sfnrun", **totals)


def _suite(file: Checked) -> Xml.Element:
    path = clean(file.path)
    cases = [_case(file, problem) for problem in file.problems]
    cases = cases or [element("testcase", name="no problems", classname=path)]
    failures = sum(file.fails(problem) for problem in file.problems)
    suite = element("testsuite", name=path, tests=len(cases), failures=failures, errors=0)
    suite.extend(cases)
    return suite


def _case(file: Checked, problem: Problem) -> Xml.Element:
    path, span = clean(file.path), problem.span
    where = f"{span.line}:{span.column} " if span else ""
    case = element("testcase", name=f"{where}{problem.rule}", classname=path, file=path)
    if span:
        case.set("line", str(span.line))
    text = "\n".join(clean(line) for line in str(problem).split("\n"))
    if file.fails(problem):
        message = clean(problem.message)
        case.append(element("failure", text, type=problem.code or problem.rule, message=message))
    else:
        case.append(element("system-out", text))
    return case
