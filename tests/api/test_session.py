"""Session, Execution and Clock: many executions on one clock, answered from inside and outside, under both clocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import sfnrun
from sfnrun import PENDING, ApiError, HistoryError, Reply, Request, Session, Token, UsageError, WaitingError

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:f"
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
FOREVER = 60.0


def machine(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def waiting(**fields: Any) -> dict[str, Any]:
    """A Task that waits for its token."""
    parameters = {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}}
    resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **fields}


PASS = machine(P={"Type": "Pass", "End": True})
HOUR = machine(W={"Type": "Wait", "Seconds": 3600, "End": True})
TASK = machine(T={"Type": "Task", "Resource": LAMBDA, "End": True})
ASK = machine(Ask=waiting())
BOTH = machine(Both={"Type": "Parallel", "End": True, "Branches": [machine(A=waiting()), machine(B=waiting())]})


class Silent:
    """Handles Tasks without an answer, and lets a test wait until it was called."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self._called = threading.Semaphore(0)

    def __call__(self, request: Request) -> Any:
        assert request.token is not None
        self.tokens.append(request.token)
        self._called.release()
        return PENDING

    def wait(self, session: Session, calls: int = 1) -> None:
        """Have so many Tasks called."""
        if session.clock.now() < datetime(2026, 2, 1, tzinfo=UTC):
            session.clock.advance(0)
        for _ in range(calls):
            assert self._called.acquire(timeout=FOREVER)


