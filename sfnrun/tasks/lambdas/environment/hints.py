"""Hints for the log: what Lambda's messages leave out, such as the file and line, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType, TracebackType

from sfnrun.tasks.lambdas.environment.errors import frames_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["on_call", "on_exit", "on_import", "on_missing", "on_result"]

_EXIT = "this exits the function's process and fails the Task; return a value or raise an exception instead"
_CALL = "Lambda calls the handler with two arguments: def handler(event, context)"
_JSON = "return dicts with string keys, lists, strings, numbers, True, False and None"

# A type by name, and what to return in place of a value of it.
_INSTEAD = {
    "async_generator": "remove the yield",
    "bytearray": "return a string: value.decode(), or base64.b64encode(value).decode()",
    "coroutine": "Lambda does not await an async handler; run it with asyncio.run()",
    "date": "return a string: value.isoformat()",
    "datetime": "return a string: value.isoformat()",
    "frozenset": "return a list: sorted(values)",
    "generator": "return a list: list(values); or remove the yield",
    "set": "return a list: sorted(values)",
    "UUID": "return a string: str(value)",
}


def on_call(error: Exception, handler: Any) -> str:
    """The hint for an error of the call itself: the handler takes other arguments or is not callable. Else ""."""
    began = error.__traceback__.tb_next if error.__traceback__ else None
    return "" if began is not None or not isinstance(error, TypeError) else f"{_location(handler)}{_CALL}"


def on_exit(error: BaseException) -> str:
    """The hint for an exception that ends the process: where it was raised."""
    return f"{_origin(error.__traceback__)}{_EXIT}"


def on_import(error: ImportError) -> str:
    """The hint for a missing module or name: the line that imports it, and the Python that looked for it."""
    place = _origin(error.__traceback__)
    if isinstance(error, ModuleNotFoundError) and "@" not in str(error.name):
        return f"{place}module '{error.name}' not found next to the handler or in {sys.executable}"
    return f"{place}this import fails" if place else ""


def on_missing(names: Sequence[str], module: ModuleType) -> str:
    """The hint for a module without the handler: the functions that it has."""
    functions = [name for name, value in vars(module).items() if callable(value) and _is_defined_in(module, value)]
    found = f"; found: {', '.join(functions)}" if functions else ""
    return f"{module.__file__}: no function named {' or '.join(names)}{found}"


def on_result(result: Any, handler: Any) -> str:
    """The hint for a result without JSON: the first such value, its type, and what to return instead."""
    found = _first_without_json(result)
    if found is None:
        return f"{_location(handler)}the result is circular or nested too deeply"
    where, value = found
    kind = type(value).__name__
    _close(value)
    return f"{_location(handler)}{where} is a {kind}, which is not JSON serializable: {_INSTEAD.get(kind, _JSON)}"


def _first_without_json(result: Any) -> tuple[str, Any] | None:
    """Breadth first, so that a value near the top is found in spite of a cycle; None if all of it has JSON."""
    seen: set[int] = set()
    row = [("the result", result)]
    while row:
        below: list[tuple[str, Any]] = []
        for where, value in row:
            if not isinstance(value, (dict, list, tuple)):
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
    return value is None or isinstance(value, (str, bytes, int, float))


def _close(value: Any) -> None:
    """Close a coroutine, so that Python does not warn that it was never awaited."""
    if type(value).__name__ == "coroutine":
        value.close()


def _is_defined_in(module: ModuleType, value: Any) -> bool:
    return getattr(value, "__module__", None) == module.__name__


def _location(handler: Any) -> str:
    """`file:line: ` of a function; "" for other objects."""
    code = getattr(handler, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}: " if code is not None else ""


def _origin(trace: TracebackType | None) -> str:
    """`file:line: ` of the user's or a library's code that raised an exception."""
    frames = [frame for frame in frames_of(trace) if not _is_import_machinery(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""


def _is_import_machinery(filename: str) -> bool:
    return filename.startswith("<frozen importlib") or filename.replace("\\", "/").endswith("importlib/__init__.py")
