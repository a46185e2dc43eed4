"""The loop over a driver that says what a test has it say: order, time, and what comes too late."""

from __future__ import annotations

from collections import deque
from typing import Any

from cases import definition_of

import sfnrun
from sfnrun.effects import Answered, Driver, Failed, Logged, Slept, Started, Stopped, Submitted, Succeeded
from sfnrun.engine.execution import NO_LIMITS, Execution
from sfnrun.engine.run import Outcome, interpret
from sfnrun.payload import Payload
from sfnrun.record import Event, Note

START = 1_000_000
TASK = {"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f"}
TWO = {"P": {"Type": "Parallel", "Branches": [{"A": TASK}, {"B": TASK}]}}


class Scripted(Driver):
    """Gives the answers of a script; keeps what was begun and cancelled."""

    def __init__(self, *script: Answered) -> None:
        self.script = deque(script)
        self.begun: list[tuple[str, str, int]] = []
        self.cancelled: list[str] = []

    def begin(self, key: str, effect: Any, at: int) -> None:
        self.begun.append((key, type(effect).__name__, at - START))

    def cancel(self, key: str) -> None:
        self.cancelled.append(key)

    def next(self, flush: Any) -> Answered:
        flush()
        return self.script.popleft()


class Diary:
    """A journal that keeps one line of each thing."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def event(self, event: Event) -> None:
        self.lines.append(f"{event.at - START} {event.type} {event.fiber}".rstrip())

    def note(self, note: Note) -> None:
        self.lines.append(f"{note.at - START} note {note.kind} {note.state}")

    def answer(self, answered: Answered) -> None:
        self.lines.append(f"{answered.at - START} answer {type(answered.answer).__name__} {answered.key}".rstrip())

    def flush(self) -> None:
        if not self.lines or self.lines[-1] != "safe":
            self.lines.append("safe")


def at(ms: int, key: str, answer: Any) -> Answered:
    return Answered(START + ms, key, answer)


def result(value: Any = 1) -> Succeeded:
    return Succeeded(Payload(value))


def run(driver: Scripted, states: dict[str, Any], **machine: Any) -> tuple[Outcome, list[str]]:
    execution = Execution(
        name="e", arn="arn", state_machine_name="m", state_machine_arn="m", role_arn="r", input=Payload({}),
        start_time=START,
    )  # fmt: skip
    diary = Diary()
    loaded = sfnrun.load(definition_of({"states": states, "machine": machine}))
    return interpret(loaded, execution, driver, diary, NO_LIMITS), diary.lines


def test_what_happened_is_safe_before_a_task_is_asked_and_before_anything_is_waited_for() -> None:
    _, lines = run(Scripted(at(1, ":1", Started()), at(2, ":1", result())), {"T": TASK})
    assert lines == [
        "0 ExecutionStarted",
        "0 TaskStateEntered",
        "0 LambdaFunctionScheduled",
        "safe",
        "1 answer Started :1",
        "1 LambdaFunctionStarted",
        "safe",
        "2 answer Succeeded :1",
        "2 LambdaFunctionSucceeded",
        "2 TaskStateExited",
        "2 ExecutionSucceeded",
    ]


def test_time_does_not_go_back() -> None:
    """Handlers' clocks may disagree by a little; an answer from the past comes now."""
    _, lines = run(Scripted(at(5, ":1", Started()), at(3, ":1", result())), {"T": TASK})
    assert lines[-4:] == [
        "5 answer Succeeded :1",
        "5 LambdaFunctionSucceeded",
        "5 TaskStateExited",
        "5 ExecutionSucceeded",
    ]


