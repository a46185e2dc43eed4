"""Run AWS Step Functions workflows on your own machine, against your own Python handlers, exactly as AWS would."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sfnrun.asl.load import load, validate
    from sfnrun.engine.effects import PENDING, Reply, Request
    from sfnrun.errors import DefinitionError, Divergence, Problem, SfnrunError, TaskFailed
    from sfnrun.payload import Payload
    from sfnrun.redrive import redrive
    from sfnrun.replay import replay
    from sfnrun.resume import resume
    from sfnrun.run import Result, run
    from sfnrun.stop import stop

__all__ = [
    "PENDING",
    "DefinitionError",
    "Divergence",
    "Payload",
    "Problem",
    "Reply",
    "Request",
    "Result",
    "SfnrunError",
    "TaskFailed",
    "__version__",
    "load",
    "redrive",
    "replay",
    "resume",
    "run",
    "stop",
    "validate",
]

__version__ = "0.1.0"

# Each name is imported when it is first used: `sfnrun validate` should not wait for what only `execute` needs.
_HOMES = {
    "PENDING": "sfnrun.engine.effects",
    "DefinitionError": "sfnrun.errors",
    "Divergence": "sfnrun.errors",
    "Payload": "sfnrun.payload",
    "Problem": "sfnrun.errors",
    "Reply": "sfnrun.engine.effects",
    "Request": "sfnrun.engine.effects",
    "Result": "sfnrun.run",
    "SfnrunError": "sfnrun.errors",
    "TaskFailed": "sfnrun.errors",
    "load": "sfnrun.asl.load",
    "redrive": "sfnrun.redrive",
    "replay": "sfnrun.replay",
    "resume": "sfnrun.resume",
    "run": "sfnrun.run",
    "stop": "sfnrun.stop",
    "validate": "sfnrun.asl.load",
}


class _Package(ModuleType):
    """`sfnrun.run` is the function, also when the module of that name has been imported by somebody."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _HOMES):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sfnrun' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
