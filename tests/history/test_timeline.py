"""The Timeline: what is inferred about visits of states from the events and notes of an execution."""

from __future__ import annotations

from typing import Any

import pytest

from sfnrun.history.timeline import Timeline
from sfnrun.payload import Payload
from sfnrun.record import Event, Note

# An event: its type, its fiber (default: the execution itself) and its details; a note: its kind, fiber and details.
Happened = tuple[str, str, dict[str, Any]]
NOTES = ("retry", "catch", "wait", "cache")


def on(type: str, fiber: str = "", **details: Any) -> Happened:
    return type, fiber, details


def enter(type: str, name: str, fiber: str = "") -> Happened:
    return on(f"{type}StateEntered", fiber, name=name, input=Payload(name))


def leave(type: str, name: str, fiber: str = "", **assigned: Any) -> Happened:
    variables = {"assignedVariables": {key: Payload(value) for key, value in assigned.items()}} if assigned else {}
    return on(f"{type}StateExited", fiber, name=name, output=Payload({}), **variables)


def folded(*happened: Happened, **options: Any) -> Timeline:
    """The Timeline of these; each happens one millisecond after the one before, and events are numbered from 1."""
    timeline = Timeline(**options)
    id = 0
    for at, (type, fiber, details) in enumerate(happened, 1):
        if type in NOTES:
            timeline.note(Note(type, at, fiber, "", details))
        else:
            id += 1
            timeline.event(Event(id, id - 1, at, type, fiber, details))
    return timeline


def outcomes(timeline: Timeline) -> list[tuple[str, str, str | None]]:
    return [(visit.name, visit.outcome, visit.error) for visit in timeline]


RETRY = {"attempt": 1, "max_attempts": 3, "delay_ms": 1000, "retrier": 0}
FORKED = [on("ExecutionStarted"), enter("Parallel", "P"), on("ParallelStateStarted")]
IN_BRANCHES = [*FORKED, enter("Task", "A", "1.0"), enter("Wait", "B", "1.1")]
FAILED = [on("TaskScheduled", "1.0"), on("TaskFailed", "1.0", error="E", cause="c")]
ENDED = [on("WaitStateAborted", "1.1"), on("ParallelStateFailed"), on("ExecutionFailed", error="E", cause="c")]
NAMES_B = "An error occurred while executing the state 'B' (entered at the event id #5). Invalid path"

