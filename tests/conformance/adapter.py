"""The project as the conformance programs see it: each function a thin call of the project's own modules."""

from __future__ import annotations

import json
import linecache
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sfnrun import PENDING, Payload, Reply, Request, TaskFailed
from sfnrun.api.handlers import Handlers
from sfnrun.asl.load import WorkflowType, validate
from sfnrun.asl.model import Field, Machine, Map, Parallel, State, StateMachine, Succeed, every_state
from sfnrun.asl.parse import parse
from sfnrun.asl.text.source import from_text, from_value
from sfnrun.config import Project
from sfnrun.effects import Pause, Resumed
from sfnrun.engine.execution import NO_LIMITS, Execution
from sfnrun.errors import DefinitionError
from sfnrun.explain.observe import Observer, instrumented
from sfnrun.explain.stages import stages_of
from sfnrun.expr.jsonata.engine import UNDEFINED, Bounds, EvaluationFailed, evaluate_on
from sfnrun.expr.jsonpath import compile_path
from sfnrun.expr.scope import PlainScope
from sfnrun.expr.timestamp import instant_ms
from sfnrun.history.journal import ListenerJournal, combined
from sfnrun.history.visit import Visit
from sfnrun.payload import dumps
from sfnrun.record import Event, Note
from sfnrun.world.world import World

# The conformance programs load this file by its path, without pytest's path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from running import run

__all__ = ["UNDEFINED", "evaluate_jsonata", "evaluate_jsonpath", "run_case", "run_test_state", "validate_case"]


def evaluate_jsonata(
    expr: str, data: Any, bindings: dict[str, Any], timelimit: int | None = None, depth: int | None = None
) -> Any:
    """An expression of the reference suite; UNDEFINED for no input, and for no result."""
    seconds = Bounds().seconds if timelimit is None else timelimit / 1000
    bounds = Bounds(seconds=seconds, depth=depth, items=None, characters=None)
    try:
        return evaluate_on(expr, data, bindings, bounds)
    except EvaluationFailed as failed:
        raise failed.error from None


def evaluate_jsonpath(path: str, document: Any) -> Any:
    """What a path finds in a document; raises ExpressionError where AWS refuses it, PathError where it fails."""
    return compile_path(path, rooted=False).evaluate(document, PlainScope())


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Run a recorded execution over what the world answered in it."""
    # Nothing was recorded of what the Tasks of EXPRESS executions were answered.
    world = _functions(case) if case["type"] == "EXPRESS" else RecordedWorld(case["task_results"])
    stopped = any(call["op"] == "stop_execution" for call in case.get("driver_calls") or ())
    text = case.get("input_raw")
    now = int(time.time() * 1000)
    result = run(
        case["definition"],
        Payload.parse("{}" if text is None else text),
        tasks=world,
        type=case["type"],
        synchronous="async" not in case["module"],
        role_arn=case.get("role_arn"),
        state_machine_name=case["state_machine_arn"].split(":")[-1],
        name=_execution_name(case),
        execution_arn=case.get("execution_arn"),
        account=case["state_machine_arn"].split(":")[4],
        activities=_activities(case),
        start_time=now,
        stop_at=now + 1000 if stopped and case["type"] == "STANDARD" else None,
    )
    return {
        "status": result.status,
        "output": result.output_text,
        "error": result.error,
        "cause": result.cause,
        "events": result.events,
    }


def _functions(case: dict[str, Any]) -> dict[str, Any]:
    """The functions that a case without recorded answers had, as far as they are simple enough to say what they did."""
    made = [step["params"] for step in case.get("setup") or () if step["op"] == "create_lambda_function"]
    made = [one for one in made if one["handler_file"] in BODIES]
    # A pattern: which function is invoked, the data say in some of these.
    return {f"*{one['func_name']}": _deployed(BODIES[one["handler_file"]]) for one in made}


BODIES = {"id_function.py": "return event", "raise_exception.py": 'raise Exception("Some exception was raised.")'}


def _deployed(body: str) -> Callable[[Any, Any], Any]:
    """A handler that stands where Lambda unpacks a function's code, which its stack traces tell."""
    path, text = "/var/task/handler.py", f"def handler(event, context):\n    {body}\n"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    names: dict[str, Any] = {}
    exec(compile(text, path, "exec"), names)
    handler: Callable[[Any, Any], Any] = names["handler"]
    return handler


