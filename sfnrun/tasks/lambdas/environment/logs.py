"""Logging as Lambda's runtime sets it up: a handler for the root logger that adds the request's id to each record.

`[INFO]<tab>time<tab>request id<tab>message` in text format, one JSON object for each record in JSON format.
Source: awslambdaric 4.2.2, bootstrap.py and lambda_runtime_log_utils.py.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["INIT_WARNING", "RequestFilter", "error_log", "set_up"]

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode

# Attributes that every record has, and which JSON format does not show again.
_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {
    "aws_request_id",
    "exc_text",
    "message",
    "stack_info",
    "taskName",
    "tenant_id",
}


class RequestFilter(logging.Filter):
    """Adds `aws_request_id` and `tenant_id` to records."""

    request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        record.tenant_id = None
        return True


class _Handler(logging.Handler):
    """Writes to the stdout of the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(self.format(record))


def set_up(log_format: str, level: str) -> RequestFilter:
    """Give the root logger its handler; `log_format` is "Text" or "JSON", `level` a name or "" for WARNING."""
    logging.Formatter.converter = time.gmtime
    root = logging.getLogger()
    handler = _Handler()
    if log_format.upper() == "JSON":
        handler.setFormatter(_JsonFormatter())
    else:
        line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
    level = "DEBUG" if level.upper() == "TRACE" else level.upper()
    if level in logging._nameToLevel:
        root.setLevel(level)
    requests = RequestFilter()
    handler.addFilter(requests)
    root.addHandler(handler)
    return requests


class _JsonFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__(datefmt=_TIME_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        record.levelno = min(50, max(0, record.levelno)) // 10 * 10
        record.levelname = logging.getLevelName(record.levelno)
        error = record.exc_info[1] if record.exc_info else None
        shown: dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
            "logger": record.name,
            "stackTrace": traceback.format_tb(error.__traceback__) if error else None,
            "errorType": type(error).__name__ if error else None,
            "errorMessage": str(error) if error else None,
            "requestId": getattr(record, "aws_request_id", None),
            "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if record.exc_info else None,
        }
        shown.update({key: value for key, value in vars(record).items() if key not in _RESERVED and key not in shown})
        return _encode({key: value for key, value in shown.items() if value is not None}) + "\n"


def error_log(payload: dict[str, Any], log_format: str) -> str:
    """What the runtime logs of a function's error. In text format it is one event, with CR between its lines."""
    if log_format.upper() == "JSON":
        moment = time.strftime(_TIME_FORMAT, time.gmtime())
        return json.dumps({"timestamp": moment, "level": "ERROR", **payload}) + "\n"
    kind, message = payload["errorType"], payload["errorMessage"]
    lines = [" ".join(filter(None, ("[ERROR]", f"{kind}:" if kind and message else kind, message)))]
    lines.append("Traceback (most recent call last):")
    for entry in payload["stackTrace"]:
        for line in entry.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append("\u00a0" * (len(line) - len(text)) + text)  # the indentation is of NO-BREAK SPACEs
    return "\r".join(lines) + "\n"


INIT_WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. "
    "However, in rare cases, a Lambda runtime update can cause unexpected function behavior. "
    "For functions using managed runtimes, runtime updates can be triggered by a function change, or can be applied "
    "automatically. To determine if the runtime has been updated, check the runtime version in the INIT_START log "
    "entry. If this error correlates with a change in the runtime version, you may be able to mitigate this error by "
    "temporarily rolling back to the previous runtime version. For more information, see "
    "https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)