OUTCOMES: dict[str, tuple[list[Happened], list[tuple[str, str, str | None]]]] = {
    "a state that is left": ([enter("Pass", "A"), leave("Pass", "A")], [("A", "succeeded", None)]),
    "a state that is not left": ([enter("Task", "A")], [("A", "running", None)]),
    "a branch that fails, and its sibling": (
        [*IN_BRANCHES, *FAILED, *ENDED],
        [("P", "failed", "E"), ("A", "failed", "E"), ("B", "aborted", None)],
    ),
    "an error that is caught": (
        [enter("Task", "A"), on("TaskFailed", error="E"), on("catch", error="E", next="C"), leave("Task", "A")],
        [("A", "caught", "E")],
    ),
    "an error that is retried": (
        [enter("Task", "A"), on("TaskFailed", error="E"), on("retry", error="E", **RETRY), leave("Task", "A")],
        [("A", "succeeded", None)],
    ),
    "an error before a retry, in an execution that is stopped then": (
        [enter("Task", "A"), on("TaskFailed", error="E"), on("retry", error="E", **RETRY), on("ExecutionAborted")],
        [("A", "aborted", None)],
    ),
    "a Fail state, whose error only the note of the Catcher has": (
        [*FORKED, enter("Fail", "A", "1.0"), on("ParallelStateFailed"), on("catch", error="E", next="C")],
        [("P", "caught", "E"), ("A", "failed", "E")],
    ),
    "a Fail state in an item, whose error only the last event has": (
        [enter("Map", "M"), on("MapStateStarted", length=1), enter("Fail", "A", "1.0"),
         on("MapIterationFailed", "1.0"), on("MapStateFailed"), on("ExecutionFailed", error="E")],
        [("M", "failed", "E"), ("A", "failed", "E")],
    ),
    "a Parallel in a branch fails with what its own branch fails with": (
        [*FORKED, enter("Parallel", "Q", "1.0"), on("ParallelStateStarted", "1.0"), enter("Task", "A", "1.0/1.0"),
         on("TaskFailed", "1.0/1.0", error="E"), on("ParallelStateFailed", "1.0"), on("ParallelStateFailed"),
         on("ExecutionFailed", error="E")],
        [("P", "failed", "E"), ("Q", "failed", "E"), ("A", "failed", "E")],
    ),
    "the state that the cause names": (
        [*IN_BRANCHES, on("ExecutionFailed", error="States.Runtime", cause=NAMES_B)],
        [("P", "failed", "States.Runtime"), ("A", "aborted", None), ("B", "failed", "States.Runtime")],
    ),
    "a cause that names a state which was left long ago": (
        [*IN_BRANCHES, leave("Wait", "B", "1.1"), on("ExecutionFailed", error="Mine", cause=NAMES_B)],
        [("P", "failed", "Mine"), ("A", "aborted", None), ("B", "succeeded", None)],
    ),
    "a timeout of the execution fails none of its states": (
        [*IN_BRANCHES, *FAILED, on("ExecutionTimedOut", error="States.Timeout")],
        [("P", "aborted", None), ("A", "failed", "E"), ("B", "aborted", None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("happened", "expected"), OUTCOMES.values(), ids=OUTCOMES)
def test_outcomes(happened: list[Happened], expected: list[tuple[str, str, str | None]]) -> None:
    assert outcomes(folded(*happened)) == expected


REDRIVEN = [*IN_BRANCHES, *FAILED, *ENDED, on("ExecutionRedriven", redriveCount=1)]

REDRIVES: dict[str, tuple[list[Happened], list[tuple[str, str, str | None]]]] = {
    "all that was not left is open again": (
        [],
        [("P", "running", None), ("A", "running", None), ("B", "running", None)],
    ),
    "what is continued ends well": (
        [on("TaskScheduled", "1.0"), on("TaskSucceeded", "1.0"), leave("Task", "A", "1.0"), leave("Wait", "B", "1.1"),
         on("ParallelStateSucceeded"), leave("Parallel", "P"), on("ExecutionSucceeded")],
        [("P", "succeeded", None), ("A", "succeeded", None), ("B", "succeeded", None)],
    ),
    "another state is entered instead, so the old visits stay as they ended": (
        [enter("Pass", "C"), leave("Pass", "C"), on("ExecutionSucceeded")],
        [("P", "failed", "E"), ("A", "failed", "E"), ("B", "aborted", None), ("C", "succeeded", None)],
    ),
    "the branches are started again, so the old ones stay as they ended": (
        [on("ParallelStateStarted"), enter("Task", "A", "2.0"), leave("Task", "A", "2.0"), leave("Parallel", "P")],
        [("P", "succeeded", None), ("A", "failed", "E"), ("B", "aborted", None), ("A", "succeeded", None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("happened", "expected"), REDRIVES.values(), ids=REDRIVES)
def test_redrives(happened: list[Happened], expected: list[tuple[str, str, str | None]]) -> None:
    timeline = folded(*REDRIVEN, *happened)
    assert outcomes(timeline) == expected
    assert set(timeline.open) == {visit.fiber for visit in timeline if visit.outcome == "running"}


def test_a_redrive_makes_another_attempt_of_what_it_continues() -> None:
    timeline = folded(*REDRIVEN, on("TaskScheduled", "1.0"))
    attempts = {visit.name: [attempt.redriven for attempt in visit.attempts] for visit in timeline}
    assert attempts == {"P": [True, False], "A": [True, False], "B": [True, False]}
    assert [attempt.error for attempt in timeline.visits[1].calls] == ["E", None]


def test_a_redrive_from_another_state_adds_no_attempt() -> None:
    timeline = folded(*REDRIVEN, enter("Pass", "C"))
    assert [[attempt.redriven for attempt in visit.attempts] for visit in timeline] == [
        [False],
        [False],
        [False],
        [False],
    ]


def test_visits_are_closed_from_the_inside_out() -> None:
    timeline = folded(*IN_BRANCHES, enter("Map", "M", "1.0"), enter("Task", "T", "1.0/1.0"), on("ExecutionAborted"))
    assert [visit.name for visit in timeline.closed] == ["T", "M", "B", "P"]


def test_the_origin_is_the_first_state_that_failed_for_good() -> None:
    timeline = folded(*IN_BRANCHES, *FAILED, *ENDED)
    assert timeline.origin is not None
    assert timeline.origin.name == "A"
    assert folded(*IN_BRANCHES, *FAILED, on("catch", error="E", next="C")).origin is None


def test_an_aborted_state_ends_when_aws_says_so() -> None:
    timeline = folded(*IN_BRANCHES, *FAILED, *ENDED)
    assert {visit.name: visit.ended for visit in timeline} == {"A": 9, "B": 8, "P": 10}


def test_variables_are_those_at_the_entry() -> None:
    timeline = folded(
        enter("Pass", "A"), leave("Pass", "A", x=1),
        enter("Parallel", "P"), on("ParallelStateStarted"),
        enter("Pass", "B", "1.0"), leave("Pass", "B", "1.0", y=2), enter("Pass", "C", "1.0"), leave("Pass", "C", "1.0"),
        leave("Parallel", "P", x=3), enter("Pass", "D"),
    )  # fmt: skip
    found = {visit.name: {name: one.value for name, one in visit.variables.items()} for visit in timeline}
    assert found == {"A": {}, "P": {"x": 1}, "B": {"x": 1}, "C": {"x": 1, "y": 2}, "D": {"x": 3}}


def test_a_redrive_from_a_state_sets_the_variables() -> None:
    order = {"answer": "Redriven", "state": "B", "variables": {"x": 9}}
    happened = [enter("Pass", "A"), leave("Pass", "A", x=1), on("ExecutionFailed"), on("ExecutionRedriven"),
                enter("Pass", "B")]  # fmt: skip
    for orders, expected in (([order], 9), ([{"answer": "Redriven"}], 1)):
        assert folded(*happened, redrives=orders).visits[-1].variables["x"].value == expected


def test_items_are_counted() -> None:
    timeline = folded(
        enter("Map", "M"), on("MapStateStarted", length=3),
        enter("Pass", "A", "1.0"), leave("Pass", "A", "1.0"), on("MapIterationSucceeded", "1.0"),
        enter("Task", "A", "1.1"), on("MapIterationFailed", "1.1"),
    )  # fmt: skip
    visit = timeline.visits[0]
    assert (visit.items, visit.done, visit.failed) == (3, 1, 1)


def test_attempts_and_what_they_wait_for() -> None:
    timeline = folded(
        enter("Task", "A"), on("TaskScheduled", parameters=Payload({"n": 1})), on("TaskFailed", error="E", cause="c"),
        on("retry", error="E", cause="c", **RETRY),
    )  # fmt: skip
    visit = timeline.visits[0]
    assert visit.until == 4 + 1000
    assert visit.retries == 1
    first, second = visit.attempts
    assert first.payload is not None
    assert (first.payload.value, first.began, first.ended, first.error, first.cause) == ({"n": 1}, 2, 3, "E", "c")
    assert (second.payload, second.error) == (None, None)


def test_visits_are_numbered_by_fiber() -> None:
    timeline = folded(
        *[one for fiber in ("", "", "1.0", "1.1") for one in (enter("Pass", "A", fiber), leave("Pass", "A", fiber))]
    )
    assert [visit.number for visit in timeline] == [1, 2, 1, 1]
    assert timeline.visit_in("1.1/2.0") is timeline.visits[-1]


def test_nothing_is_kept_for_a_listener_of_a_long_execution() -> None:
    timeline = folded(*IN_BRANCHES, leave("Wait", "B", "1.1", x=1), keep=False)
    assert (timeline.visits, timeline.last) == ([], {})
    assert set(timeline.open) == {"", "1.0"}
