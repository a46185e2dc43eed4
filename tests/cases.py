"""Tables of cases: a short definition, what the world answers, and what must happen then.

A case is written as short as it can be told. `states` are the machine's, the first of which is the start; a state with
neither Next nor End ends the machine (a Choice, Succeed or Fail says so itself), and so in branches and processors.
`machine` holds the fields beside them. `input` is a value, `input_text` its exact text.

`tasks` has for each Task its answers in order, the last of which is repeated:

    {result: 1}  {text: '{"a": 1}'}  {error: E, cause: why}  {silent: true}  the last is never answered
    takes: 3 (seconds)   submitted: {...}   worker: name                    may be added to any of them

Expected are `output` or `output_text` (the execution succeeded), or `error` and `cause` (it failed), or `status`; a
cause that begins with "[S #2] " stands for AWS's "An error occurred while executing the state 'S' (entered at the event
id #2). ", and one that ends in "..." goes on in words that are neither AWS's nor ours. `events` is the history, one
event a line, as `4<3 TaskFailed[E]`: id, previousEventId, type, and in brackets the state's or iteration's name, the
Map's length or the error. `details` are members of single events by id, `asked` is what the tasks were given, `seconds`
how long it took by the clock. `!times [a, 1000]` is a text of a thousand a.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from running import run

from sfnrun import PENDING, Payload, Reply, Request, Result, TaskFailed

__all__ = ["Case", "World", "cause_of", "definition_of", "execute", "load_table", "notation", "tables"]

TABLES = Path(__file__).resolve().parent / "engine"
ENDS_ITSELF = {"Choice", "Succeed", "Fail"}
WAYS = {"Next", "End"}

Case = Mapping[str, Any]


def tables() -> list[Path]:
    """Every table there is."""
    return sorted(TABLES.glob("*.yaml"))


class _Loader(yaml.SafeLoader):
    """YAML with `!times`."""


def _times(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> str:
    text, times = loader.construct_sequence(node)
    return str(text) * int(times)


_Loader.add_constructor("!times", _times)


def load_table(path: Path) -> list[Case]:
    """The cases of a table; they have names of their own."""
    cases: list[Case] = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    names = [case["case"] for case in cases]
    assert len(names) == len(set(names)), f"{path}: two cases have the same name"
    return cases


# --- definitions, made whole ---


def definition_of(case: Case) -> dict[str, Any]:
    """The case's definition as AWS has it."""
    return {**case.get("machine", {}), **_graph(case["states"])}


def _graph(states: Mapping[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": {name: _state(state) for name, state in states.items()}}


def _state(state: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(state)
    if whole["Type"] not in ENDS_ITSELF and not WAYS & whole.keys():
        whole["End"] = True
    if "Branches" in whole:
        whole["Branches"] = [_inner(branch) for branch in whole["Branches"]]
    for processor in whole.keys() & {"ItemProcessor", "Iterator"}:
        whole[processor] = _inner(whole[processor])
    return whole


def _inner(graph: Mapping[str, Any]) -> dict[str, Any]:
    return dict(graph) if "States" in graph else _graph(graph)


# --- what the world answers ---


class World:
    """Answers each Task with the next of its answers, and keeps what it was asked."""

    def __init__(self, answers: Mapping[str, list[Mapping[str, Any]]]) -> None:
        self.answers = answers
        self.requests: list[Request] = []
        self._given: dict[str, int] = {}

    def __call__(self, request: Request) -> Any:
        self.requests.append(request)
        given = self._given.get(request.state, 0)
        self._given[request.state] = given + 1
        answers = self.answers[request.state]
        return _reply(answers[min(given, len(answers) - 1)])


def _reply(answer: Mapping[str, Any]) -> Reply:
    told = {"worker_name": answer.get("worker"), "submitted": answer.get("submitted")}
    told["duration_ms"] = round(answer.get("takes", 0) * 1000)
    if answer.get("silent"):
        return Reply(PENDING, **told)
    if "error" in answer or "cause" in answer:
        return Reply(failure=TaskFailed(answer.get("error"), answer.get("cause")), **told)
    return Reply(Payload.parse(answer["text"]) if "text" in answer else answer["result"], **told)


# --- running one ---


class Executed(NamedTuple):
    """A case that has run."""

    result: Result
    world: World


def execute(case: Case, **options: Any) -> Executed:
    """Run a case under the virtual clock."""
    world = World(case.get("tasks", {}))
    given = Payload.parse(case["input_text"]) if "input_text" in case else case.get("input")
    result = run(
        definition_of(case), given, **{"tasks": world, "seed": 7, "name": "test", **case.get("options", {}), **options}
    )
    return Executed(result, world)


def cause_of(text: str) -> str:
    """A cause as AWS words it."""
    return re.sub(
        r"^\[(\S+) #(\d+)\] ",
        r"An error occurred while executing the state '\1' (entered at the event id #\2). ",
        text,
    )


def notation(events: list[dict[str, Any]]) -> str:
    """A history, one event a line."""
    return "\n".join(_line(event) for event in events)


def _line(event: Mapping[str, Any]) -> str:
    about = ",".join(_about(event))
    return f"{event['id']}<{event['previousEventId']} {event['type']}" + (f"[{about}]" if about else "")


def _about(event: Mapping[str, Any]) -> Iterator[str]:
    details = details_of(event)
    if "index" in details:
        yield f"{details['name']}#{details['index']}"
    elif "name" in details:
        yield details["name"]
    if "length" in details:
        yield f"len={details['length']}"
    if "error" in details:
        yield details["error"]


def details_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """The details of an event, whatever their member is called."""
    return next((value for name, value in event.items() if name.endswith("EventDetails")), {})


def same(left: Any, right: Any) -> bool:
    """Whether two values are the same JSON: 1, 1.0 and true are three values."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
