"""JUnit XML: a history as a report, one test case for each visit of a state; and the writer for all such reports.

A failed visit is a failure and an aborted one is skipped. Errors that were caught or retried are in the output of their
test case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as Xml

from sfnrun.history.recording import Recording
from sfnrun.history.timeline import Timeline, timeline_of
from sfnrun.history.visit import Visit
from sfnrun.record import timestamp

__all__ = ["element", "junit", "to_xml"]


def junit(recording: Recording) -> str:
    """Return the report of an execution as XML text."""
    timeline, start = timeline_of(recording), recording.start
    counts = {outcome: sum(visit.outcome == outcome for visit in timeline) for outcome in ("failed", "aborted")}
    suite = element(
        "testsuite",
        name=start["name"],
        tests=len(timeline.visits),
        failures=counts["failed"],
        skipped=counts["aborted"],
        errors=0,
        time=_seconds(timeline.now - timeline.began),
        timestamp=timestamp(timeline.began).removesuffix("Z"),
    )
    suite.append(_properties(recording, timeline))
    suite.extend(_case(visit, start["state_machine_name"]) for visit in timeline)
    return to_xml([suite])


def _properties(recording: Recording, timeline: Timeline) -> Xml.Element:
    values = {
        "arn": recording.start["arn"],
        "status": timeline.status,
        "error": timeline.error,
        "cause": timeline.cause,
    }
    properties = element("properties")
    properties.extend(
        element("property", name=name, value=value) for name, value in values.items() if value is not None
    )
    return properties


def _case(visit: Visit, machine: str) -> Xml.Element:
    number = f" ({visit.number})" if visit.number > 1 else ""
    where = f"{machine}.{visit.fiber.replace('/', '.')}" if visit.fiber else machine
    case = element("testcase", classname=where, name=f"{visit.name}{number}", time=_seconds(visit.took))
    case.extend(_results(visit))
    return case


def _results(visit: Visit) -> Iterator[Xml.Element]:
    if visit.outcome == "failed":
        message = (visit.cause or visit.error or "failed")[:300]
        yield element("failure", visit.cause or "", type=visit.error or "failed", message=message)
        return
    if visit.outcome in ("aborted", "running"):
        yield element("skipped", message=visit.outcome)
    lines = [f"attempt {n}: {call.error}: {call.cause or ''}" for n, call in enumerate(visit.calls, 1) if call.error]
    if visit.outcome == "caught" and not lines:
        lines = [f"caught {visit.error}"]
    if lines:
        yield element("system-out", "\n".join(lines))


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"


def to_xml(suites: Iterable[Xml.Element], **attributes: object) -> str:
    """Return a whole JUnit document, indented; `attributes` are those of its `testsuites` element."""
    root = element("testsuites", **attributes)
    root.extend(suites)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode")


def element(tag: str, text: str | None = None, /, **attributes: object) -> Xml.Element:
    """Return an element whose text and attributes have only characters that XML 1.0 allows."""
    found = Xml.Element(tag, {name: _allowed(str(value)) for name, value in attributes.items()})
    if text is not None:
        found.text = _allowed(text)
    return found


def _allowed(text: str) -> str:
    """Return the text with U+FFFD for characters that XML 1.0 cannot represent, not even escaped."""
    return text if text.isprintable() else "".join(each if _is_allowed(ord(each)) else "\ufffd" for each in text)


def _is_allowed(code: int) -> bool:
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
