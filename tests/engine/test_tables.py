"""What each state does, by tables that can be read: one file for each state type and each concept."""

from __future__ import annotations

from typing import Any

import pytest
from cases import Case, cause_of, definition_of, details_of, execute, load_table, notation, same, tables

import sfnrun

CASES = [pytest.param(case, id=f"{path.stem}: {case['case']}") for path in tables() for case in load_table(path)]
KNOWN = {
    "case", "source", "machine", "states", "input", "input_text", "tasks", "options", "output", "output_text",
    "error", "cause", "status", "events", "details", "asked", "seconds",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_case(case: Case) -> None:
    assert case.keys() <= KNOWN
    result, world = execute(case)
    assert_outcome(case, result)
    if "events" in case:
        assert notation(result.events) == case["events"].strip()
    for id, details in case.get("details", {}).items():
        found = details_of(result.events[id - 1])
        assert {name: found.get(name) for name in details} == details
    if "asked" in case:
        assert [request.payload for request in world.requests] == case["asked"]
    if "seconds" in case:
        assert result.took.total_seconds() == case["seconds"]


def assert_outcome(case: Case, result: sfnrun.Result) -> None:
    if "output" in case or "output_text" in case:
        assert (result.status, result.error, result.cause) == ("SUCCEEDED", None, None)
        if "output_text" in case:
            assert result.output_text == case["output_text"]
        else:
            assert same(result.output, case["output"]), result.output_text
        return
    assert {"status", "error", "cause"} & case.keys(), "a case says how it ends"
    assert (result.status, result.error) == (case.get("status", "FAILED"), case.get("error"))
    cause = cause_of(case["cause"]) if "cause" in case else None
    if cause is not None and cause.endswith("..."):
        assert result.cause is not None
        assert result.cause.startswith(cause.removesuffix("..."))
    else:
        assert result.cause == cause


@pytest.mark.parametrize("case", CASES)
def test_a_history_is_well_formed(case: Case) -> None:
    """Ids count from 1 without gaps, and each event points to one before it; the last says how it ended."""
    events = execute(case).result.events
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert all(0 <= event["previousEventId"] < event["id"] for event in events)
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
    assert events[0]["type"] == "ExecutionStarted"
    assert {event["type"] for event in events if event["type"] in ENDS} == {events[-1]["type"]}


ENDS = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}


def test_the_tables_have_every_type_and_field() -> None:
    """No field of the language is without a case."""
    seen: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            seen.update(key for key in value if isinstance(key, str))
            if isinstance(value.get("Type"), str):
                seen.add(value["Type"])
            for member in value.values():
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    for param in CASES:
        walk(definition_of(param.values[0]))  # type: ignore[arg-type]
    assert FIELDS - seen == set()


_NAMES = """
    Pass Task Choice Wait Succeed Fail Parallel Map StartAt States TimeoutSeconds QueryLanguage Type Next End Comment
    InputPath OutputPath ResultPath Parameters ResultSelector Assign Arguments Output Result Resource Credentials
    TimeoutSecondsPath HeartbeatSeconds HeartbeatSecondsPath Retry ErrorEquals IntervalSeconds MaxAttempts BackoffRate
    MaxDelaySeconds JitterStrategy Catch Choices Default Condition Variable And Or Not Seconds SecondsPath Timestamp
    TimestampPath Error ErrorPath Cause CausePath Branches Items ItemsPath ItemSelector ItemProcessor Iterator
    MaxConcurrency MaxConcurrencyPath ProcessorConfig Mode
"""
FIELDS = set(_NAMES.split())