def _activities(case: dict[str, Any]) -> list[str]:
    """ARNs of the activities that were there when the execution began."""
    region, account = case["state_machine_arn"].split(":")[3:5]
    prefix = f"arn:aws:states:{region}:{account}:activity:"
    names: dict[str, None] = {}
    for step in case.get("setup") or ():
        if step["op"] == "create_activity":
            names[prefix + step["params"]["name"]] = None
        elif step["op"] == "delete_activity":
            names.pop(step["params"].get("activityArn", ""), None)
    return list(names)


def _execution_name(case: dict[str, Any]) -> str:
    parts = str(case.get("execution_arn") or "::execution").split(":")
    return parts[7] if len(parts) > 7 else parts[-1]


class RecordedWorld:
    """Answers each request with the next recorded result of its state; four recordings do not say the state."""

    def __init__(self, results: list[dict[str, Any]]) -> None:
        self.results = list(results)

    def __call__(self, request: Request) -> Any:
        result = self._take(request)
        if result is None:
            raise TaskFailed("Test.NoAnswer", f"the recording has no answer for {request.state}")
        answer = result["result"]
        worker = result.get("worker_name")
        submitted = result.get("submitted_output")
        submitted = None if submitted is None else _payload(submitted)
        if answer.get("timed_out"):
            return Reply(PENDING, submitted=submitted, worker_name=worker)
        if "output" in answer:
            return Reply(_payload(answer["output"]), submitted=submitted, worker_name=worker)
        cause = answer.get("cause_text", answer.get("cause"))
        failure = TaskFailed(answer.get("error"), cause if cause is None or isinstance(cause, str) else dumps(cause))
        return Reply(failure=failure, submitted=submitted, worker_name=worker)

    def _take(self, request: Request) -> dict[str, Any] | None:
        for index, result in enumerate(self.results):
            if result["state"] in (None, request.state):
                return self.results.pop(index)
        return None


def _payload(recorded: Any) -> Payload:
    """A recorded output: JSON text, or the object that the recorder made of it."""
    return Payload.parse(recorded) if isinstance(recorded, str) else Payload(recorded)


def validate_case(case: dict[str, Any]) -> dict[str, Any]:
    """What ValidateStateMachineDefinition says of a definition; it gives warnings only to those who ask for them."""
    params = case.get("params") or {}
    definition = case["definition"]
    text = definition if isinstance(definition, str) else json.dumps(definition, ensure_ascii=False)
    workflow_type: WorkflowType = params.get("type") or case.get("type") or "STANDARD"
    try:
        problems = validate(from_text(text, format="json"), workflow_type=workflow_type)
    except DefinitionError as error:
        problems = list(error.problems)
    wanted = ("error", "warning") if params.get("severity") == "WARNING" else ("error",)
    diagnostics = [
        {"severity": problem.severity.upper(), "code": problem.code, "message": problem.message}
        | ({"location": problem.location} if problem.location else {})
        # What has no place comes last in AWS's answers (measured), and first where problems are told by line.
        for problem in sorted(problems, key=lambda problem: problem.location is None)
        if problem.severity in wanted and problem.code
    ]
    failed = any(problem.severity == "error" for problem in problems)
    return {"result": "FAIL" if failed else "OK", "diagnostics": diagnostics}


# --- TestState: one state alone, with a mock in the place of its work ---


def run_test_state(case: dict[str, Any]) -> dict[str, Any]:
    """What TestState answers: how one state went, where it leads, and its data at every stage if it is asked for.

    Refusals are those of the definition; what TestState has to say of its own parameters is not here.
    """
    params = case.get("params") or {}
    machine, problems = _machine_around(case["definition"], params)
    if machine is None:
        return {"Error": {"Code": "InvalidDefinition", "Message": f"Invalid State Machine Definition: '{problems}'"}}
    asked = StateAlone(machine, params, "{}" if case.get("input_raw") is None else case["input_raw"])
    return asked.answer()


UNNAMED = "StateName"  # what TestState calls a state, unless the context object that it is given says otherwise
MOCK = "arn:aws:lambda:us-east-1:123456789012:function:mock"
ACCOUNT = "111111111111"  # whose the recordings are

# The stages of a Parallel and a Map that TestState keeps to itself: they are given a mock, and do no work.
UNTOLD = {
    ("Parallel", "JSONPath"): {"afterInputPath", "afterParameters", "result"},
    ("Parallel", "JSONata"): {"afterArguments", "result"},
    ("Map", "JSONPath"): {"result"},
    ("Map", "JSONata"): {"afterItemsPath", "result"},
}


