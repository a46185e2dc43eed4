"""A history as a JUnit report, which every CI server shows: each visit of a state is a test case.

What failed is a failure, what was aborted is skipped; an error that a Catcher took, or that a retry mended, is told in
the output of its case.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from sfnrun.history.aws_time import written
from sfnrun.history.file import Recording
from sfnrun.history.visits import Visit, Visits, visits_of

__all__ = ["junit"]


def junit(recording: Recording) -> str:
    """The report as XML text."""
    visits, start = visits_of(recording), recording.start
    counts = {outcome: sum(visit.outcome == outcome for visit in visits) for outcome in ("failed", "aborted")}
    suite = _attributes(
        name=start["name"],
        tests=len(visits.all),
        failures=counts["failed"],
        skipped=counts["aborted"],
        errors=0,
        time=_seconds(visits.ended - visits.began),
        timestamp=str(written(visits.began, "zulu")).removesuffix("Z"),
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites>\n  <testsuite{suite}>",
        *_about(recording, visits),
    ]
    for visit in visits:
        lines += _case(visit, start["state_machine_name"])
    return "\n".join([*lines, "  </testsuite>\n</testsuites>"])


def _about(recording: Recording, visits: Visits) -> Iterator[str]:
    yield "    <properties>"
    told = {"arn": recording.start["arn"], "status": visits.status, "error": visits.error, "cause": visits.cause}
    for name, value in told.items():
        if value is not None:
            yield f"      <property{_attributes(name=name, value=value)}/>"
    yield "    </properties>"


def _case(visit: Visit, machine: str) -> Iterator[str]:
    again = f" ({visit.number})" if visit.number > 1 else ""
    where = f"{machine}.{visit.fiber.replace('/', '.')}" if visit.fiber else machine
    head = _attributes(classname=where, name=f"{visit.name}{again}", time=_seconds(visit.took))
    inside = "".join(_inside(visit))
    yield f"    <testcase{head}>{inside}</testcase>" if inside else f"    <testcase{head}/>"


def _inside(visit: Visit) -> Iterator[str]:
    if visit.outcome == "failed":
        about = _attributes(type=visit.error or "failed", message=(visit.cause or visit.error or "failed")[:300])
        yield f"<failure{about}>{_text(visit.cause or '')}</failure>"
    elif visit.outcome in ("aborted", "running"):
        yield f"<skipped{_attributes(message=visit.outcome)}/>"
    told = [f"attempt {n}: {one.error}: {one.cause or ''}" for n, one in enumerate(visit.attempts, 1) if one.error]
    if visit.outcome == "caught" and not told:
        told = [f"caught {visit.error}"]
    if told and visit.outcome != "failed":
        yield f"<system-out>{_text(chr(10).join(told))}</system-out>"


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"


def _attributes(**values: object) -> str:
    return "".join(f" {name}={quoteattr(_allowed(str(value)))}" for name, value in values.items())


def _text(text: str) -> str:
    return escape(_allowed(text))


def _allowed(text: str) -> str:
    """The text without the characters that XML 1.0 cannot hold, not even escaped."""
    return "".join(each if _is_allowed(ord(each)) else "\ufffd" for each in text)


def _is_allowed(code: int) -> bool:
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
