"""Error payloads of the Python runtime and of Lambda itself: every text that they have is in this file.

The runtime writes `{"errorMessage": ..., "errorType": ..., "requestId": ..., "stackTrace": [...]}` with spaces; Lambda
itself (a timeout, an exit) writes compact JSON with the error type first. A function ARN as Resource passes that text
on, `lambda:invoke` writes it again, compact. Sources: awslambdaric 4.2.2; recorded executions.
"""

from __future__ import annotations

import json
import os
import signal
import traceback
from types import TracebackType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "LARGEST_RESPONSE",
    "FunctionError",
    "exited",
    "fault",
    "frames_of",
    "handler_not_found",
    "import_failed",
    "is_ours",
    "killed",
    "malformed_handler",
    "name_conflict",
    "raised",
    "response_too_large",
    "syntax_error",
    "timed_out",
    "unmarshallable",
]

# 6 MB and a little; https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LARGEST_RESPONSE = 6_291_556

_TASKS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep


class FunctionError(Exception):
    """A function's error payload. `text` is its JSON as it leaves Lambda, `hint` is sfnrun's addition for the log."""

    def __init__(self, payload: dict[str, Any], text: str, hint: str = "") -> None:
        super().__init__(payload["errorType"])
        self.payload = payload
        self.text = text
        self.hint = hint


# -- errors that the runtime finds ------------------------------------------------------------------------------------


def malformed_handler(handler: str) -> FunctionError:
    """The handler's name has no module."""
    message = f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)"
    return fault("MalformedHandlerName", message, hint="a handler is named file.function, as in app.lambda_handler")


def name_conflict(module: str) -> FunctionError:
    """The handler's module has the name of a module built into Python."""
    return fault("BuiltInModuleConflict", f"Cannot use built-in module {module} as a handler module")


def import_failed(module: str, message: str, hint: str) -> FunctionError:
    """The handler's module, or one that it imports, is not found or lacks a name."""
    return fault("ImportModuleError", f"Unable to import module '{module}': {message}", hint=hint)


def syntax_error(module: str, error: SyntaxError) -> FunctionError:
    """The handler's module, or one that it imports, is not Python."""
    trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
    return fault("UserCodeSyntaxError", f"Syntax error in module '{module}': {error}", trace=trace)


def handler_not_found(module: str, name: str, hint: str) -> FunctionError:
    """The handler's module has no such function."""
    return fault("HandlerNotFound", f"Handler '{name}' missing on module '{module}'", hint=hint)


def unmarshallable(error: Exception, request_id: str, hint: str) -> FunctionError:
    """The handler's result has no JSON."""
    return fault("MarshalError", f"Unable to marshal response: {error}", request_id, hint=hint)


def raised(error: BaseException, request_id: str, message: str, hint: str = "") -> FunctionError:
    """The error that a handler, or the import of its module, raised: its class's bare name, `message`, its frames."""
    # Rebuilt without columns, which Lambda does not mark either.
    frames = [
        traceback.FrameSummary(frame.filename, frame.lineno, frame.name, line=frame.line)
        for frame in frames_of(error.__traceback__)
    ]
    return _by_runtime(type(error).__name__, message, request_id, traceback.format_list(frames), hint)


def fault(
    kind: str, message: str, request_id: str = "", trace: list[str] | None = None, hint: str = ""
) -> FunctionError:
    """An error that the runtime found itself; its `kind` comes after "Runtime."."""
    return _by_runtime(f"Runtime.{kind}", message, request_id, trace or [], hint)


def _by_runtime(error_type: str, message: str, request_id: str, trace: list[str], hint: str) -> FunctionError:
    payload = {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace}
    text = json.dumps(payload, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        text = json.dumps(payload)
    return FunctionError(payload, text, hint)


def frames_of(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """The frames of a traceback without those of sfnrun, as Lambda leaves out those of its bootstrap.py."""
    return [frame for frame in traceback.extract_tb(trace) if not is_ours(frame.filename)]


def is_ours(filename: str) -> bool:
    """Whether a file belongs to what calls handlers."""
    return filename.startswith(_TASKS)


# -- errors that Lambda itself reports --------------------------------------------------------------------------------


def timed_out(request_id: str, seconds: float) -> FunctionError:
    """The function's timeout expired."""
    # AWS recorded this form on 2025-11-25; until 2024 there was only an errorMessage.
    return _by_platform("Sandbox.Timedout", request_id, f"Task timed out after {seconds:.2f} seconds")


def exited(status: int, request_id: str) -> FunctionError:
    """The process ended under the function: sys.exit, or an exception that nothing there catches."""
    reason = f"with error: exit status {status}" if status else "without providing a reason"
    return _by_platform("Runtime.ExitError", request_id, f"Runtime exited {reason}")


def killed(number: int, request_id: str) -> FunctionError:
    """A signal ended the process, such as SIGKILL when it uses more memory than it has."""
    name = signal.Signals(number).name
    reason = f"Runtime exited with error: signal: {_SIGNALS.get(name, name)}"
    return _by_platform("Runtime.ExitError", request_id, reason)


def response_too_large() -> FunctionError:
    """The result exceeds Lambda's limit."""
    message = f"Response payload size exceeded maximum allowed payload size ({LARGEST_RESPONSE} bytes)."
    return _compact("Function.ResponseSizeTooLarge", message)


def _by_platform(error_type: str, request_id: str, message: str) -> FunctionError:
    return _compact(error_type, f"RequestId: {request_id} Error: {message}")


def _compact(error_type: str, message: str) -> FunctionError:
    payload = {"errorType": error_type, "errorMessage": message}
    return FunctionError(payload, json.dumps(payload, separators=(",", ":"), ensure_ascii=False))


# The names that Go's syscall package has for signals: Lambda is written in Go.
_SIGNALS = {
    "SIGABRT": "aborted",
    "SIGALRM": "alarm clock",
    "SIGBUS": "bus error",
    "SIGFPE": "floating point exception",
    "SIGHUP": "hangup",
    "SIGILL": "illegal instruction",
    "SIGINT": "interrupt",
    "SIGKILL": "killed",
    "SIGPIPE": "broken pipe",
    "SIGQUIT": "quit",
    "SIGSEGV": "segmentation fault",
    "SIGTERM": "terminated",
    "SIGTRAP": "trace/breakpoint trap",
}
