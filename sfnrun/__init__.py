"""Run AWS Step Functions workflows on your own machine, against your own Python handlers, exactly as AWS would."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sfnrun.version import __version__

if TYPE_CHECKING:
    from sfnrun.api.imported import import_execution
    from sfnrun.api.redrive import redrive
    from sfnrun.api.replay import replay
    from sfnrun.api.result import Result
    from sfnrun.api.resume import resume
    from sfnrun.api.run import run
    from sfnrun.api.stop import stop
    from sfnrun.asl.load import load, validate
    from sfnrun.effects import PENDING, Pause, Reply, Request, Resumed
    from sfnrun.errors import DefinitionError, DivergenceError, Problem, SfnrunError, TaskFailed
    from sfnrun.payload import Payload

__all__ = [
    "PENDING",
    "DefinitionError",
    "DivergenceError",
    "Pause",
    "Payload",
    "Problem",
    "Reply",
    "Request",
    "Result",
    "Resumed",
    "SfnrunError",
    "TaskFailed",
    "__version__",
    "import_execution",
    "load",
    "redrive",
    "replay",
    "resume",
    "run",
    "stop",
    "validate",
]

# Each name is imported when it is first used: `sfnrun validate` should not wait for what only `execute` needs.
_HOMES = {
    "PENDING": "sfnrun.effects",
    "DefinitionError": "sfnrun.errors",
    "DivergenceError": "sfnrun.errors",
    "Pause": "sfnrun.effects",
    "Payload": "sfnrun.payload",
    "Problem": "sfnrun.errors",
    "Reply": "sfnrun.effects",
    "Request": "sfnrun.effects",
    "Result": "sfnrun.api.result",
    "Resumed": "sfnrun.effects",
    "SfnrunError": "sfnrun.errors",
    "TaskFailed": "sfnrun.errors",
    "import_execution": "sfnrun.api.imported",
    "load": "sfnrun.asl.load",
    "redrive": "sfnrun.api.redrive",
    "replay": "sfnrun.api.replay",
    "resume": "sfnrun.api.resume",
    "run": "sfnrun.api.run",
    "stop": "sfnrun.api.stop",
    "validate": "sfnrun.asl.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sfnrun' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
