"""Reads MockConfigFile.json, the mock file of Step Functions Local, and handles Tasks as it says.

A test case names states and their responses. A response gives what is returned or thrown for each invocation of its
state, counted from 0 through all iterations and retries; a number without an entry fails the execution with
States.Runtime. States that the test case does not name run as without it. All problems of a file are reported at once,
with their locations.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from sfnrun.asl.load import read_source
from sfnrun.asl.model import Machine
from sfnrun.asl.text.source import Pointer, Source
from sfnrun.effects import Handler, Output, Request
from sfnrun.errors import ConfigError, DefinitionError, Problem, TaskFailed, UsageError
from sfnrun.payload import Json, Payload, dumps

if TYPE_CHECKING:
    from sfnrun.tasks.resolve import TaskNames

__all__ = ["MockConfig", "TestCase", "load_mock_config"]

Answer = Json | TaskFailed
Response = Mapping[int, Answer]

_RULE = "SFN-MOCK"
_NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
# Ranges are expanded. A history has at most this many events.
_MOST = 25_000

Cases = dict[str, dict[str, dict[str, str]]]


class MockConfig(Struct, frozen=True):
    """A mock file: `cases` by state machine and test case, each a mapping of states to names of responses."""

    path: Path
    cases: Mapping[str, Mapping[str, Mapping[str, str]]]
    responses: Mapping[str, Response]

    def test_case(self, state_machine: str, name: str) -> TestCase:
        """The handlers of a test case; they count the invocations of one execution. Raises UsageError."""
        if state_machine not in self.cases:
            message = f"state machine '{state_machine}' not found in {self.path}"
            raise UsageError(message, _one_of(state_machine, self.cases, "--state-machine-name"))
        cases = self.cases[state_machine]
        if name not in cases:
            message = f"test case '{name}' of '{state_machine}' not found in {self.path}"
            raise UsageError(message, _one_of(name, cases, "--test-case"))
        return TestCase({state: (answer, self.responses[answer]) for state, answer in cases[name].items()})


def _one_of(given: str, names: Iterable[str], option: str) -> str:
    known = list(names)
    close = get_close_matches(given, known, 1)
    return f"did you mean '{close[0]}'?" if close else f"{option}: {', '.join(known) or 'none exists'}"


class TestCase:
    """A HandlerSource for the states of a test case, for one execution."""

    __test__ = False  # pytest would take it for a class of tests

    def __init__(self, states: Mapping[str, tuple[str, Response]]) -> None:
        self._handlers = {
            state: Handler(_MockedState(state, name, response)) for state, (name, response) in states.items()
        }

    def find(self, task: TaskNames) -> Handler | None:
        """The handler of a Task; None if the test case does not mock it."""
        return self._handlers.get(task.state)

    def check(self, machine: Machine) -> None:
        """Raise UsageError if the test case names a state that is not a Task of the machine."""
        from sfnrun.tasks.resolve import tasks_of

        names = [task.name for task in tasks_of(machine.graph)]
        for state in self._handlers:
            if state not in names:
                message = f"the test case mocks '{state}', which is not a Task state of {machine.name}"
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
    """The mock file at `path`. Raises ConfigError with all problems in it, each with its location."""
    try:
        source = read_source(path)
    except DefinitionError as error:
        raise ConfigError(map(_as_mock_problem, error.problems)) from None
    reader = _Reader(source)
    responses = reader.responses()
    cases = reader.cases()
    if reader.problems:
        raise ConfigError(sorted(reader.problems, key=_line))
    return MockConfig(Path(path), cases, responses)


def _line(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)


def _as_mock_problem(problem: Problem) -> Problem:
    if problem.rule == "SFN-S02":
        hint = 'start with {"StateMachines": {...}, "MockedResponses": {...}}'
        problem = replace(problem, message="A mock configuration is a JSON object", hint=hint)
    return replace(problem, rule=_RULE, code="", location=None)


class _Reader:
    """Reads the file and collects its `problems`."""

    def __init__(self, source: Source) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._refuse_other_keys(source.value, (), ("StateMachines", "MockedResponses"))

    def cases(self) -> Cases:
        """The test cases. Every response that one names must exist."""
        machines = self._member((), self._source.value, "StateMachines", required=True)
        names = self._member((), self._source.value, "MockedResponses")
        found: Cases = {}
        for machine, at, about in self._objects(machines, ("StateMachines",)):
            self._refuse_other_keys(about, at, ("TestCases",))
            cases = self._member(at, about, "TestCases", required=True)
            found[machine] = {
                case: self._states(states, here, names)
                for case, here, states in self._objects(cases, (*at, "TestCases"))
            }
        return found

    def responses(self) -> dict[str, Response]:
        """The responses, with ranges expanded."""
        responses = self._member((), self._source.value, "MockedResponses")
        return {
            name: self._response(written, at) for name, at, written in self._objects(responses, ("MockedResponses",))
        }

    def _states(self, states: Mapping[str, Json], at: Pointer, names: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for state, name in states.items():
            if not isinstance(name, str):
                self._report(f"Expected the name of a mocked response, found {_shown(name)}", (*at, state))
            elif name not in names:
                self._report(f"Unknown mocked response '{name}'", (*at, state), hint=_meant(name, names))
            else:
                found[state] = name
        return found

    def _response(self, written: Mapping[str, Json], at: Pointer) -> Response:
        found: dict[int, Answer] = {}
        if not written:
            self._report("Mocked response is empty", at, hint='write {"0": {"Return": {}}}')
        for text, answer in written.items():
            here = (*at, text)
            numbers = self._numbers(text, here)
            if taken := sorted(found.keys() & numbers):
                self._report(f"Duplicate response for invocation {taken[0]}", here, key=True)
            found |= dict.fromkeys(numbers, self._answer(answer, here))
        return found

    def _numbers(self, text: str, at: Pointer) -> range:
        match = _NUMBERS.fullmatch(text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if match is None:
            self._report(f"Invalid invocation number '{text}'", at, key=True, hint='write "0", "1" or "2-5"')
        elif last < first:
            self._report(
                f"Invalid range '{text}': the first number exceeds the last",
                at,
                key=True,
                hint=f'write "{last}-{first}"',
            )
        elif last > _MOST:
            self._report(f"Invocation number '{text}' exceeds {_MOST:,}, the most events of a history", at, key=True)
            return range(0)
        return range(first, last + 1)

    def _answer(self, answer: Json, at: Pointer) -> Answer:
        if not isinstance(answer, dict) or len(answer.keys() & {"Return", "Throw"}) != 1:
            self._report("A response requires either Return or Throw", at, hint='write {"Return": {...}}')
            return None
        self._refuse_other_keys(answer, at, ("Return", "Throw"))
        if "Return" in answer:
            return answer["Return"]
        return self._throw(answer["Throw"], (*at, "Throw"))

    def _throw(self, thrown: Json, at: Pointer) -> TaskFailed | None:
        texts = {"Error", "Cause"}
        if not isinstance(thrown, dict) or any(not isinstance(thrown.get(name), str) for name in texts):
            self._report("Throw requires two strings, Error and Cause", at, key=True)
            return None
        self._refuse_other_keys(thrown, at, ("Error", "Cause"))
        return TaskFailed(thrown["Error"], thrown["Cause"])

    def _member(self, at: Pointer, holder: Mapping[str, Json], name: str, *, required: bool = False) -> dict[str, Any]:
        value = holder.get(name)
        if isinstance(value, dict):
            return value
        if name in holder:
            self._report(f"Expected an object, found {_shown(value)}", (*at, name))
        elif required and not get_close_matches(name, holder):  # else the misspelt one is reported
            self._report(f"Missing key '{name}'", at, key=bool(at))
        return {}

    def _objects(self, holder: Mapping[str, Json], at: Pointer) -> Iterator[tuple[str, Pointer, dict[str, Any]]]:
        for name, value in holder.items():
            if isinstance(value, dict):
                yield name, (*at, name), value
            else:
                self._report(f"Expected an object, found {_shown(value)}", (*at, name))

    def _refuse_other_keys(self, holder: Mapping[str, Json], at: Pointer, known: tuple[str, ...]) -> None:
        for name in holder:
            if name not in known:
                self._report(f"Unknown key '{name}'", (*at, name), key=True, hint=_meant(name, known))

    def _report(self, message: str, at: Pointer, *, key: bool = False, hint: str = "") -> None:
        problem = self._source.problem(_RULE, message, at, key=key, hint=hint, code="")
        if problem not in self.problems:
            self.problems.append(problem)


def _meant(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known) or 'none'}"


def _shown(value: Json) -> str:
    text = dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
