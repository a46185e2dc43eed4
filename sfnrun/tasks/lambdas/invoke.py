"""How Tasks invoke functions: by ARN, by `lambda:invoke`, and in place of another service."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from typing import Any

from msgspec.structs import replace

from sfnrun.config.names import function_arn, function_name, qualifier
from sfnrun.effects import PENDING, Output, Pending, Reply, Request
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload, dumps, loads
from sfnrun.record import ACCOUNT, REGION
from sfnrun.tasks.lambdas.environment.context import LambdaContext
from sfnrun.tasks.lambdas.environment.errors import FunctionError
from sfnrun.tasks.lambdas.runtime import (
    TAIL_BYTES,
    Function,
    FunctionResult,
    Invocation,
    LambdaRuntime,
    Report,
    Submit,
)

__all__ = [
    "Way",
    "by_arn",
    "by_lambda_invoke",
    "context_for",
    "in_place_of_service",
    "invoke",
    "invoke_response",
    "not_found",
    "output_of",
    "submit",
    "task_failure",
]


# How a Task invokes a function: yields the invocation, is sent its result or thrown its error, and returns the Task's.
Steps = Generator[Invocation, FunctionResult, Output]
Way = Callable[[Function, Request], Steps]


def by_arn(function: Function, request: Request) -> Steps:
    """A Task whose Resource is the ARN of a function: the event is the Task's input."""
    try:
        return output_of((yield _invocation(request, function.name, request.text, request.resource.arn)), request)
    except FunctionError as error:
        raise task_failure(error, request) from None


def by_lambda_invoke(function: Function, request: Request, *, is_final: bool = False) -> Steps:
    """`lambda:invoke`: the event is the member Payload of the arguments, the ARN follows FunctionName.

    With a task token the function's own result only says that it ran; `is_final` makes it the result of the Task.
    """
    arguments = request.payload if isinstance(request.payload, dict) else {}
    name = str(arguments.get("FunctionName", ""))
    invocation = _invocation(request, function.name, dumps(arguments.get("Payload", {})), name, arguments)
    kind = arguments.get("InvocationType", "RequestResponse")
    reports: list[Report] = []
    if kind == "RequestResponse" and arguments.get("LogType") == "Tail":
        invocation = replace(invocation, report=reports.append)
    result: Output = None
    if kind != "DryRun":
        try:
            result = output_of((yield invocation), request)
        except FunctionError as error:
            if kind != "Event":
                raise task_failure(error, request) from None
            # The caller of an asynchronous invocation never sees its error.
            request.log(f"{function.name} was invoked as an Event and failed: {error.text}")
    has_token = request.resource.pattern == "waitForTaskToken"
    if isinstance(result, Pending | Reply) or (has_token and is_final):
        return result
    log = _log_result(reports[0], invocation, function) if reports else ""
    response = invoke_response(result if kind == "RequestResponse" else None, request, invocation.version, log)
    if not has_token:
        return Payload(response)
    request.log(
        "waiting for its task token; to complete it locally, add to sfnrun.yaml: "
        f"tasks: {{{request.state}: {{result: ...}}}}"
    )
    return Reply(PENDING, submitted=Payload(response))


def in_place_of_service(function: Function, request: Request) -> Steps:
    """Any other resource that a handler(event, context) stands in for: the event is what the Task passes to it.

    The context object has also `task_token`, `state`, `resource` and `attempt`.
    """
    invocation = replace(_invocation(request, function.name, request.text, ""), attributes=_of_task(request))
    try:
        return output_of((yield invocation), request)
    except FunctionError as error:
        raise task_failure(error, request) from None


def invoke(way: Way, runtime: LambdaRuntime, request: Request) -> Output:
    """Invoke a function for a Task and wait for the result. Raises TaskFailed."""
    steps = way(runtime.function, request)
    try:
        invocation = next(steps)
        try:
            result = runtime.invoke(invocation)
        except (FunctionError, TaskFailed) as error:
            steps.throw(error)
        else:
            steps.send(result)
    except StopIteration as end:
        return end.value
    raise AssertionError("a Task invokes its function once")


