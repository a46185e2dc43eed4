"""A function sees its own environment variables, whatever runs beside it; everybody else sees the process's.

`os.environ` belongs to the process, and functions that run at the same time have different values for one name. So
while handlers run, `os.environ` asks first for the variables of the function that the thread works for: reads fall
through to the process, writes stay with the function, as in Lambda, where each has a process of its own. Child
processes get what they are given (`env=os.environ.copy()`), or else the process's own variables.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["Environment", "FunctionEnviron", "variables_of_runtime"]

# None: the function has deleted it.
Environment = dict[str, str | None]

_Environ = type(os.environ)


class FunctionEnviron(_Environ):  # type: ignore[misc, valid-type]
    """What `os.environ` is while handlers run: the same object, of this class instead of its own."""

    @classmethod
    def put_up(cls, of_thread: Callable[[], Environment | None]) -> None:
        """Ask `of_thread()` for the variables of the function that the calling thread works for."""
        global _of_thread  # noqa: PLW0603  # as os.environ, which there is one of
        _of_thread = of_thread
        # Changing the class reaches also those who hold the object itself (`from os import environ`).
        os.environ.__class__ = cls

    @classmethod
    def take_down(cls) -> None:
        os.environ.__class__ = _Environ

    def __getitem__(self, name: str) -> str:
        own = _of_thread()
        if own is None or name not in own:
            return str(super().__getitem__(name))
        value = own[name]
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        own = _of_thread()
        if own is None:
            super().__setitem__(name, value)
        elif isinstance(name, str) and isinstance(value, str):
            own[name] = value
        else:
            wrong = value if isinstance(name, str) else name
            raise TypeError(f"str expected, not {type(wrong).__name__}")

    def __delitem__(self, name: str) -> None:
        own = _of_thread()
        if own is None:
            super().__delitem__(name)
        else:
            self[name]  # raises KeyError for what is not there
            own[name] = None

    def __iter__(self) -> Iterator[str]:
        own = _of_thread()
        if not own:
            yield from super().__iter__()
            return
        yield from (name for name in list(super().__iter__()) if name not in own)
        yield from [name for name, value in list(own.items()) if value is not None]

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _nothing() -> Environment | None:
    return None


_of_thread: Callable[[], Environment | None] = _nothing


def variables_of_runtime(
    function: str,
    *,
    memory: int,
    region: str,
    version: str,
    handler: str,
    folder: str,
    seconds: int,
    request_id: str,
) -> dict[str, str]:
    """The variables that Lambda defines: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html.

    What says where calls of AWS go and what time it is, is left as it is if the process has it: it is the developer's.
    """
    day = time.strftime("%Y/%m/%d", time.gmtime(seconds))
    digits = request_id.replace("-", "")
    developers_own = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "TZ": ":UTC"}
    return {
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{day}/[{version}]{digits}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "LAMBDA_TASK_ROOT": folder,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": handler,
        "_X_AMZN_TRACE_ID": f"Root=1-{seconds:08x}-{digits[:24]};Parent={digits[16:]};Sampled=0",
        **{name: value for name, value in developers_own.items() if name not in os.environ},
    }