@pytest.fixture(params=["virtual", "real"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of a Session under each clock."""
    return {"clock": request.param, "seed": 1}


# --- time ---


def test_virtual_time_passes_only_where_it_is_waited_for() -> None:
    with Session(seed=1) as session:
        execution = session.start(HOUR, {"id": 7}, name="n")
        assert (execution.status, execution.result, session.clock.now()) == ("RUNNING", None, STARTED)
        session.clock.advance("30m")
        assert session.clock.now() == STARTED + timedelta(minutes=30)
        assert [event.type for event in execution.events()] == ["ExecutionStarted", "WaitStateEntered"]
        session.clock.advance(timedelta(minutes=30))
        assert execution.status == "SUCCEEDED"
        assert execution.result is not None
        assert execution.result.took == timedelta(hours=1)


def test_executions_share_a_clock() -> None:
    with Session(seed=1) as session:
        first, second = session.start(HOUR), session.start(machine(W={"Type": "Wait", "Seconds": 60, "End": True}))
        assert first.wait().ended == STARTED + timedelta(hours=1)
        assert second.result is not None
        assert second.result.ended == STARTED + timedelta(minutes=1)
        assert session.run(HOUR).started == session.clock.now() - timedelta(hours=1) == STARTED + timedelta(hours=1)


def test_a_session_runs_until_idle() -> None:
    with Session(seed=1, tasks=Silent()) as session:
        hour, ask = session.start(HOUR), session.start(ASK)
        session.clock.run_until_idle()
        assert (hour.status, ask.status) == ("SUCCEEDED", "WAITING")


def test_a_real_clock_advances_by_itself() -> None:
    with Session(clock="real") as session:
        before = datetime.now(UTC) - timedelta(seconds=1)
        assert before <= session.clock.now() <= before + timedelta(seconds=FOREVER)
        for act in (lambda: session.clock.advance(1), session.clock.run_until_idle):
            with pytest.raises(UsageError, match="advances by itself"):
                act()


def test_a_virtual_clock_starts_at_the_start_time() -> None:
    start = datetime(2020, 2, 29, 12, tzinfo=UTC)
    with Session(start_time=start) as session:
        assert session.clock.now() == session.run(PASS).started == start
    with pytest.raises(UsageError, match="no time zone"):
        Session(start_time=datetime(2020, 2, 29))


def test_a_wait_ends_with_its_timeout() -> None:
    with Session(clock="real") as session:
        execution = session.start(HOUR)
        with pytest.raises(TimeoutError):
            execution.wait("10ms")
        execution.stop("Enough", "for today")
        result = execution.wait(FOREVER)
        assert (result.status, result.error, result.cause) == ("ABORTED", "Enough", "for today")


# --- answers from outside ---


@pytest.mark.parametrize("target", ["n:Ask", "n", "last", ":Ask", "the token"])
def test_a_token_is_answered_by_its_address(target: str, options: dict[str, Any]) -> None:
    silent = Silent()
    with Session(tasks=silent, **options) as session:
        execution = session.start(ASK, name="n")
        silent.wait(session)
        [token] = session.tokens()
        assert (token.token, token.run, token.place) == (silent.tokens[0], "n", "Ask")
        assert (execution.status, execution.describe().place, execution.tokens()) == ("WAITING", "Ask", [token])
        session.send_task_success(token.token if target == "the token" else target, {"approved": True})
        assert execution.wait(FOREVER).output == {"approved": True}
        assert (execution.status, session.tokens()) == ("SUCCEEDED", [])


def test_a_token_is_answered_with_an_error(options: dict[str, Any]) -> None:
    silent = Silent()
    with Session(tasks=silent, **options) as session:
        execution = session.start(ASK, name="n")
        silent.wait(session)
        session.send_task_failure("n", error="Declined", cause="not now")
        result = execution.wait(FOREVER)
        assert (result.status, result.error, result.cause, result.place) == ("FAILED", "Declined", "not now", "Ask")


def test_a_heartbeat_keeps_a_task_alive() -> None:
    with Session(seed=1, tasks=Silent()) as session:
        execution = session.start(machine(Ask=waiting(HeartbeatSeconds=60)), name="n")
        for _ in range(5):
            session.clock.advance(59)
            session.send_task_heartbeat("n:Ask")
            assert execution.tokens()[0].heartbeat_at is not None
        session.clock.advance(59)
        assert execution.status == "WAITING"
        session.clock.advance(1)
        assert execution.wait().error == "States.Timeout"
        assert execution.wait().took == timedelta(seconds=6 * 59 + 1)


def test_a_late_or_foreign_token_is_refused(options: dict[str, Any]) -> None:
    silent = Silent()
    with Session(tasks=silent, **options) as session:
        execution = session.start(ASK, name="n")
        silent.wait(session)
        session.send_task_success(silent.tokens[0])
        assert execution.wait(FOREVER).output == {}
        for act in (session.send_task_success, session.send_task_failure, session.send_task_heartbeat):
            with pytest.raises(ApiError) as late:
                act(silent.tokens[0])
            with pytest.raises(ApiError) as foreign:
                act("A" * 100)
            assert (late.value.code, foreign.value.code) == ("TaskTimedOut", "InvalidToken")
        with pytest.raises(ApiError) as invalid:
            session.send_task_success(silent.tokens[0], {1, 2})
        assert invalid.value.code == "InvalidOutput"


def test_a_target_names_one_open_token(options: dict[str, Any]) -> None:
    silent = Silent()
    with Session(tasks=silent, **options) as session:
        execution = session.start(BOTH, name="n")
        silent.wait(session, 2)
        assert {token.place for token in session.tokens()} == {"Both[0].A", "Both[1].B"}
        for target, message in [
            ("n", "several open"),
            ("n:C", "no open"),
            ("other", "no open"),
            ("n:Both[2]", "no open"),
        ]:
            with pytest.raises(UsageError, match=message) as refused:
                session.send_task_success(target)
            assert "n:Both[1].B" in refused.value.hint or target == "other"
        session.send_task_success("n:Both[1]", 2)
        session.send_task_success("n:A", 1)
        assert execution.wait(FOREVER).output == [1, 2]


def test_waiting_for_a_token_that_nobody_answers_is_an_error() -> None:
    with Session(seed=1, tasks=Silent()) as session:
        execution = session.start(ASK, name="n")
        with pytest.raises(WaitingError, match="n:Ask") as waiting:
            execution.wait()
        assert [(token.run, token.place, token.since) for token in waiting.value.tokens] == [("n", "Ask", STARTED)]
        session.send_task_success("n", 1)
        assert execution.wait().output == 1


def test_a_token_is_answered_from_another_process(tmp_path: Path, options: dict[str, Any]) -> None:
    """As `sfnrun send` does: by the store alone."""
    silent = Silent()
    with Session(tasks=silent, store=tmp_path, **options) as session:
        execution = session.start(BOTH, name="n")
        silent.wait(session, 2)
        if options["clock"] == "real":
            wait_until(lambda: b'"Submitted"' in (tmp_path / "n.jsonl").read_bytes())
        else:
            session.clock.run_until_idle()
        token = sfnrun.send_task_success("n:A", {"by": "mail"}, store=tmp_path)
        assert (token.run, token.place) == ("n", "Both[0].A")
        sfnrun.send_task_failure("last:B", error="No", store=tmp_path)
        result = execution.wait(FOREVER)
        assert (result.status, result.error) == ("FAILED", "No")
        with pytest.raises(ApiError) as late:
            sfnrun.send_task_success(silent.tokens[0], store=tmp_path)
        assert late.value.code == "TaskTimedOut"
        with pytest.raises(ApiError) as foreign:
            sfnrun.send_task_success("A" * 100, store=tmp_path)
        assert foreign.value.code == "InvalidToken"


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for another thread."""
    ended = threading.Event()
    for _ in range(int(FOREVER / 0.01)):
        if happened():
            return
        ended.wait(0.01)
    raise AssertionError("it never happened")


# --- names and handles ---


def test_a_name_is_taken_once(options: dict[str, Any]) -> None:
    with Session(tasks=lambda request: 1, **options) as session:
        execution = session.start(HOUR, {"id": 7}, name="n")
        assert session.start(HOUR, {"id": 7}, name="n") is execution  # as StartExecution does
        with pytest.raises(ApiError) as other_input:
            session.start(HOUR, {"id": 8}, name="n")
        execution.stop()
        execution.wait(FOREVER)
        with pytest.raises(ApiError) as closed:
            session.start(HOUR, {"id": 7}, name="n")
        assert other_input.value.code == closed.value.code == "ExecutionAlreadyExists"
        assert closed.value.message == f"Execution Already Exists: '{execution.arn}'"


@pytest.mark.parametrize(
    ("name", "error"),
    [("a b", ApiError), ("", ApiError), ("x" * 81, ApiError), ("last", UsageError), ("last~1", ApiError)],
)
def test_names_that_are_refused(name: str, error: type[Exception]) -> None:
    with Session() as session, pytest.raises(error, match=r"(?i)invalid name"):
        session.start(PASS, name=name)


def test_names_are_made_up_without_repeating(tmp_path: Path) -> None:
    for store in (None, tmp_path):
        with Session(seed=4, store=store) as session:
            names = [session.start(PASS).name for _ in range(3)]
        assert names == ["StateMachine-seed-4", "StateMachine-seed-4-2", "StateMachine-seed-4-3"]
    with Session(seed=4, store=tmp_path) as session:
        assert session.run(PASS).name == "StateMachine-seed-4-4"


def test_executions_are_found_by_their_address(tmp_path: Path) -> None:
    with Session(seed=1, store=tmp_path) as session:
        first, last = session.start(PASS, name="first"), session.start(HOUR, name="second")
        assert session.get("first") is first
        assert session.get() is session.get("second") is last
        with pytest.raises(HistoryError, match="execution not found: 'frist'") as missing:
            session.get("frist")
        assert "did you mean 'first'?" in missing.value.hint
        session.clock.advance(0)
    with Session(store=tmp_path) as session:
        found = session.get("first")
        assert (found.status, found.machine, found.arn) == ("SUCCEEDED", "StateMachine", first.arn)
        assert found.wait().output == {}
        assert [event.type for event in found.events()][-1] == "ExecutionSucceeded"
        assert session.get("second").status == "CRASHED"
        with pytest.raises(HistoryError, match="has crashed"):
            session.get("second").wait()


def test_events_are_followed_to_the_end(options: dict[str, Any]) -> None:
    states = machine(W={"Type": "Wait", "Seconds": 0, "Next": "P"}, P={"Type": "Pass", "End": True})
    with Session(**options) as session:
        execution = session.start(states)
        types = [event.type for event in execution.events(follow=True)]
        assert types == [
            "ExecutionStarted", "WaitStateEntered", "WaitStateExited", "PassStateEntered", "PassStateExited",
            "ExecutionSucceeded",
        ]  # fmt: skip


def test_an_execution_can_be_awaited(options: dict[str, Any]) -> None:
    async def both(session: Session) -> list[Any]:
        executions = [session.start(PASS, number) for number in range(2)]
        return [(await execution).output for execution in executions]

    with Session(**options) as session:
        assert asyncio.run(both(session)) == [0, 1]


def test_a_handler_cannot_wait_for_its_own_session(options: dict[str, Any]) -> None:
    def handler(request: Request) -> Any:
        return session.run(PASS).output

    with Session(tasks=handler, **options) as session:
        if options["clock"] == "real":
            assert session.start(TASK).wait(FOREVER).status == "SUCCEEDED"
        else:
            result = session.start(TASK).wait()
            assert result.status == "FAILED"
            assert "cannot wait for an execution inside a handler" in (result.cause or "")


def test_a_handles_repr_says_its_status() -> None:
    with Session() as session:
        execution = session.start(PASS, name="n")
        assert repr(execution) == "<Execution n RUNNING>"
        execution.wait()
        assert repr(execution) == "<Execution n SUCCEEDED>"


# --- many ---

MANY = 1000
SHORT = machine(
    W={"Type": "Wait", "SecondsPath": "$.s", "Next": "T"},
    T={"Type": "Task", "Resource": LAMBDA, "Next": "P"},
    P={"Type": "Pass", "End": True},
)


def start_many(session: Session, seconds: Callable[[int], float]) -> list[sfnrun.Execution]:
    machine = sfnrun.load(SHORT)
    return [session.start(machine, {"s": seconds(number), "n": number}, name=f"n{number}") for number in range(MANY)]


def test_a_thousand_executions_under_the_virtual_clock(tmp_path: Path) -> None:
    def handler(request: Request) -> Any:
        return Reply(request.payload["n"], duration_ms=7 * request.payload["n"] % 1000)

    for folder in (tmp_path / "1", tmp_path / "2"):
        with Session(seed=5, tasks=handler, store=folder, keep_events=False) as session:
            executions = start_many(session, lambda number: number * 37 % 100)
            session.clock.run_until_idle()
            results = [execution.wait() for execution in executions]
        assert [result.output for result in results] == list(range(MANY))
        assert max(result.ended for result in results) < STARTED + timedelta(seconds=101)
    for file in (tmp_path / "1").glob("*.jsonl"):
        assert file.read_bytes() == (tmp_path / "2" / file.name).read_bytes()


def test_a_thousand_executions_under_the_real_clock() -> None:
    with Session(clock="real", tasks=lambda request: request.payload["n"]) as session:
        executions = start_many(session, lambda number: number % 2)
        assert [execution.wait(FOREVER).output for execution in executions] == list(range(MANY))


def test_a_session_of_the_real_clock_is_safe_for_threads() -> None:
    with Session(clock="real", tasks=lambda request: request.payload["n"]) as session:

        def work(thread: int) -> list[int]:
            executions = [session.start(SHORT, {"s": 0, "n": thread * 10 + number}) for number in range(10)]
            return [execution.wait(FOREVER).output for execution in executions]

        with ThreadPoolExecutor(8) as pool:
            outputs = [output for outputs in pool.map(work, range(8)) for output in outputs]
    assert outputs == list(range(80))


# --- closing ---


def test_open_executions_can_be_resumed_when_a_session_is_closed(tmp_path: Path, options: dict[str, Any]) -> None:
    silent = Silent()
    with Session(tasks=silent, store=tmp_path, **options) as session:
        session.start(ASK, name="n")
        silent.wait(session)
        [token] = session.tokens()
    assert sfnrun.Session(store=tmp_path).get("n").status == "CRASHED"
    sfnrun.send_task_success("n", {"later": True}, store=tmp_path)
    result = sfnrun.resume("n", tasks=silent, store=tmp_path)
    assert (result.status, len(silent.tokens)) == ("SUCCEEDED", 1) or options["clock"] == "virtual"
    assert result.output == {"later": True}
    assert isinstance(token, Token)


# --- options ---


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected option 'sead'; did you mean 'seed'"):
        sfnrun.run(PASS, sead=1)  # type: ignore[call-arg]


def test_an_unknown_clock_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="invalid clock 'fast'"):
        sfnrun.run(PASS, clock="fast")  # type: ignore[arg-type]


def test_what_is_recorded_cannot_be_changed(tmp_path: Path) -> None:
    sfnrun.run(PASS, store=tmp_path, name="n")
    for act in (sfnrun.resume, sfnrun.redrive, sfnrun.replay):
        with pytest.raises(UsageError, match="'seed' is as recorded"):
            act("n", store=tmp_path, seed=1)
