"""The clock jumps, and order follows from it alone."""

from __future__ import annotations

import threading

import pytest
from driving import CALLBACK, FOREVER, drive, late, task, virtual

import sfnrun
from sfnrun import PENDING, Reply
from sfnrun.effects import Stopped
from sfnrun.errors import WaitingError

YEAR_S = 365 * 86_400


def test_most_of_a_year_costs_nothing():
    outcome, events = drive(virtual({}), {"W": {"Type": "Wait", "Seconds": YEAR_S - 1}})
    assert events[-1].at - events[0].at == (YEAR_S - 1) * 1000
    assert outcome.status == "SUCCEEDED"


def test_what_is_due_first_comes_first():
    handler = late(lambda request: Reply(request.payload, duration_ms=request.payload))
    states = {"M": {"Type": "Map", "ItemProcessor": {"T": task()}}}
    _, events = drive(virtual({"T": handler}), states, [30, 10, 20])
    ended = [(event.details["index"]) for event in events if event.type == "MapIterationSucceeded"]
    assert ended == [1, 2, 0]


def test_what_is_due_together_comes_in_the_order_of_asking():
    handler = late(lambda request: Reply(request.payload, duration_ms=10))
    states = {"M": {"Type": "Map", "ItemProcessor": {"T": task()}}}
    _, events = drive(virtual({"T": handler}), states, [3, 1, 2])
    assert [event.details["index"] for event in events if event.type == "MapIterationSucceeded"] == [0, 1, 2]


def test_a_task_and_its_timeout_at_the_same_moment_is_a_timeout():
    handler = late(lambda request: Reply(1, duration_ms=5000))
    outcome, _ = drive(virtual({"T": handler}), {"T": task(TimeoutSeconds=5)})
    assert outcome.error == "States.Timeout"


def test_a_handler_with_a_time_limit_is_given_up_after_it_in_real_time():
    released = threading.Event()
    handler = late(lambda request: released.wait(FOREVER), time_limit=0.05)
    outcome, _ = drive(virtual({"T": handler}), {"T": task()})
    released.set()
    assert (outcome.error, outcome.cause) == ("Late", "T")


def test_overtime():
    released, asked = threading.Event(), []

    def overtime(request):
        asked.append(request.state)
        return 0.01 if len(asked) < 3 else 0.0

    outcome, _ = drive(
        virtual({"T": late(lambda request: released.wait(FOREVER), 0.01, overtime=overtime)}), {"T": task()}
    )
    released.set()
    assert (outcome.error, asked) == ("Late", ["T"] * 3)


def test_a_handler_within_its_time_limit():
    outcome, _ = drive(virtual({"T": late(lambda request: 5, time_limit=FOREVER)}), {"T": task()})
    assert outcome.output.value == 5


def test_handlers_run_one_at_a_time():
    running, most = 0, 0

    def handle(request):
        nonlocal running, most
        running += 1
        most = max(most, running)
        running -= 1
        return threading.current_thread().name

    states = {"P": {"Type": "Parallel", "Branches": [{"A": task()}, {"B": task()}]}}
    outcome, _ = drive(virtual({"A": late(handle), "B": late(handle, FOREVER)}), states)
    assert most == 1
    assert outcome.output.value[0] == threading.current_thread().name


def test_stopping_while_a_handler_runs():
    released = threading.Event()
    driver = virtual({"T": late(lambda request: driver.stop(Stopped()) or released.wait(FOREVER), FOREVER)})
    outcome, events = drive(driver, {"T": task()})
    released.set()
    assert outcome.status == "ABORTED"
    assert events[-1].type == "ExecutionAborted"


@pytest.mark.parametrize("time_limit", [None, FOREVER])
def test_our_own_bug_comes_up_where_somebody_sees_it(time_limit):
    def bug(request):
        raise ZeroDivisionError("ours")

    catch = [{"ErrorEquals": ["States.ALL"], "Next": "H"}]
    with pytest.raises(ZeroDivisionError, match="ours"):
        drive(virtual({"T": late(bug, time_limit)}), {"T": task(Catch=catch), "H": {"Type": "Succeed"}})


@pytest.mark.parametrize("limits", [True, False])
def test_waiting_for_a_token_that_nobody_can_answer_is_an_error(limits):
    """A virtual clock does not pass a year for the quota of AWS alone."""
    state = {"Type": "Task", "Resource": CALLBACK, "Parameters": {}, "End": True}
    states = {"M": {"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "T", "States": {"T": state}}}}
    with pytest.raises(WaitingError, match=r"n:M\[0\]\.T, n:M\[1\]\.T wait for a result") as caught:
        sfnrun.run({"StartAt": "M", "States": states}, [1, 2], tasks=lambda request: PENDING, name="n", limits=limits)
    assert [token.place for token in caught.value.tokens] == ["M[0].T", "M[1].T"]
    assert all(token.token.startswith("n1.") and token.timeout_at is None for token in caught.value.tokens)
