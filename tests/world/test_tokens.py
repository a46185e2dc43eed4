"""Task tokens answered from outside, under both clocks; the real one is faked, so that nothing here takes time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cases import Case, load_table
from driving import CALLBACK, START, AnsweredBy, FakeTime, execution_of, machine_of

from sfnrun import PENDING, Reply, Request, TaskFailed
from sfnrun.effects import Failed, Handler, Stopped, Succeeded
from sfnrun.engine.execution import key_of_token, names_in_token, task_token
from sfnrun.engine.run import Outcome
from sfnrun.errors import ApiError
from sfnrun.history.journal import EventList
from sfnrun.payload import Payload
from sfnrun.record import Event
from sfnrun.world.hosted import Hosted
from sfnrun.world.world import World

CASES = load_table(Path(__file__).parent / "tokens.yaml")


class Scene:
    """A World with one execution, and the steps of a case on its agenda."""

    def __init__(self, world: World, case: Case) -> None:
        self.world = world
        self.case = case
        self.execution = execution_of(given=case.get("input"), start_time=world.now or START)
        self.refused: list[str | None] = []
        self.kept = EventList()
        self.hosted: Hosted | None = None

    def run(self) -> Outcome:
        resource = self.case.get("resource", CALLBACK)
        task = {"Type": "Task", "Resource": resource, "Parameters": {}, **self.case.get("fields", {})}
        states = replaced(self.case.get("states", {"T": "TASK"}), task)
        answerer = AnsweredBy({"T": Handler(self.handle)})
        for seconds, *step in self.case["steps"]:
            self.world.call_at(self.execution.start_time + seconds * 1000, lambda step=step: self.take(*step))
        self.hosted = self.world.start(machine_of(states), self.execution, self.kept, answerer)
        self.world.run()
        return self.world.wait(self.hosted)

    def handle(self, request: Request) -> Any:
        how = self.case.get("handler")
        if how == "answers before it returns":
            assert request.token is not None
            self.world.answer(request.token, Succeeded(Payload("early")))
        if how == "raises":
            raise TaskFailed("Broken")
        return "own" if how == "returns a result" else Reply(PENDING, submitted={"id": 1})

    def take(self, action: str, *arguments: Any) -> None:
        try:
            self.act(action, *arguments)
        except ApiError as error:
            self.refused.append(error.code)
        else:
            self.refused.append(None)

    def act(self, action: str, *arguments: Any) -> None:
        world = self.world
        if action == "stop":
            assert self.hosted is not None
            world.stop(self.hosted, Stopped())
        elif action == "answer":
            value, key = (*arguments, ":1")[:2]
            world.answer(task_token(self.execution, key), Succeeded(Payload(value)))
        elif action == "fail":
            world.answer(task_token(self.execution, ":1"), Failed(*arguments))
        elif action == "beat":
            world.heartbeat(task_token(self.execution, ":1"))
        elif action == "beat-token":
            world.heartbeat(arguments[0])
        else:
            assert action == "answer-token"
            world.answer(arguments[0], Succeeded(Payload(1)))


def replaced(states: Any, task: dict[str, Any]) -> Any:
    """The states with the Task in place of the word TASK."""
    if isinstance(states, dict):
        return {name: replaced(value, task) for name, value in states.items()}
    return [replaced(one, task) for one in states] if isinstance(states, list) else task if states == "TASK" else states


@pytest.mark.parametrize("clock", ["virtual", "real"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_case(case: Case, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if clock == "real":
        FakeTime().install(monkeypatch)
    world = World(clock, threads=False)
    scene = Scene(world, case)
    outcome = scene.run()
    expected = "SUCCEEDED" if "output" in case else case.get("status", "FAILED")
    assert (outcome.status, outcome.error) == (expected, case.get("error"))
    if "output" in case:
        assert outcome.output is not None
        assert outcome.output.value == case["output"]
    if "cause" in case:
        assert outcome.cause == case["cause"]
    assert scene.refused == case["answered"]
    if "events" in case:
        assert lines_of(scene.kept.events) == case["events"]
    assert world.tokens == []


def lines_of(events: list[Event]) -> str:
    """The Task's own events, with the seconds after the start."""
    start = events[0].at
    own = [event for event in events if event.type.startswith(("Task", "Activity")) and "State" not in event.type]
    return "".join(f"{round((event.at - start) / 1000)} {event.type}\n" for event in own)


@pytest.mark.parametrize("name", ["e", "order-7", "run1.0", "7", "1.0:", "a-0123456789abcdef"])
@pytest.mark.parametrize("key", [":1", ":12", "1.0:3", "12.34/2.7:10", "1.0/2.3/4.5:6"])
def test_a_token_names_its_execution_and_its_key(name: str, key: str) -> None:
    execution = execution_of(name)
    token = task_token(execution, key)
    assert key_of_token(execution, token) == key
    assert name in names_in_token(token)
    assert key_of_token(execution_of(name, seed=1), token) is None
    assert key_of_token(execution, token[:-1] + ("0" if token[-1] != "0" else "1")) is None
    assert key_of_token(execution, f"x{token}") is None


@pytest.mark.parametrize(
    "text", ["", "e", "e:1", ":1-0123456789abcdef", "e:1-0123456789ABCDEF", "e:x-0123456789abcdef"]
)
def test_what_is_not_a_token_names_nothing(text: str) -> None:
    assert names_in_token(text) == []


def test_open_tokens_are_listed_with_their_places() -> None:
    world = World("virtual")
    listed: list[Any] = []
    task = {"Type": "Task", "Resource": CALLBACK, "Parameters": {}, "TimeoutSeconds": 60, "HeartbeatSeconds": 9}
    states = {"Odd.name": {"Type": "Map", "ItemProcessor": {"T": task}}}
    look: Callable[[], None] = lambda: listed.extend(world.tokens)  # noqa: E731
    world.call_at(START + 1000, look)
    hosted = world.start(
        machine_of(states), execution_of(given=[1, 2]), EventList(), AnsweredBy({"T": Handler(pending)})
    )
    assert world.wait(hosted).status == "FAILED"
    assert [(token.run, token.place) for token in listed] == [("e", '"Odd.name"[0].T'), ("e", '"Odd.name"[1].T')]
    token = listed[0]
    assert (token.timeout_at - token.since).total_seconds() == 60
    assert (token.heartbeat_at - token.since).total_seconds() == 9


def pending(request: Request) -> Any:
    return PENDING


def test_tokens_of_ended_executions_are_told_from_foreign_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as there are not too many of them: a World that runs for weeks must not grow."""
    monkeypatch.setattr("sfnrun.world.hosted.MOST_ISSUERS", 2)
    world = World("virtual")
    task = {"T": {"Type": "Task", "Resource": CALLBACK, "Parameters": {}}}
    answerer = AnsweredBy({"T": Handler(lambda request: 1)})
    for name in ("a", "b", "c"):
        world.wait(world.start(machine_of(task), execution_of(name), EventList(), answerer))
    codes = []
    for name in ("a", "b", "c"):
        with pytest.raises(ApiError) as caught:
            world.answer(task_token(execution_of(name), ":1"), Failed())
        codes.append(caught.value.code)
    assert codes == ["InvalidToken", "TaskTimedOut", "TaskTimedOut"]
