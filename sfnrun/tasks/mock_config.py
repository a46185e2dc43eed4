"""MockConfigFile.json, the mock file of Step Functions Local, with its semantics.

A test case names states and the responses that they give; a response says for each invocation, counted by state from 0
through all iterations and retries, what is returned or thrown. A number that is not there fails the execution with
States.Runtime. States that the test case does not name run for real.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct

from sfnrun.asl.model import Machine
from sfnrun.effects import Handler, Output, Request
from sfnrun.errors import TaskFailed, UsageError
from sfnrun.payload import Payload
from sfnrun.tasks.mock_file import Response, read_mock_file

if TYPE_CHECKING:
    from sfnrun.tasks.resolve import TaskNames

__all__ = ["MockConfig", "TestCase", "load_mock_config"]


class MockConfig(Struct, frozen=True):
    """A mock file that was read: `cases` by state machine and test case, each a mapping of states to responses."""

    path: Path
    cases: Mapping[str, Mapping[str, Mapping[str, str]]]
    responses: Mapping[str, Response]

    def test_case(self, state_machine: str, name: str) -> TestCase:
        """The handlers of a test case, for one execution: they count its invocations. Raises UsageError."""
        if state_machine not in self.cases:
            message = f"{self.path} has no state machine {state_machine!r}"
            raise UsageError(message, _one_of(state_machine, self.cases, "--state-machine-name"))
        cases = self.cases[state_machine]
        if name not in cases:
            message = f"{self.path} has no test case {name!r} for {state_machine}"
            raise UsageError(message, _one_of(name, cases, "--test-case"))
        return TestCase({state: (answer, self.responses[answer]) for state, answer in cases[name].items()})


def _one_of(given: str, names: Iterable[str], option: str) -> str:
    known = list(names)
    close = get_close_matches(given, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"{option}: {', '.join(known) or 'there is none'}"


class TestCase:
    """Handlers for the states that a test case names; one execution long."""

    __test__ = False  # pytest would take it for a class of tests

    def __init__(self, states: Mapping[str, tuple[str, Response]]) -> None:
        self._handlers = {
            state: Handler(_MockedState(state, name, response)) for state, (name, response) in states.items()
        }

    def find(self, task: TaskNames) -> Handler | None:
        """The handler of a Task; None if the test case does not mock it."""
        return self._handlers.get(task.state)

    def check(self, machine: Machine) -> None:
        """Raise UsageError if the test case names a state that the machine has no Task for."""
        from sfnrun.tasks.resolve import tasks_of

        names = [task.name for task in tasks_of(machine.graph)]
        for state in self._handlers:
            if state not in names:
                message = f"the test case mocks the state {state!r}, which is no Task of {machine.name}"
                raise UsageError(message, _one_of(state, names, "its Tasks"))


class _MockedState:
    """Gives the responses of a state in turn."""

    def __init__(self, state: str, name: str, response: Response) -> None:
        self._state = state
        self._name = name
        self._response = response
        self._invocations = 0
        self._counting = Lock()

    def __call__(self, request: Request) -> Output:
        with self._counting:
            number = self._invocations
            self._invocations += 1
        if number not in self._response:
            cause = (
                f"The mocked response '{self._name}' of state '{self._state}' has no entry for invocation {number}; "
                f"it has {_ranges(self._response)}."
            )
            raise TaskFailed("States.Runtime", cause)
        answer = self._response[number]
        if isinstance(answer, TaskFailed):
            raise TaskFailed(answer.name, answer.cause)
        return Payload(answer)


def _ranges(numbers: Iterable[int]) -> str:
    """0, 1, 2, 5 -> "0-2, 5"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def load_mock_config(path: Path | str) -> MockConfig:
    """The mock file at `path`. Raises ConfigError with all that is wrong in it."""
    return MockConfig(Path(path), *read_mock_file(Path(path)))