def submit(
    way: Way, runtime: LambdaRuntime, run: Submit, request: Request, done: Callable[[Output | Exception], None]
) -> None:
    """Invoke a function for a Task; `done` gets the result or TaskFailed, on another thread."""
    steps = way(runtime.function, request)

    def finish(step: Callable[[], object]) -> Invocation | None:
        try:
            return step()  # type: ignore[return-value]
        except StopIteration as end:
            done(end.value)
        except Exception as error:  # TaskFailed; or a bug of ours, which ends the execution
            done(error)
        return None

    def answered(get: Callable[[], FunctionResult]) -> None:
        try:
            result = get()
        except (FunctionError, TaskFailed) as error:
            failure = error
            finish(lambda: steps.throw(failure))
        except Exception as error:
            done(error)
        else:
            finish(lambda: steps.send(result))

    invocation = finish(lambda: next(steps))
    if invocation is not None:
        run(invocation, answered)


def task_failure(error: FunctionError, request: Request) -> TaskFailed:
    """The failure of a Task whose function failed: the error type, and the payload as its cause.

    A function ARN passes the payload's text on, anything else writes it again, compact.
    """
    cause = error.text if request.resource.kind == "lambda" else dumps(error.payload)
    return TaskFailed(error.payload["errorType"], cause)


def context_for(request: Request) -> LambdaContext:
    """A context object for a callable that is not a function of the project."""
    name = function_name(request.function_name or request.state)
    invocation = _invocation(request, name, "", request.function_name or "")
    context = LambdaContext(request.id, invocation.arn, int((time.time() + 900) * 1000))
    context.function_name, context.function_version, context.memory_limit_in_mb = name, invocation.version, "128"
    vars(context).update(_of_task(request))
    return context


def _of_task(request: Request) -> dict[str, Any]:
    return {
        "task_token": request.token,
        "state": request.state,
        "resource": request.resource.arn,
        "attempt": request.attempt,
    }


def _log_result(report: Report, invocation: Invocation, function: Function) -> str:
    """The end of an invocation's log in Base64, as LogType Tail asks for: with what Lambda writes around it."""
    import base64

    init = "" if report.init_ms is None else f"Init Duration: {report.init_ms:.2f} ms\t"
    billed = math.ceil(report.duration_ms + (report.init_ms or 0))
    start = f"START RequestId: {invocation.id} Version: {invocation.version}\n"
    end = (
        f"END RequestId: {invocation.id}\nREPORT RequestId: {invocation.id}\tDuration: {report.duration_ms:.2f} ms\t"
        f"Billed Duration: {billed} ms\tMemory Size: {function.memory} MB\tMax Memory Used: {report.memory_mb} MB\t"
        f"{init}\n"
    )
    return base64.b64encode((start.encode() + report.log + end.encode())[-TAIL_BYTES:]).decode()


