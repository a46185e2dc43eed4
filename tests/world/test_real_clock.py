"""In real time: handlers overlap, time limits hold, and whoever hangs is given up."""

from __future__ import annotations

import threading
import time

import pytest
from driving import CALLBACK, FOREVER, Alone, drive, late, real, task

from sfnrun import PENDING, Reply, TaskFailed
from sfnrun.effects import Stopped
from sfnrun.errors import UnansweredTaskError
from sfnrun.record import timestamp


@pytest.fixture
def released():
    """An event for handlers to hang on; set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def hanging(released: threading.Event):
    return lambda request: released.wait(FOREVER)


def test_branches_overlap():
    """Each handler waits for the other: one after the other they would never end."""
    meet = threading.Barrier(2)
    handler = late(lambda request: meet.wait(FOREVER) >= 0)
    states = {"P": {"Type": "Parallel", "Branches": [{"A": task()}, {"B": task()}]}}
    outcome, _ = drive(real({"A": handler, "B": handler}), states)
    assert outcome.output.value == [True, True]


def test_items_overlap_as_far_as_they_may():
    meet = threading.Barrier(4)
    handler = late(lambda request: meet.wait(FOREVER) >= 0)
    states = {"M": {"Type": "Map", "MaxConcurrency": 4, "ItemProcessor": {"T": task()}}}
    outcome, _ = drive(real({"T": handler}), states, list(range(8)))
    assert outcome.output.value == [True] * 8


def test_more_items_at_once_than_threads():
    handler = late(lambda request: request.payload)
    inner = {"Type": "Map", "ItemProcessor": {"T": task()}}
    states = {"M": {"Type": "Map", "ItemProcessor": {"N": inner}}}
    items = [[n] * 10 for n in range(40)]
    outcome, _ = drive(real({"T": handler}), states, items)
    assert outcome.output.value == items


def test_a_handler_over_its_time_limit_is_given_up(released):
    handler = late(hanging(released), time_limit=0.05)
    outcome, events = drive(real({"T": handler}), {"T": task()})
    assert (outcome.error, outcome.cause) == ("Late", "T")
    assert [event.type for event in events][-2:] == ["LambdaFunctionFailed", "ExecutionFailed"]


def test_a_time_limit_counts_from_when_the_handler_begins():
    """With one thread the second handler waits for the first, for longer than its own time limit."""
    states = {"P": {"Type": "Parallel", "Branches": [{"A": task()}, {"B": task()}]}}
    longer = late(lambda request: threading.Event().wait(1.2))
    driver = real({"A": longer, "B": late(lambda request: "in time", time_limit=1.0)})
    driver.world._loop.calls.pool.most = 1
    outcome, _ = drive(driver, states)
    assert outcome.output.value == [False, "in time"]


def test_a_handler_may_ask_for_overtime(released):
    asked = []

    def overtime(request):
        asked.append(request.state)
        return 0.01 if len(asked) < 3 else 0.0

    outcome, _ = drive(real({"T": late(hanging(released), 0.01, overtime=overtime)}), {"T": task()})
    assert (outcome.error, asked) == ("Late", ["T"] * 3)


def test_the_states_own_timeout(released):
    outcome, events = drive(real({"T": late(hanging(released))}), {"T": task(TimeoutSeconds=1)})
    assert outcome.error == "States.Timeout"
    assert [event.type for event in events][-2:] == ["LambdaFunctionTimedOut", "ExecutionFailed"]
    assert events[-1].at - events[0].at >= 1000


def test_a_missed_heartbeat():
    states = {"T": {**task(), "Resource": CALLBACK, "Parameters": {}, "HeartbeatSeconds": 1, "TimeoutSeconds": 60}}
    outcome, _ = drive(real({"T": late(lambda request: PENDING)}), states)
    assert outcome.error == "States.Timeout"


def test_a_pending_handler_is_not_late_any_more():
    """It has returned in time; the task waits for its token, however long that takes."""
    driver = real({"T": late(lambda request: PENDING, time_limit=1.0)})
    driver.stop_at(driver.now + 1200)
    outcome, _ = drive(driver, {"T": {**task(), "Resource": CALLBACK, "Parameters": {}}})
    assert (outcome.status, outcome.error) == ("ABORTED", None)


def test_what_is_submitted_comes_before_the_answer():
    states = {"T": {**task(), "Resource": CALLBACK, "Parameters": {}}}
    handler = late(lambda request: Reply(5, submitted={"MessageId": "m"}))
    outcome, events = drive(real({"T": handler}), states)
    assert outcome.output.value == 5
    assert [event.type for event in events][2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]


def test_an_activity_begins_when_its_worker_has_it():
    states = {"T": {**task(), "Resource": "arn:aws:states:us-east-1:123456789012:activity:a"}}
    _, events = drive(real({"T": late(lambda request: Reply(5, worker_name="w"))}), states)
    assert [(event.type, event.details.get("workerName")) for event in events][3] == ("ActivityStarted", "w")


def test_a_wait_takes_its_time():
    driver, began = real({}), time.monotonic()
    until = timestamp(driver.now + 100)
    outcome, events = drive(driver, {"W": {"Type": "Wait", "Timestamp": until}})
    assert outcome.status == "SUCCEEDED"
    assert 0.099 <= time.monotonic() - began < FOREVER  # times are whole milliseconds
    assert timestamp(events[-1].at) >= until


def test_an_aborted_sibling_is_waited_for_by_nobody(released):
    def fail(request):
        raise TaskFailed("E")

    states = {"P": {"Type": "Parallel", "Branches": [{"A": task()}, {"B": task()}]}}
    handlers = {"A": late(hanging(released), time_limit=FOREVER), "B": late(fail)}
    outcome, events = drive(real(handlers), states)
    assert outcome.error == "E"
    assert [event.type for event in events].count("TaskStateAborted") == 2


def test_stopping_from_another_thread(released):
    driver = real({"T": late(lambda request: driver.stop(Stopped("Why", "because")) or released.wait(FOREVER))})
    outcome, events = drive(driver, {"T": task()})
    assert (outcome.status, outcome.error, outcome.cause) == ("ABORTED", "Why", "because")
    assert (events[-1].type, events[-1].previous) == ("ExecutionAborted", 0)


def test_stopping_at_a_time():
    driver = real({})
    driver.stop_at(driver.now + 50)
    outcome, _ = drive(driver, {"W": {"Type": "Wait", "Seconds": 3600}})
    assert outcome.status == "ABORTED"


def test_without_threads_handlers_run_here_one_by_one():
    here = []
    handler = late(lambda request: here.append(threading.current_thread()) or request.payload, time_limit=0.000001)
    states = {"M": {"Type": "Map", "ItemProcessor": {"T": task()}}}
    outcome, _ = drive(real({"T": handler}, threads=False), states, [1, 2, 3])
    assert outcome.output.value == [1, 2, 3]
    assert here == [threading.current_thread()] * 3


def test_without_threads_an_aborted_sibling_is_not_run_at_all():
    ran = []

    def fail(request):
        ran.append(request.state)
        raise TaskFailed("E")

    states = {"P": {"Type": "Parallel", "Branches": [{"A": task()}, {"B": task()}]}}
    drive(real({"A": late(fail), "B": late(fail)}, threads=False), states)
    assert ran == ["A"]


@pytest.mark.parametrize("threads", [True, False])
def test_our_own_bug_comes_up_where_somebody_sees_it(threads):
    def bug(request):
        raise ZeroDivisionError("ours")

    with pytest.raises(ZeroDivisionError, match="ours"):
        drive(real({"T": late(bug)}, threads=threads), {"T": task(Catch=CATCH_ALL), "H": {"Type": "Succeed"}})


CATCH_ALL = [{"ErrorEquals": ["States.ALL"], "Next": "H"}]


def test_a_handler_that_is_not_found():
    class Nobody:
        cached_replies = None

        def for_request(self, request):
            raise UnansweredTaskError("nobody answers")

    with pytest.raises(UnansweredTaskError):
        drive(Alone("real", Nobody()), {"T": task()})
