"""The two ways a Task invokes a function: by ARN the answer is the result, by `lambda:invoke` it is around it."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from typing import Any

from sfnrun.engine.effects import PENDING, Failed, Pending, Reply, Request
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload, dumps, loads
from sfnrun.tasks.function_error import FunctionError
from sfnrun.tasks.lambda_runtime import Identity, LambdaFunction
from sfnrun.tasks.names import function_arn, qualifier

__all__ = ["ByArn", "ByInvoke", "answer_around", "not_found"]

REGION = "us-east-1"
ACCOUNT = "123456789012"


class ByArn:
    """Answers Tasks whose Resource is the ARN of a function: the event is the Task's input."""

    def __init__(self, function: LambdaFunction) -> None:
        self.function = function
        self.time_limit: float | None = function.timeout
        self.overtime = function.overtime
        self.timed_out: Callable[[Request], Failed] = function.timed_out

    def __call__(self, request: Request) -> Payload:
        identity = _identity(request, self.function.name, request.resource.arn, None)
        try:
            text = self.function.invoke(request.text, request, identity)
        except FunctionError as error:
            raise error.as_task_failure(compact=False) from None
        return _parsed(text)


class ByInvoke:
    """Answers `lambda:invoke`: the event is the member Payload of the arguments, FunctionName says as whom."""

    def __init__(self, function: LambdaFunction) -> None:
        self.function = function
        self.time_limit: float | None = function.timeout
        self.overtime = function.overtime
        self.timed_out: Callable[[Request], Failed] = function.timed_out

    def __call__(self, request: Request) -> Json | Reply | Pending:
        arguments = request.payload
        identity = _identity(request, self.function.name, str(arguments.get("FunctionName", "")), arguments)
        invocation_type = arguments.get("InvocationType", "RequestResponse")
        result: Payload | None = None
        if invocation_type != "DryRun":
            result = self._invoke(request, identity, arguments, failing=invocation_type != "Event")
        answer = answer_around(result if invocation_type == "RequestResponse" else None, request, identity.version)
        if request.resource.pattern != "waitForTaskToken":
            return answer
        request.log(
            f"waits for its task token to come back. To answer it here, in sfnrun.yaml: "
            f"tasks: {{{request.state}: {{result: ...}}}}"
        )
        return Reply(PENDING, submitted=answer)

    def _invoke(self, request: Request, identity: Identity, arguments: Any, *, failing: bool) -> Payload | None:
        try:
            text = self.function.invoke(dumps(arguments.get("Payload", {})), request, identity)
        except FunctionError as error:
            if failing:
                raise error.as_task_failure(compact=True) from None
            # Nobody waits for what was invoked as an Event, so nobody hears how it failed.
            request.log(f"{identity.arn} was invoked as an Event and failed: {error.text}")
            return None
        return _parsed(text)


def answer_around(result: Json | Payload, request: Request, version: str = "$LATEST") -> Json:
    """What `lambda:invoke` answers: the result as Payload, and what the SDK tells of the call. None: no result.

    Ids and times are made from the request. Source: recorded executions; InvocationType in the developer guide.
    """
    arguments = request.payload if isinstance(request.payload, dict) else {}
    status = _STATUS.get(arguments.get("InvocationType", "RequestResponse"), 200)
    length = len(result.text.encode("utf-8", "surrogatepass")) if isinstance(result, Payload) else 0
    headers = {"Connection": "keep-alive", "Content-Length": str(length), "Content-Type": "application/json"}
    digits = request.id.replace("-", "")
    headers["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(request.at // 1000))
    if status == 200:
        headers["X-Amz-Executed-Version"] = version
    headers["x-amzn-Remapped-Content-Length"] = "0"
    headers["x-amzn-RequestId"] = request.id
    headers["X-Amzn-Trace-Id"] = f"root=1-{request.at // 1000:08x}-{digits[:24]};parent={digits[16:]};sampled=0"
    all_headers = {name: [headers[name]] for name in _ORDER_OF_ALL if name in headers}
    answer: dict[str, Json] = {"ExecutedVersion": version} if status == 200 else {}
    answer["Payload"] = result.value if isinstance(result, Payload) else {}
    answer["SdkHttpMetadata"] = {"AllHttpHeaders": all_headers, "HttpHeaders": headers, "HttpStatusCode": status}
    answer["SdkResponseMetadata"] = {"RequestId": request.id}
    answer["StatusCode"] = status
    return answer


_STATUS = {"RequestResponse": 200, "Event": 202, "DryRun": 204}
_ORDER_OF_ALL = (
    "X-Amz-Executed-Version",
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


def _identity(request: Request, name: str, asked: str, arguments: Json) -> Identity:
    region, account = _whereabouts(request)
    version = qualifier(asked) or "$LATEST"
    context = None
    if isinstance(arguments, dict):
        version = str(arguments.get("Qualifier") or version)
        context = _client_context(arguments.get("ClientContext"), request)
    arn = function_arn(asked if asked and "${" not in asked else name, region, account)
    # An alias leads to a version that only AWS knows.
    known = version if version.isdecimal() else "$LATEST"
    return Identity(f"{arn}:{version}" if version != "$LATEST" else arn, region, known, context)


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
    try:
        return loads(base64.b64decode(text, validate=True).decode())
    except (TypeError, ValueError, binascii.Error):
        cause = (
            "Client context must be a valid Base64-encoded JSON object. (Service: AWSLambda; Status Code: 400; "
            f"Error Code: InvalidRequestContentException; Request ID: {request.id}; Proxy: null)"
        )
        raise TaskFailed("Lambda.InvalidRequestContentException", cause) from None


def _parsed(text: str) -> Payload:
    try:
        return Payload.parse(text)
    except ValueError as error:
        # NaN and Infinity, which Python's json writes; or bytes that are no JSON.
        cause = f"The function returned a result that is not valid JSON: {error}"
        raise TaskFailed("States.Runtime", cause) from None