def invoke_response(result: Json | Payload, request: Request, version: str = "$LATEST", log: str = "") -> Json:
    """The response of `lambda:invoke`: the result as Payload, and what the SDK adds. None: no result.

    Ids and times are made from the request. `log` is the LogResult, "" for none. Source: recorded executions;
    InvocationType and LogType in the developer guide.
    """
    arguments = request.payload if isinstance(request.payload, dict) else {}
    status = _STATUS.get(arguments.get("InvocationType", "RequestResponse"), 200)
    length = len(result.text.encode("utf-8", "surrogatepass")) if isinstance(result, Payload) else 0
    headers = {"Connection": "keep-alive", "Content-Length": str(length), "Content-Type": "application/json"}
    digits = request.id.replace("-", "")
    headers["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(request.at // 1000))
    if status == 200:
        headers["X-Amz-Executed-Version"] = version
    if log:
        headers["X-Amz-Log-Result"] = log
    headers["x-amzn-Remapped-Content-Length"] = "0"
    headers["x-amzn-RequestId"] = request.id
    headers["X-Amzn-Trace-Id"] = f"root=1-{request.at // 1000:08x}-{digits[:24]};parent={digits[16:]};sampled=0"
    all_headers = {name: [headers[name]] for name in _ORDER_OF_ALL if name in headers}
    answer: dict[str, Json] = {"ExecutedVersion": version} if status == 200 else {}
    if log:
        answer["LogResult"] = log
    answer["Payload"] = result.value if isinstance(result, Payload) else {}
    answer["SdkHttpMetadata"] = {"AllHttpHeaders": all_headers, "HttpHeaders": headers, "HttpStatusCode": status}
    answer["SdkResponseMetadata"] = {"RequestId": request.id}
    answer["StatusCode"] = status
    return answer


_STATUS = {"RequestResponse": 200, "Event": 202, "DryRun": 204}
_ORDER_OF_ALL = (
    "X-Amz-Executed-Version",
    "X-Amz-Log-Result",
    "x-amzn-Remapped-Content-Length",
    "Connection",
    "x-amzn-RequestId",
    "Content-Length",
    "Date",
    "X-Amzn-Trace-Id",
    "Content-Type",
)


def not_found(request: Request) -> TaskFailed:
    """What AWS answers to `lambda:invoke` of a function that is not there."""
    name = request.function_name or ""
    region, account = _whereabouts(request)
    arn = function_arn(name, region, account)
    cause = (
        f"Function not found: {arn}:{qualifier(name) or '$LATEST'} (Service: AWSLambda; Status Code: 404; "
        f"Error Code: ResourceNotFoundException; Request ID: {request.id}; Proxy: null)"
    )
    return TaskFailed("Lambda.ResourceNotFoundException", cause)


def _invocation(request: Request, name: str, event: str, asked: str, arguments: Json = None) -> Invocation:
    """The invocation of the function `name` that a Task makes; `asked` is the name or ARN that the Task uses."""
    region, account = _whereabouts(request)
    version = qualifier(asked) or "$LATEST"
    context = None
    if isinstance(arguments, dict):
        version = str(arguments.get("Qualifier") or version)
        context = _client_context(arguments.get("ClientContext"), request)
    arn = function_arn(asked if asked and "${" not in asked else name, region, account)
    return Invocation(
        request.id,
        event,
        f"{arn}:{version}" if version != "$LATEST" else arn,
        region,
        request.at,
        request.log,
        # An alias points to a version that only AWS knows.
        version if version.isdecimal() else "$LATEST",
        context,
    )


def _whereabouts(request: Request) -> tuple[str, str]:
    """Region and account: those of the resource, else those of the execution."""
    resource = request.resource
    execution = request.context.get("Execution") if isinstance(request.context, dict) else None
    arn = str(execution.get("Id", "")).split(":") if isinstance(execution, dict) else []
    region, account = (arn[3], arn[4]) if len(arn) > 4 else (REGION, ACCOUNT)
    return resource.region or region or REGION, resource.account or account or ACCOUNT


def _client_context(text: Json, request: Request) -> Json:
    if text is None:
        return None
    import base64

    try:
        return loads(base64.b64decode(text, validate=True).decode())
    except (TypeError, ValueError):
        cause = (
            "Client context must be a valid Base64-encoded JSON object. (Service: AWSLambda; Status Code: 400; "
            f"Error Code: InvalidRequestContentException; Request ID: {request.id}; Proxy: null)"
        )
        raise TaskFailed("Lambda.InvalidRequestContentException", cause) from None


def output_of(result: FunctionResult, request: Request) -> Output:
    """The output of a function: its JSON as a Payload. Raises TaskFailed if it is not valid JSON."""
    if not isinstance(result, bytes):
        return result
    try:
        return Payload.parse(result.decode("utf-8", "replace"))
    except ValueError as error:
        # NaN and Infinity, which Python's json writes; or bytes that are not JSON.
        request.log(_NOT_JSON)
        raise TaskFailed("States.Runtime", f"The function returned a result that is not valid JSON: {error}") from None


_NOT_JSON = "the result of the handler is not JSON: return NaN and Infinity as strings, and bytes only if they are JSON"
