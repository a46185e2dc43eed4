"""Run a Task state, and record the events of its resource's kind.

A Lambda function ARN has LambdaFunction* events, an activity Activity* events, every service integration Task* events.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sfnrun.asl.integrations import badly_formed
from sfnrun.asl.model import Task
from sfnrun.effects import (
    Call,
    Failed,
    More,
    Request,
    Resource,
    Started,
    Submitted,
    Succeeded,
    TimedOut,
)
from sfnrun.engine import fields
from sfnrun.engine.dataflow import FLOWS
from sfnrun.engine.execution import Execution, key_digest, task_token
from sfnrun.engine.visit import Visit
from sfnrun.errors import StatesError
from sfnrun.payload import Payload

__all__ = ["ask"]


class Kind(NamedTuple):
    """The events of a kind of resource: the stem of their names, and the member that holds the input."""

    stem: str
    input: str


KINDS = {
    "lambda": Kind("LambdaFunction", "input"),
    "activity": Kind("Activity", "input"),
    "service": Kind("Task", "parameters"),
}


async def ask(visit: Visit, effective: Payload) -> Payload:
    """Run one attempt of a Task and return its result. Raises StatesError if it fails or times out."""
    state, fiber = visit.state, visit.fiber
    assert isinstance(state, Task)
    resource = state.resource
    key = fiber.next_key()
    if resource.kind == "activity" or resource.pattern:  # on AWS `.sync` has a token too; see tests/engine/task.yaml
        visit.token = task_token(fiber.loop.execution, key)
        visit.next_attempt()
    arguments = FLOWS[state.query_language].arguments(visit, effective)
    _check(visit, resource, arguments)
    request = Request(
        key=key,
        id=_request_id(fiber.loop.execution, key),
        state=state.name,
        resource=resource,
        arguments=arguments,
        attempt=visit.retry_count or 0,
        token=visit.token,
        context=visit.context,
        timeout_seconds=fields.integer(visit, state.timeout_seconds, effective),
        heartbeat_seconds=fields.integer(visit, state.heartbeat_seconds, effective),
        credentials=_credentials(visit, state, effective),
        at=visit.now,
    )
    stem, about = KINDS[resource.kind].stem, _about(resource)
    fiber.emit(f"{stem}Scheduled", _scheduled(visit, request))
    call = Call(key, request, _ms(request.timeout_seconds), _ms(request.heartbeat_seconds))
    return await _answer(visit, call, stem, about)


def _check(visit: Visit, resource: Resource, arguments: Payload) -> None:
    """Raise StatesError for a Task that fails before it is scheduled."""
    known = visit.fiber.loop.execution.activities
    if resource.kind == "activity" and known is not None and resource.arn not in known:
        raise visit.runtime_error(f"The activity {resource.arn} does not exist.")
    bad = badly_formed(resource, arguments.value)
    if bad:
        found = ", ".join(f"The value of the field '{name}' has an invalid format" for name in bad)
        raise visit.runtime_error(f"The Parameters '{arguments.text}' could not be used to start the Task: [{found}]")


async def _answer(visit: Visit, call: Call, stem: str, about: dict[str, Any]) -> Payload:
    """Wait for the answers to a call, and record each; return the result."""
    fiber = visit.fiber
    answer = await call
    while True:
        match answer:
            case Started(worker_name):
                worker = {"workerName": worker_name} if worker_name else {}
                fiber.emit(f"{stem}Started", {**about, **worker})
            case Succeeded(output, note):
                _note_cache(visit, note)
                return _received(visit, output, stem, about)
            case Submitted(output):
                fiber.emit(f"{stem}Submitted", {**about, "output": output})
            case Failed(error, cause, note):
                _note_cache(visit, note)
                raise _failed(visit, stem, about, error, cause)
            case TimedOut(heartbeat):
                # A missed heartbeat is recorded as States.Timeout too. Catch and Retry match it under either name; see
                # tests/engine/timeouts.yaml.
                fiber.emit(f"{stem}TimedOut", {**about, "error": "States.Timeout"})
                raise StatesError("States.Timeout", aliases=("States.HeartbeatTimeout",) if heartbeat else ())
        answer = await More(call.key)


def _received(visit: Visit, output: Payload, stem: str, about: dict[str, Any]) -> Payload:
    limit = visit.fiber.loop.limits.data_bytes
    if limit is not None and output.exceeds(limit):
        state = visit.state
        assert isinstance(state, Task)
        name = state.resource.service if state.resource.kind == "service" else state.resource.arn
        cause = (
            f"The state/task '{name}' returned a result with a size exceeding "
            "the maximum number of bytes service limit."
        )
        raise _failed(visit, stem, about, "States.DataLimitExceeded", cause)
    visit.fiber.emit(f"{stem}Succeeded", {**about, "output": output})
    return output


def _failed(visit: Visit, stem: str, about: dict[str, Any], error: str | None, cause: str | None) -> StatesError:
    details = {name: value for name, value in (("error", error), ("cause", cause)) if value is not None}
    visit.fiber.emit(f"{stem}Failed", {**about, **details})
    return StatesError(error, cause)


def _note_cache(visit: Visit, note: Any) -> None:
    """Note what a cache did; AWS has no event for that."""
    if note is not None:
        visit.note("cache", note)


def _about(resource: Resource) -> dict[str, Any]:
    """Return the members that every event of a service integration has; events of other kinds do not name it."""
    return {"resource": resource.label, "resourceType": resource.type} if resource.kind == "service" else {}


def _scheduled(visit: Visit, request: Request) -> dict[str, Any]:
    resource = request.resource
    details: dict[str, Any] = _about(resource) or {"resource": resource.arn}
    if resource.kind == "service":
        details["region"] = resource.region or visit.fiber.loop.execution.region
    details[KINDS[resource.kind].input] = request.arguments
    if request.timeout_seconds is not None:
        details["timeoutInSeconds"] = request.timeout_seconds
    if request.heartbeat_seconds is not None:
        details["heartbeatInSeconds"] = request.heartbeat_seconds
    if isinstance(request.credentials, dict) and "RoleArn" in request.credentials:
        details["taskCredentials"] = {"roleArn": request.credentials["RoleArn"]}
    return details


def _credentials(visit: Visit, state: Task, effective: Payload) -> Any:
    if state.credentials is None:
        return None
    if state.query_language == "JSONata":
        return visit.evaluate_states(state.credentials, {"input": effective.value})
    return visit.evaluate(state.credentials, effective)


def _ms(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


def _request_id(execution: Execution, key: str) -> str:
    """Return a UUID (it looks like version 4) made from the seed and the key, so the same in every replay."""
    text = key_digest(execution, key)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
