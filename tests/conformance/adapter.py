"""The project as the conformance programs see it: each function a thin call of the project's own modules."""

from __future__ import annotations

import json
import linecache
import time
from collections.abc import Callable
from typing import Any

from sfnrun import PENDING, Payload, Reply, Request, TaskFailed, run
from sfnrun.asl.load import WorkflowType, validate
from sfnrun.asl.source import from_text
from sfnrun.errors import DefinitionError
from sfnrun.expr.jsonata.engine import UNDEFINED, Bounds, EvaluationFailed, evaluate_on
from sfnrun.expr.jsonpath import compile_path
from sfnrun.expr.scope import PlainScope
from sfnrun.payload import dumps

__all__ = ["UNDEFINED", "evaluate_jsonata", "evaluate_jsonpath", "run_case", "validate_case"]


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
        workflow_type=case["type"],
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
    return {one["func_name"]: _deployed(BODIES[one["handler_file"]]) for one in made if one["handler_file"] in BODIES}


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
