"""What others read: Perfetto, spreadsheets, CI servers. Each export is held against its own format."""

import csv as csv_module
import io
import json
from collections import defaultdict
from xml.etree import ElementTree

import pytest
from history.worn import ODD, recorded

from sfnrun.history.exports.chrome import chrome
from sfnrun.history.exports.csv import COLUMNS, csv
from sfnrun.history.exports.junit import junit
from sfnrun.history.timeline import timeline_of


@pytest.fixture
def good(tmp_path):
    return recorded(tmp_path)


@pytest.fixture
def bad(tmp_path):
    return recorded(tmp_path, fails=True)


def test_visits_tell_how_each_state_went(bad):
    told = [(visit.name, visit.fiber, visit.number, visit.outcome, visit.error) for visit in timeline_of(bad)]
    assert told == [
        (ODD, "", 1, "succeeded", None),
        ("Count", "", 1, "succeeded", None),
        ("Enough", "", 1, "succeeded", None),
        ("Count", "", 2, "succeeded", None),
        ("Enough", "", 2, "succeeded", None),
        ("Both", "", 1, "caught", "Broke"),
        ("Sleep", "1.0", 1, "aborted", None),
        ("Break", "1.1", 1, "failed", "Broke"),
        ("Each", "", 1, "failed", "Spoilt"),
        ("Item", "2.0", 1, "succeeded", None),
        ("Item", "2.1", 1, "failed", "Spoilt"),
        ("Item", "2.2", 1, "aborted", None),
    ]


def test_attempts_have_their_times(good):
    first = next(iter(timeline_of(good)))
    assert [(one.error, one.ended - one.began) for one in first.attempts] == [("Busy", 0), (None, 0)]
    assert (first.retries, first.took) == (1, 2000)


# --- chrome ---


def slices_by_track(text: str) -> dict[int, list[dict]]:
    found = defaultdict(list)
    for event in json.loads(text)["traceEvents"]:
        if event["ph"] == "X":
            found[event["tid"]].append(event)
    return found


def test_the_trace_has_what_the_format_asks_for(bad):
    trace = json.loads(chrome(bad))
    assert set(trace) == {"traceEvents", "displayTimeUnit", "otherData"}
    for event in trace["traceEvents"]:
        assert event["ph"] in ("M", "X")
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert event["name"]
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name", "thread_sort_index")
        else:
            assert event["ts"] >= 0
            assert event["dur"] >= 0
    named = {event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"}
    assert named == {"execution", "1.0", "1.1", "2.0", "2.1", "2.2"}
    assert trace["otherData"]["status"] == "FAILED"


def test_slices_of_a_track_nest(bad):
    for slices in slices_by_track(chrome(bad)).values():
        ends: list[int] = []
        for event in sorted(slices, key=lambda event: (event["ts"], -event["dur"])):
            while ends and ends[-1] <= event["ts"]:
                ends.pop()
            assert not ends or event["ts"] + event["dur"] <= ends[-1]
            ends.append(event["ts"] + event["dur"])


def test_times_are_microseconds(good):
    slices = slices_by_track(chrome(good))[1]
    assert [(one["name"], one["ts"], one["dur"]) for one in slices[:4]] == [
        ("worn", 0, 2_000_000),
        (ODD, 0, 2_000_000),
        ("attempt 1", 0, 0),
        ("attempt 2", 2_000_000, 0),
    ]


# --- csv ---


def test_the_table_has_a_row_for_each_visit(bad):
    rows = list(csv_module.DictReader(io.StringIO(csv(bad))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["state"] for row in rows] == [visit.name for visit in timeline_of(bad)]
    assert {name: rows[0][name] for name in ("event", "milliseconds", "attempts", "retries", "entered")} == {
        "event": "2",
        "milliseconds": "2000",
        "attempts": "2",
        "retries": "1",
        "entered": "2026-01-01T00:00:00.000Z",
    }
    assert [row["item"] for row in rows[-3:]] == ["0", "1", "2"]


def test_no_cell_is_a_formula(bad):
    cells = [cell for row in csv_module.reader(io.StringIO(csv(bad))) for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=+-@" and cell]


# --- junit ---


def test_the_report_is_one_that_servers_read(bad):
    suites = ElementTree.fromstring(junit(bad))
    assert suites.tag == "testsuites"
    (suite,) = suites
    cases = suite.findall("testcase")
    assert int(suite.get("tests")) == len(cases) == 12
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == 3
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped")) == 2
    assert cases[0].get("name") == ODD
    assert cases[0].find("system-out").text == "attempt 1: Busy: try again"
    assert cases[3].get("name") == "Count (2)"
    assert cases[-2].get("classname") == "Worn.2.1"
    assert cases[-2].find("failure").get("type") == "Spoilt"
    assert float(suite.get("time")) == 2


def test_a_success_has_no_failures(good):
    suite = ElementTree.fromstring(junit(good))[0]
    assert {case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None} == {"Break"}
    properties = {one.get("name"): one.get("value") for one in suite.find("properties")}
    assert properties == {"arn": good.start["arn"], "status": "SUCCEEDED"}
