"""What Lambda's messages leave out, for the log: the file and line at fault, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType, TracebackType
from typing import Any

from sfnrun.tasks.lambdas.function_error import frames_of

__all__ = ["NOT_JSON", "on_call", "on_exit", "on_import", "on_missing", "on_result"]

NOT_JSON = "the handler's result is no JSON: bytes have to hold some, and NaN and Infinity have to be given as text"

_EXIT = "this ends the function's process, which fails the Task: return, or raise an Exception"
_CALL = "Lambda calls the handler with two arguments: def handler(event, context)"
_JSON = "give dicts with text for keys, lists, text, numbers, True, False and None"

# What a value is called after, and what would be JSON in its place.
_INSTEAD = {
    "async_generator": "drop the yield",
    "bytes": "give text: value.decode(), or base64.b64encode(value).decode()",
    "coroutine": "Lambda does not await an async handler: run it with asyncio.run()",
    "date": "give text: value.isoformat()",
    "datetime": "give text: value.isoformat()",
    "generator": "give a list: list(values); or drop the yield",
    "frozenset": "give a list: sorted(values)",
    "set": "give a list: sorted(values)",
    "UUID": "give text: str(value)",
}


def on_call(error: Exception, handler: Any) -> str:
    """For an error of the call itself: the handler takes other arguments, or cannot be called. Else ""."""
    began = error.__traceback__.tb_next if error.__traceback__ else None
    return "" if began is not None or not isinstance(error, TypeError) else f"{_place(handler)}{_CALL}"


def on_exit(error: BaseException) -> str:
    """For an exception that ends the process: where it was raised."""
    return f"{_origin(error.__traceback__)}{_EXIT}"


def on_import(error: ImportError) -> str:
    """For a module that is not there, or lacks a name: which line wants it, and which Python looked for it."""
    place = _origin(error.__traceback__)
    if isinstance(error, ModuleNotFoundError) and "@" not in str(error.name):
        return f"{place}{error.name} is neither beside the handler nor installed for {sys.executable}"
    return f"{place}the import fails here" if place else ""


def on_missing(names: Sequence[str], module: ModuleType) -> str:
    """For a module without a handler: what it has that could be one."""
    functions = [name for name, value in vars(module).items() if callable(value) and _is_made_in(module, value)]
    also = f"; it has {', '.join(functions)}" if functions else ""
    return f"{module.__file__}: there is no {' and no '.join(names)}(event, context) in it{also}"


def on_result(result: Any, handler: Any) -> str:
    """For a result without JSON: where in it the first such value is, of which type, and what to give instead."""
    found = _first_without_json(result)
    if found is None:
        return f"{_place(handler)}the result holds itself, or is nested too deep"
    where, value = found
    kind = type(value).__name__
    _close(value)
    return f"{_place(handler)}{where} is of type {kind}, which has no JSON: {_INSTEAD.get(kind, _JSON)}"


def _first_without_json(result: Any) -> tuple[str, Any] | None:
    """Breadth first, so that what is near is found in spite of a cycle; None if all of it has JSON."""
    seen: set[int] = set()
    row = [("the result", result)]
    while row:
        below: list[tuple[str, Any]] = []
        for where, value in row:
            if not isinstance(value, dict | list | tuple):
                if not _is_scalar(value) and type(value).__name__ != "Decimal":
                    return where, value
            elif id(value) not in seen:
                seen.add(id(value))
                keys = value if isinstance(value, dict) else range(len(value))
                for key in keys:
                    if not _is_scalar(key):
                        return f"a key of {where}", key
                path = "result" if where == "the result" else where
                below += [(f"{path}[{key!r}]", value[key]) for key in keys]
        row = below
    return None


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _close(value: Any) -> None:
    """Close a coroutine, which Python would complain about."""
    close: Callable[[], None] | None = getattr(value, "close", None) if hasattr(value, "__await__") else None
    if close is not None:
        close()


def _is_made_in(module: ModuleType, value: Any) -> bool:
    return getattr(value, "__module__", None) == module.__name__


def _place(handler: Any) -> str:
    """`file:line: ` of a function; nothing of what is none."""
    code = getattr(handler, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}: " if code is not None else ""


def _origin(trace: TracebackType | None) -> str:
    """`file:line: ` of where an exception comes from, in code that is not ours and not Python's own."""
    frames = frames_of(trace)
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
