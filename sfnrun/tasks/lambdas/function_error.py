"""How a function fails: the error payloads of the Python runtime and of Lambda itself, to the letter.

The runtime writes `{"errorMessage": ..., "errorType": ..., "requestId": ..., "stackTrace": [...]}` with blanks; Lambda
itself (a timeout, an exit) compact and with the error type first. A function ARN as Resource passes the text on,
`lambda:invoke` writes it anew and compact. Source: awslambdaric 4.0.1, recorded executions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sfnrun.errors import TaskFailed
from sfnrun.payload import Json, dumps

if TYPE_CHECKING:
    import traceback

__all__ = ["FunctionError", "exited", "fault", "frames_of", "platform", "raised", "told"]

# tasks/: the frames of what calls a handler are not the function's.
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_IMPORTING = os.path.join("importlib", "__init__.py")


class FunctionError(Exception):
    """A function's error payload, as it leaves Lambda. `text` is what it looks like there."""

    def __init__(self, payload: dict[str, Any], text: str, hint: str = "") -> None:
        super().__init__(payload["errorType"])
        self.payload = payload
        self.text = text
        self.hint = hint

    def as_task_failure(self, *, compact: bool) -> TaskFailed:
        """What the Task fails with: the error type, and the payload as its cause."""
        return TaskFailed(str(self.payload["errorType"]), dumps(self.payload) if compact else self.text)


def fault(
    kind: str, message: str, request_id: str = "", trace: list[str] | None = None, hint: str = ""
) -> FunctionError:
    """An error that the runtime found itself: `kind` is "ImportModuleError", "MarshalError", ..."""
    return _by_runtime(f"Runtime.{kind}", message, request_id, trace or [], hint)


def raised(error: BaseException, request_id: str, plain: Callable[[str], str] = str, hint: str = "") -> FunctionError:
    """The error that a handler, or the import of its module, raised: its class's bare name, its text, its frames.

    `plain` is applied to the text.
    """
    return _by_runtime(type(error).__name__, plain(told(error)), request_id, _frames(error.__traceback__), hint)


def told(error: BaseException) -> str:
    """The error's own text; what is wrong with it if it cannot even say that."""
    try:
        return str(error)
    except Exception as broken:
        return f"<its text could not be made: {type(broken).__name__}>"


def exited(status: object, request_id: str) -> FunctionError:
    """The process ended under the function: sys.exit, or an exception that nothing there catches."""
    # sys.exit() and sys.exit(0) end well, numbers are the status, all else is printed and counts as 1.
    code = 0 if status is None else status & 0xFF if isinstance(status, int) else 1
    end = f"Runtime exited with error: exit status {code}" if code else "Runtime exited without providing a reason"
    return platform("Runtime.ExitError", f"RequestId: {request_id} Error: {end}")


def platform(error_type: str, message: str) -> FunctionError:
    """An error that Lambda itself reports."""
    payload = {"errorType": error_type, "errorMessage": message}
    return FunctionError(payload, dumps(payload))


def _by_runtime(error_type: str, message: str, request_id: str, trace: list[str], hint: str) -> FunctionError:
    payload = {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace}
    return FunctionError(payload, _spaced(payload), hint)


def _spaced(payload: Json) -> str:
    text = json.dumps(payload, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8
        text = json.dumps(payload)
    return text


def _frames(trace: TracebackType | None) -> list[str]:
    """The lines of the traceback, as in Lambda."""
    import traceback  # only when something fails

    # Made anew without columns, which Lambda does not mark either.
    bare = [traceback.FrameSummary(each.filename, each.lineno, each.name, line=each.line) for each in frames_of(trace)]
    return traceback.format_list(bare)


def frames_of(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """The frames of the user's code and of libraries, not those of what runs it."""
    import traceback

    return [frame for frame in traceback.extract_tb(trace) if not _is_machinery(frame.filename)]


def _is_machinery(filename: str) -> bool:
    return filename.startswith((_OURS, "<frozen importlib")) or filename.endswith(_IMPORTING)