def test_keys_name_the_fiber_and_count() -> None:
    states = {
        "P": {
            "Type": "Parallel",
            "Branches": [{"W": {"Type": "Wait", "Seconds": 1, "Next": "A"}, "A": TASK}, {"B": TASK}],
        }
    }
    driver = Scripted(at(1, "1.0:1", Slept()), at(2, "1.1:1", result()), at(3, "1.0:2", result()))
    outcome, _ = run(driver, states)
    assert driver.begun == [("1.0:1", "Sleep", 0), ("1.1:1", "Call", 0), ("1.0:2", "Call", 1)]
    assert outcome.output is not None
    assert outcome.output.value == [1, 1]


def test_what_comes_too_late_is_not_even_kept() -> None:
    """B was aborted when A failed; its answer finds nobody, in this run or in a replay."""
    states = {"P": {**TWO["P"], "Catch": [{"ErrorEquals": ["E"], "Next": "T"}]}, "T": TASK}
    driver = Scripted(
        at(1, "1.0:1", Failed("E")), at(2, "1.1:1", result("late")), at(3, "1.1:1", Started()), at(4, ":1", result())
    )
    outcome, lines = run(driver, states)
    assert outcome.status == "SUCCEEDED"
    assert "1.1:1" in driver.cancelled
    assert [line for line in lines if "answer" in line] == ["1 answer Failed 1.0:1", "4 answer Succeeded :1"]


def test_a_call_has_as_many_answers_as_it_takes() -> None:
    driver = Scripted(at(1, ":1", Started()), at(2, ":1", Submitted(Payload({}))), at(3, ":1", result()))
    resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    parameters = {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"}
    outcome, lines = run(driver, {"T": {**TASK, "Resource": resource, "Parameters": parameters}})
    assert outcome.status == "SUCCEEDED"
    told = ["1 TaskStarted", "2 TaskSubmitted", "3 TaskSucceeded"]
    assert [line for line in lines if "Task" in line] == [
        "0 TaskStateEntered",
        "0 TaskScheduled",
        *told,
        "3 TaskStateExited",
    ]


def test_what_a_handler_prints_wakes_nobody_and_is_told_where_it_belongs() -> None:
    driver = Scripted(at(1, ":1", Logged("hello")), at(1, ":9", Logged("of nobody")), at(2, ":1", result()))
    _, lines = run(driver, {"T": TASK})
    assert [line for line in lines if "note" in line] == ["0 note log T"]


def test_stopping_ends_everything_at_once() -> None:
    driver = Scripted(at(7, "", Stopped("Why", "because")))
    outcome, lines = run(driver, TWO)
    assert (outcome.status, outcome.error, outcome.cause) == ("ABORTED", "Why", "because")
    assert lines[-2:] == ["7 answer Stopped", "7 ExecutionAborted"]
    assert {"1.0:1", "1.1:1"} <= set(driver.cancelled)


def test_the_machines_timeout_is_one_more_timer_and_nothing_catches_it() -> None:
    states = {"T": {**TASK, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "H"}]}, "H": {"Type": "Succeed"}}
    driver = Scripted(at(5000, "deadline", Slept()))
    outcome, lines = run(driver, states, TimeoutSeconds=5)
    assert ("deadline", "Sleep", 0) in driver.begun
    assert (outcome.status, lines[-1]) == ("TIMED_OUT", "5000 ExecutionTimedOut")


def test_nothing_is_left_open_at_the_end() -> None:
    driver = Scripted(at(1, "1.0:1", Failed("E")))
    run(driver, TWO, TimeoutSeconds=5)
    open_at_the_end = {key for key, _, _ in driver.begun} - {"1.0:1"} - set(driver.cancelled)
    assert open_at_the_end == set()


def test_a_walk_that_never_blocks_looks_up_now_and_then() -> None:
    """Else neither a deadline nor Ctrl-C could end it."""
    states = {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "S"}], "Default": "C"},
        "S": {"Type": "Succeed"},
    }
    outcome, lines = run(Scripted(at(0, ":1", Slept()), at(1, "", Stopped())), states)
    assert outcome.status == "ABORTED"
    assert len([line for line in lines if line != "safe"]) == 1 + 2 * 2000 + 3
