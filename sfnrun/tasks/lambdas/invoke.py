"""The two ways a Task invokes a function: by ARN the answer is the result, by `lambda:invoke` it is around it."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any

from sfnrun.config.names import function_arn, function_name, qualifier
from sfnrun.effects import PENDING, Output, Pending, Reply, Request
from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, Payload, dumps, loads
from sfnrun.tasks.lambdas.advice import NOT_JSON
from sfnrun.tasks.lambdas.function_error import FunctionError
from sfnrun.tasks.lambdas.lambda_context import LambdaContext
from sfnrun.tasks.lambdas.lambda_runtime import Identity, LambdaFunction

__all__ = [
    "call_as_service",
    "context_for",
    "invoke_by_arn",
    "invoke_response",
    "lambda_invoke",
    "not_found",
    "output_of",
]

REGION = "us-east-1"
ACCOUNT = "123456789012"


def invoke_by_arn(function: LambdaFunction, request: Request) -> Output:
    """Handle a Task whose Resource is the ARN of a function: the event is the Task's input."""
    identity = _identity(request, function.name, request.resource.arn, None)
    try:
        return output_of(function.invoke(request.text, request, identity), request)
    except FunctionError as error:
        raise error.as_task_failure(compact=False) from None


def lambda_invoke(function: LambdaFunction, request: Request, *, is_final: bool = False) -> Output:
    """Handle `lambda:invoke`: the event is the member Payload of the arguments, the ARN follows FunctionName.

    With a task token the function's own result only says that it ran; `is_final` makes it the result of the Task.
    """
    arguments = request.payload if isinstance(request.payload, dict) else {}
    identity = _identity(request, function.name, str(arguments.get("FunctionName", "")), arguments)
    kind = arguments.get("InvocationType", "RequestResponse")
    result: Output = None
    if kind != "DryRun":
        result = _lambda_invoke(function, request, identity, arguments, is_event=kind == "Event")
    has_token = request.resource.pattern == "waitForTaskToken"
    if isinstance(result, Pending | Reply) or (has_token and is_final):
        return result
    response = invoke_response(result if kind == "RequestResponse" else None, request, identity.version)
    if not has_token:
        return Payload(response)
    request.log(
        "waits for its task token to come back. To answer it here, in sfnrun.yaml: "
        f"tasks: {{{request.state}: {{result: ...}}}}"
    )
    return Reply(PENDING, submitted=Payload(response))


def _lambda_invoke(
    function: LambdaFunction, request: Request, identity: Identity, arguments: Any, *, is_event: bool
) -> Output:
    try:
        return output_of(function.invoke(dumps(arguments.get("Payload", {})), request, identity), request)
    except FunctionError as error:
        if not is_event:
            raise error.as_task_failure(compact=True) from None
        # The caller of an asynchronous invocation never sees its error.
        request.log(f"{function.name} was invoked as an Event and failed: {error.text}")
        return None


def call_as_service(function: LambdaFunction, request: Request) -> Output:
    """Handle any other resource with a handler(event, context): the event is what the Task passes to the service.

    The context object has also `task_token`, `state`, `resource` and `attempt`.
    """
    identity = _identity(request, function.name, "", None)
    try:
        return output_of(function.invoke(request.text, request, identity, _of_task(request)), request)
    except FunctionError as error:
        raise error.as_task_failure(compact=True) from None


def context_for(request: Request) -> LambdaContext:
    """A context object for a callable that is no function of anybody's."""
    name = function_name(request.function_name or request.state)
    identity = _identity(request, name, request.function_name or "", None)
    context = LambdaContext(
        aws_request_id=request.id,
        function_name=name,
        function_version=identity.version,
        invoked_function_arn=identity.arn,
        memory=128,
        timeout=900,
        variables={},
    )
    vars(context).update(_of_task(request))
    return context


def _of_task(request: Request) -> dict[str, Any]:
    return {
        "task_token": request.token,
        "state": request.state,
        "resource": request.resource.arn,
        "attempt": request.attempt,
    }


def invoke_response(result: Json | Payload, request: Request, version: str = "$LATEST") -> Json:
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


def output_of(result: str | Pending | Reply, request: Request) -> Output:
    """What a function returned, its JSON text as a payload. Raises TaskFailed if it is no JSON."""
    if not isinstance(result, str):
        return result
    try:
        return Payload.parse(result)
    except ValueError as error:
        # NaN and Infinity, which Python's json writes; or bytes that are no JSON.
        request.log(NOT_JSON)
        raise TaskFailed("States.Runtime", f"The function returned a result that is not valid JSON: {error}") from None
