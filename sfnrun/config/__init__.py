"""Settings in sfnrun.yaml: what they may say, where the file is found, how it is read.

Importing this is cheap: YAML and its checks are imported when there is a file.
"""

from sfnrun.config.project import Project, find_root, load_project
from sfnrun.config.scalars import milliseconds
from sfnrun.config.settings import (
    Answer,
    CacheRule,
    CacheSettings,
    CacheTarget,
    FunctionSettings,
    LimitSettings,
    MachineSettings,
    Settings,
    TaskError,
    TaskRule,
)

__all__ = [
    "Answer",
    "CacheRule",
    "CacheSettings",
    "CacheTarget",
    "FunctionSettings",
    "LimitSettings",
    "MachineSettings",
    "Project",
    "Settings",
    "TaskError",
    "TaskRule",
    "find_root",
    "load_project",
    "milliseconds",
]
