"""Settings that stand beside a definition: what they are, where they are found, how the file is read.

Importing this costs little: YAML and the schema are read when there is a file.
"""

from sfnrun.config.find import find_config, load_config
from sfnrun.config.settings import (
    CacheRule,
    CacheSettings,
    CacheTarget,
    Config,
    FunctionSettings,
    Reply,
    TaskRule,
    milliseconds,
)

__all__ = [
    "CacheRule",
    "CacheSettings",
    "CacheTarget",
    "Config",
    "FunctionSettings",
    "Reply",
    "TaskRule",
    "find_config",
    "load_config",
    "milliseconds",
]
