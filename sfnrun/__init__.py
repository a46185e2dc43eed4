"""Run AWS Step Functions workflows on your own machine, against your own Python handlers, exactly as AWS would."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sfnrun.version import __version__

if TYPE_CHECKING:
    from sfnrun.api.caching import CacheOptions
    from sfnrun.api.execution import Execution
    from sfnrun.api.imported import import_execution
    from sfnrun.api.options import Options
    from sfnrun.api.outside import send_task_failure, send_task_heartbeat, send_task_success, stop
    from sfnrun.api.replay import replay
    from sfnrun.api.result import ExecutionFailed, Result
    from sfnrun.api.resume import redrive, resume
    from sfnrun.api.run import run
    from sfnrun.api.session import Clock, Session
    from sfnrun.asl.load import load, validate
    from sfnrun.config import Project, Settings, load_project
    from sfnrun.effects import PENDING, Pause, Reply, Request, Resumed
    from sfnrun.errors import (
        ApiError,
        ConfigError,
        DefinitionError,
        DivergenceError,
        HistoryError,
        Problem,
        SfnrunError,
        TaskFailed,
        Token,
        UnansweredTaskError,
        UnavailableError,
        UsageError,
        WaitingError,
    )
    from sfnrun.history.listing import Summary
    from sfnrun.history.store import Store, open_store
    from sfnrun.payload import Payload
    from sfnrun.record import Event, Listener, Note

# Each name is imported on first use: `sfnrun validate` does not wait for what only `execute` needs.
_MODULES = {
    "api.caching": ("CacheOptions",),
    "api.execution": ("Execution",),
    "api.imported": ("import_execution",),
    "api.options": ("Options",),
    "api.outside": ("send_task_failure", "send_task_heartbeat", "send_task_success", "stop"),
    "api.replay": ("replay",),
    "api.result": ("ExecutionFailed", "Result"),
    "api.resume": ("redrive", "resume"),
    "api.run": ("run",),
    "api.session": ("Clock", "Session"),
    "asl.load": ("load", "validate"),
    "config": ("Project", "Settings", "load_project"),
    "effects": ("PENDING", "Pause", "Reply", "Request", "Resumed"),
    "errors": (
        *("ApiError", "ConfigError", "DefinitionError", "DivergenceError", "HistoryError", "Problem", "SfnrunError"),
        *("TaskFailed", "Token", "UnansweredTaskError", "UnavailableError", "UsageError", "WaitingError"),
    ),
    "history.listing": ("Summary",),
    "history.store": ("Store", "open_store"),
    "payload": ("Payload",),
    "record": ("Event", "Listener", "Note"),
}
_HOMES = {name: f"sfnrun.{module}" for module, names in _MODULES.items() for name in names}

__all__ = [
    "PENDING",
    "ApiError",
    "CacheOptions",
    "Clock",
    "ConfigError",
    "DefinitionError",
    "DivergenceError",
    "Event",
    "Execution",
    "ExecutionFailed",
    "HistoryError",
    "Listener",
    "Note",
    "Options",
    "Pause",
    "Payload",
    "Problem",
    "Project",
    "Reply",
    "Request",
    "Result",
    "Resumed",
    "Session",
    "Settings",
    "SfnrunError",
    "Store",
    "Summary",
    "TaskFailed",
    "Token",
    "UnansweredTaskError",
    "UnavailableError",
    "UsageError",
    "WaitingError",
    "__version__",
    "import_execution",
    "load",
    "load_project",
    "open_store",
    "redrive",
    "replay",
    "resume",
    "run",
    "send_task_failure",
    "send_task_heartbeat",
    "send_task_success",
    "stop",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sfnrun' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
