"""A mock file is read with positions: all that is wrong in it is told at once, with where and what to do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sfnrun.asl.text import source as definitions
from sfnrun.asl.text.source import Pointer, Source
from sfnrun.errors import ConfigError, DefinitionError, Problem, TaskFailed
from sfnrun.payload import Json, dumps

__all__ = ["Answer", "Response", "read_mock_file"]

Answer = Json | TaskFailed
Response = Mapping[int, Answer]

_RULE = "SFN-MOCK"
_NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
# Ranges are written out; nobody means more invocations than a history has events.
_MOST = 25_000

Cases = dict[str, dict[str, dict[str, str]]]


def read_mock_file(path: Path) -> tuple[Cases, dict[str, Response]]:
    """The test cases by state machine, and the responses by name. Raises ConfigError."""
    try:
        source = definitions.load(path)
    except DefinitionError as error:
        raise ConfigError(map(_as_mock_problem, error.problems)) from None
    reader = _Reader(source)
    responses = reader.responses()
    cases = reader.cases()
    if reader.problems:
        raise ConfigError(sorted(reader.problems, key=_line))
    return cases, responses


def _line(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)


def _as_mock_problem(problem: Problem) -> Problem:
    if problem.rule == "SFN-S02":
        hint = 'it begins with {"StateMachines": {...}, "MockedResponses": {...}}'
        problem = replace(problem, message="a mock configuration is a JSON object", hint=hint)
    return replace(problem, rule=_RULE, code="", location=None)


class _Reader:
    """Walks the file and keeps what is wrong in `problems`."""

    def __init__(self, source: Source) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._refuse_other_keys(source.value, (), ("StateMachines", "MockedResponses"))

    def cases(self) -> Cases:
        """The test cases; every response that one names has to be there."""
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
        """The responses, with their ranges written out."""
        responses = self._member((), self._source.value, "MockedResponses")
        return {
            name: self._response(written, at) for name, at, written in self._objects(responses, ("MockedResponses",))
        }

    def _states(self, states: Mapping[str, Json], at: Pointer, names: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for state, name in states.items():
            if not isinstance(name, str):
                self._report(f"expected the name of a mocked response, found {_shown(name)}", (*at, state))
            elif name not in names:
                self._report(f"there is no mocked response '{name}'", (*at, state), hint=_meant(name, names))
            else:
                found[state] = name
        return found

    def _response(self, written: Mapping[str, Json], at: Pointer) -> Response:
        found: dict[int, Answer] = {}
        if not written:
            self._report("this response answers nothing", at, hint='write {"0": {"Return": {}}}')
        for text, answer in written.items():
            here = (*at, text)
            numbers = self._numbers(text, here)
            if taken := sorted(found.keys() & numbers):
                self._report(f"invocation {taken[0]} has an answer already", here, key=True)
            found |= dict.fromkeys(numbers, self._answer(answer, here))
        return found

    def _numbers(self, text: str, at: Pointer) -> range:
        match = _NUMBERS.fullmatch(text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if match is None:
            self._report(f"'{text}' is no number of an invocation", at, key=True, hint='write "0", "1" or "2-5"')
        elif last < first:
            self._report(f"the range '{text}' runs backwards", at, key=True, hint=f'write "{last}-{first}"')
        elif last > _MOST:
            self._report(f"'{text}' is more than the {_MOST:,} events of a history", at, key=True)
            return range(0)
        return range(first, last + 1)

    def _answer(self, answer: Json, at: Pointer) -> Answer:
        if not isinstance(answer, dict) or len(answer.keys() & {"Return", "Throw"}) != 1:
            self._report("an answer has either Return or Throw", at, hint='write {"Return": {...}}')
            return None
        self._refuse_other_keys(answer, at, ("Return", "Throw"))
        if "Return" in answer:
            return answer["Return"]
        return self._throw(answer["Throw"], (*at, "Throw"))

    def _throw(self, thrown: Json, at: Pointer) -> TaskFailed | None:
        texts = {"Error", "Cause"}
        if not isinstance(thrown, dict) or any(not isinstance(thrown.get(name), str) for name in texts):
            self._report("Throw has an Error and a Cause, both texts", at, key=True)
            return None
        self._refuse_other_keys(thrown, at, ("Error", "Cause"))
        return TaskFailed(thrown["Error"], thrown["Cause"])

    def _member(self, at: Pointer, holder: Mapping[str, Json], name: str, *, required: bool = False) -> dict[str, Any]:
        value = holder.get(name)
        if isinstance(value, dict):
            return value
        if name in holder:
            self._report(f"expected an object, found {_shown(value)}", (*at, name))
        elif required and not get_close_matches(name, holder):  # else the misspelt one is reported
            self._report(f"'{name}' is missing", at, key=bool(at))
        return {}

    def _objects(self, holder: Mapping[str, Json], at: Pointer) -> Iterator[tuple[str, Pointer, dict[str, Any]]]:
        for name, value in holder.items():
            if isinstance(value, dict):
                yield name, (*at, name), value
            else:
                self._report(f"expected an object, found {_shown(value)}", (*at, name))

    def _refuse_other_keys(self, holder: Mapping[str, Json], at: Pointer, known: tuple[str, ...]) -> None:
        for name in holder:
            if name not in known:
                self._report(f"there is no '{name}' here", (*at, name), key=True, hint=_meant(name, known))

    def _report(self, message: str, at: Pointer, *, key: bool = False, hint: str = "") -> None:
        problem = self._source.problem(_RULE, message, at, key=key, hint=hint, code="")
        if problem not in self.problems:
            self.problems.append(problem)


def _meant(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known) or 'none'}"


def _shown(value: Json) -> str:
    text = dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