def _machine_around(definition: dict[str, Any], params: dict[str, Any]) -> tuple[Machine | None, str]:
    """The machine that the state is in, one made for a state that is given without; else what is wrong with it."""
    if "stateName" not in params:
        ends = {name: {"Type": "Succeed"} for name in _targets(definition)}
        definition = {"StartAt": UNNAMED, "States": {UNNAMED: definition, **ends}}
    try:
        source = from_value(definition)
        problems = validate(source)
    except DefinitionError as error:
        problems = list(error.problems)
    errors = [one for one in problems if one.severity == "error"]
    if errors:
        return None, ", ".join(f"{one.code}: {one.message} at {one.location}" for one in errors)
    return parse(source), ""


def _targets(node: Any) -> set[str]:
    """The names of the states that a state leads to, by itself, by its rules and by its Catchers."""
    named = {node[field] for field in ("Next", "Default") if isinstance(node.get(field), str)}
    listed = [each for field in ("Choices", "Catch") for each in node.get(field) or () if isinstance(each, dict)]
    return named.union(*map(_targets, listed))


class StateAlone:
    """A state between one that assigns the variables and those that it leads to, which end."""

    def __init__(self, machine: Machine, params: dict[str, Any], input: str) -> None:
        self.params = params
        self.input = Payload.parse(input)
        self.context = json.loads(params.get("context") or "{}")
        self.mock = params.get("mock") or {}
        self.configuration = params.get("stateConfiguration") or {}
        self.name = self.context.get("State", {}).get("Name", UNNAMED)
        wanted = params.get("stateName", UNNAMED)
        found = next(state for state in every_state(machine.graph) if state.name == wanted)
        self.state = self._mocked(replace(found, name=self.name))
        self.answers = self._answers()
        self.observer = Observer(self.name, lambda index, document, scope: [])
        self.notes: list[Note] = []
        self.entered: list[str] = []

    def event(self, event: Event) -> None:
        if event.fiber == "" and event.type.endswith("StateEntered"):
            self.entered.append(event.details["name"])

    def note(self, note: Note) -> None:
        if note.state == self.name:
            self.notes.append(note)

    # --- the mock ---

    def _mocked(self, state: State) -> State:
        """The state with a Task in the place of each branch, or of what is done with each item."""
        mock = self._graph({"Mock": {"Type": "Task", "Resource": MOCK, "End": True}})
        if isinstance(state, Parallel):
            return replace(state, branches=tuple(mock for _ in state.branches))
        if isinstance(state, Map):
            items = self.configuration.get("mapItemReaderData")
            read = {} if items is None else {"items": Field("Items", json.loads(items))}
            return replace(state, processor=mock, **read)
        return state

    def _graph(self, states: Mapping[str, Any]) -> StateMachine:
        return parse(from_value({"StartAt": next(iter(states)), "States": dict(states)})).graph

    def _answers(self) -> Callable[[Request], Any]:
        """The mock's error for everybody who asks; its result, of which each branch or item is given its own."""
        if "result" not in self.mock:
            failure = self.mock.get("errorOutput") or {"error": "Test.NoMock", "cause": "the case has no mock"}
            return lambda request: Reply(failure=TaskFailed(failure.get("error"), failure.get("cause")))
        result = Payload.parse(self.mock["result"])
        if not isinstance(self.state, Map | Parallel):
            return lambda request: Reply(result)
        parts = iter(result.value)
        return lambda request: Reply(Payload(next(parts)))

    # --- the run ---

    def _run(self) -> Any:
        first = {"Type": "Pass", "End": True}
        variables = json.loads(self.params.get("variables") or "{}")
        before = self._graph({"Before": {**first, **({"Assign": variables} if variables else {})}}).states["Before"]
        ends = [self.state.next, getattr(self.state, "default", None)]
        ends += [each.next for each in (*getattr(self.state, "choices", ()), *self.state.catch)]
        states: dict[str, State] = {name: Succeed(name=name, pointer=()) for name in ends if name is not None}
        states |= {before.name: replace(before, next=self.name), self.name: self.state}
        machine = instrumented(Machine(StateMachine(before.name, states)), self.observer)
        answerer = Handlers({"tasks": self.answers}, None).answerer(machine, Project(), machine.name)
        listeners = (self.observer, self)
        journal = combined([ListenerJournal(listener) for listener in listeners])
        world = World("virtual")
        return world.wait(
            world.start(machine, self._execution(), journal, answerer, limits=NO_LIMITS, step=self._step, stepping=True)
        )

    def _step(self, pause: Pause) -> Resumed:
        """The state has an input of its own; the execution's is that of the context object."""
        return Resumed(input=self.input if pause.state == self.name else None)

    def _execution(self) -> Execution:
        said, machine = self.context.get("Execution", {}), self.context.get("StateMachine", {})
        name, arn = said.get("Name", "test"), f"arn:aws:states:us-east-1:{ACCOUNT}"
        began = said.get("StartTime")
        start = instant_ms(began) if began else None
        return Execution(
            name=name,
            arn=said.get("Id", f"{arn}:express:{UNNAMED}:{name}"),
            state_machine_name=machine.get("Name", UNNAMED),
            state_machine_arn=machine.get("Id", f"{arn}:stateMachine:{UNNAMED}"),
            role_arn=said.get("RoleArn", self.params.get("roleArn")),
            input=Payload(said["Input"]) if "Input" in said else self.input,
            start_time=round(time.time() * 1000 if start is None else start),
            workflow_type="EXPRESS",
        )

    # --- the answer ---

    def answer(self) -> dict[str, Any]:
        """How the attempt went that comes after so many retries, as the case says."""
        outcome = self._run()
        visit = next(visit for visit in self.observer.timeline if visit.name == self.name)
        seen = self.observer.observed(visit.entered)
        number = min(self.configuration.get("retrierRetryCount", 0), len(visit.attempts) - 1)
        told = self._told(outcome, visit, number)
        if self.params.get("inspectionLevel", "INFO") != "INFO":
            stages = stages_of(self.state, seen, number + 1)
            untold = UNTOLD.get((self.state.type, self.state.query_language), set()) | {"output", "error"}
            told["inspectionData"] = {
                stage.name: _as_told(stage.name, stage.payload.value)
                for stage in stages
                if stage.payload is not None and stage.name not in untold
            }
            details = self._error_details(visit, number)
            if details:
                told["inspectionData"]["errorDetails"] = details
        return told

    def _told(self, outcome: Any, visit: Visit, number: int) -> dict[str, Any]:
        attempt = visit.attempts[number]
        failed = {"error": attempt.error, "cause": attempt.cause}
        if attempt.retry is not None:
            return {"status": "RETRIABLE", **failed}
        if outcome.status == "FAILED":
            return {"status": "FAILED", "error": outcome.error, "cause": _without_place(outcome.cause)}
        assert visit.output is not None
        told: dict[str, Any] = {"status": "SUCCEEDED", "output": _text(visit.output.value)}
        if visit.outcome == "caught":
            told |= {"status": "CAUGHT_ERROR", **failed}
        following = self.entered[self.entered.index(self.name) + 1 :]
        return told | ({"nextState": following[0]} if following else {})

    def _error_details(self, visit: Visit, number: int) -> dict[str, Any]:
        """The Retrier that took the error, even one whose attempts are used up, and the Catcher that did."""
        taken = [attempt.retry for attempt in visit.attempts[: number + 1] if attempt.retry is not None]
        told: dict[str, Any] = {"retryIndex": taken[-1].details["retrier"]} if taken else {}
        if visit.attempts[number].retry is not None:
            told["retryBackoffIntervalSeconds"] = taken[-1].details["delay_ms"] // 1000
        caught = [note.details["catcher"] for note in self.notes if note.kind == "catch"]
        return told | ({"catchIndex": caught[0]} if caught and number == len(visit.attempts) - 1 else {})


NUMBERS = ("maxConcurrency", "toleratedFailureCount", "toleratedFailurePercentage")


def _as_told(stage: str, value: Any) -> Any:
    """Data as text, numbers as they are; percentages have a point."""
    if stage not in NUMBERS:
        return _text(value)
    return float(value) if stage == "toleratedFailurePercentage" else value


def _text(value: Any) -> str:
    """JSON with blanks, as everybody wrote it who was recorded: whether TestState keeps them or makes them is open."""
    return json.dumps(value, ensure_ascii=False)


def _without_place(cause: str | None) -> str | None:
    """TestState has no events, so its causes do not say where in a history the state was entered."""
    prefix = r"An error occurred while executing the state '.*?' \(entered at the event id #\d+\)\. "
    return None if cause is None else re.sub(prefix, "", cause, count=1)
