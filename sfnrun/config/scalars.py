"""Values that settings write as text: durations, sizes, ARNs, files, each with its check and its JSON Schema.

A type such as `Duration` is a plain `int` to Python; its Meta names the Scalar that reads what is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from sfnrun.errors import did_you_mean

__all__ = [
    "CACHE_ADDRESSES",
    "Account",
    "Backend",
    "Definition",
    "Directory",
    "Duration",
    "Handler",
    "Invalid",
    "Pattern",
    "Region",
    "Role",
    "RuleId",
    "Scalar",
    "Seconds",
    "Size",
    "VersionRange",
    "milliseconds",
    "shown",
    "size_in_bytes",
]


class Invalid(ValueError):
    """A value that a setting cannot have; `hint` says what to write, `key` which of its keys is wrong."""

    def __init__(self, message: str, hint: str = "", *, key: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.key = key


class Scalar(Struct, frozen=True):
    """How a value is written: `read` makes it of a text, relative to a directory, and `show` a text of it."""

    read: Callable[[object, Path], object]
    schema: dict[str, Any]
    show: Callable[[Any], object] = lambda value: value

    @property
    def meta(self) -> Meta:
        """What a type says of it, for the reader and for the JSON Schema."""
        return Meta(extra={"scalar": self}, extra_json_schema={"x-written": self.schema})


def shown(value: object) -> str:
    """A value as a message quotes it."""
    from sfnrun.payload import dumps

    text = value if isinstance(value, str) else dumps(value)
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return text if isinstance(value, dict | list) else f"'{text}'"


# --- units ---

_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PART = rf"{_NUMBER}(?:ms|s|m|h|d)"
_SIZE = rf"({_NUMBER})(B|KB|MB|GB)"


def milliseconds(written: object) -> int:
    """Milliseconds of a duration: `250ms`, `90s`, `1h30m`, or a number of seconds. Raises Invalid."""
    text = "" if isinstance(written, bool) else str(written)
    if re.fullmatch(_NUMBER, text):
        return round(float(text) * 1000)
    if not re.fullmatch(rf"(?:{_PART})+", text):
        raise Invalid(f"{shown(written)} is not a duration", "write 90s, 15m, 2h, 1d, or a number of seconds")
    parts = re.findall(r"([0-9.]+)(ms|s|m|h|d)", text)
    return round(sum(float(number) * _MS[unit] for number, unit in parts))


def size_in_bytes(written: object) -> int:
    """Bytes of a size with its unit: `512KB`, `1.5GB`, in powers of 1024. Raises Invalid."""
    text = str(written)
    if re.fullmatch(_NUMBER, text):
        raise Invalid(f"{shown(written)} has no unit", f"write {text}MB")
    found = re.fullmatch(_SIZE, text)
    if not found:
        raise Invalid(f"{shown(written)} is not a size", "write 512KB, 64MB or 1GB")
    return round(float(found[1]) * _BYTES[found[2]])


def _duration_text(ms: float) -> str:
    """The duration in the largest unit that divides it: `90s`, `2h`."""
    unit = next((name for name, size in reversed(_MS.items()) if ms and ms % size == 0), "ms")
    return f"{ms / _MS[unit]:g}{unit}"


def _size_text(length: int) -> str:
    unit = next((name for name, size in reversed(_BYTES.items()) if length and length % size == 0), "B")
    return f"{length // _BYTES[unit]}{unit}"


_TIME = {"type": ["number", "string"], "minimum": 0, "pattern": rf"^(?:{_NUMBER}|(?:{_PART})+)$"}
_DURATION = Scalar(lambda written, folder: milliseconds(written), _TIME, _duration_text)
_SECONDS = Scalar(
    lambda written, folder: milliseconds(written) / 1000, _TIME, lambda seconds: _duration_text(seconds * 1000)
)
_BYTE_SIZE = Scalar(
    lambda written, folder: size_in_bytes(written), {"type": "string", "pattern": f"^{_SIZE}$"}, _size_text
)

Duration = Annotated[int, _DURATION.meta]
"""Milliseconds."""
Seconds = Annotated[float, _SECONDS.meta]
Size = Annotated[int, _BYTE_SIZE.meta]
"""Bytes."""


# --- names ---


def _matching(pattern: str, what: str, hint: str) -> Scalar:
    """A text that matches a pattern."""

    def read(written: object, folder: Path) -> str:
        if not isinstance(written, str) or not re.fullmatch(pattern, written):
            raise Invalid(f"{shown(written)} is not {what}", hint)
        return written

    return Scalar(read, {"type": "string", "pattern": f"^{pattern}$"})


def _account(written: object, folder: Path) -> str:
    text = str(written)
    if not re.fullmatch("[0-9]{12}", text):
        raise Invalid(f"{shown(written)} is not an account number", "an account number has 12 digits")
    return text


_ACCOUNT = {"type": ["string", "integer"], "pattern": "^[0-9]{12}$", "minimum": 10**11, "maximum": 10**12 - 1}
_BOUND = r"(?:[<>=!]=|[<>])\s*[0-9][0-9.]*"

Account = Annotated[str, Scalar(_account, _ACCOUNT).meta]
Region = Annotated[str, _matching(r"[a-z]{2}(?:-[a-z]+)+-[0-9]+", "a region", "a region looks like eu-central-1").meta]
Role = Annotated[
    str, _matching("arn:.+", "the ARN of a role", "an ARN looks like arn:aws:iam::123456789012:role/Name").meta
]
RuleId = Annotated[str, _matching("SFN-[A-Z][A-Z0-9]*", "a rule", "a rule looks like SFN-G02").meta]
VersionRange = Annotated[
    str, _matching(rf"{_BOUND}(?:\s*,\s*{_BOUND})*", "a version range", "write >=1.2 or >=1.2,<2").meta
]


# --- files: what is written is relative to the directory of the settings file, what is read is absolute ---

_FILE = r"(?!.*://).+"

CACHE_ADDRESSES = {
    "memory": "memory://",
    "redis": "redis://host:port/db",
    "rediss": "rediss://host:port/db",
    "memcached": "memcached://host:port,host:port",
}
"""Forms of the addresses of cache servers, by scheme; `cache.backends` opens them."""

_SERVER = "|".join(f"{scheme}://{'.+' if form != f'{scheme}://' else ''}" for scheme, form in CACHE_ADDRESSES.items())
_CALLABLE = r"(?:[^:]+:[A-Za-z_][A-Za-z0-9_.]*|[A-Za-z_][A-Za-z0-9_/.-]*\.(?!py$)[A-Za-z_][A-Za-z0-9_]*)"


def _handler(written: object, folder: Path) -> str:
    """A file is relative to the directory of the settings; a module is found as Python finds it."""
    if not isinstance(written, str) or not re.fullmatch(_CALLABLE, written):
        hint = "write dir/file.py:function, package.module:function or module.function"
        raise Invalid(f"{shown(written)} is not a handler", hint)
    file, _, function = written.rpartition(":")
    return f"{_existing(file, folder)}:{function}" if file.endswith(".py") else written


def _definition(written: object, folder: Path) -> str:
    if not isinstance(written, str) or not written:
        raise Invalid(f"{shown(written)} is not a definition", "write order.asl.yaml, or template.yaml#Order")
    file, mark, name = written.rpartition("#")
    if not mark or (folder / written).exists():
        file, mark, name = written, "", ""
    return f"{_existing(file, folder)}{mark}{name}"


def _existing(file: str, folder: Path) -> Path:
    path = folder / file
    if path.is_file():
        return path
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = did_you_mean(path.name, names, "paths are relative to the directory of this file")
    raise Invalid(f"'{path}' not found", hint)


def _backend(written: object, folder: Path) -> str:
    if not isinstance(written, str) or not re.fullmatch(f"{_FILE}|{_SERVER}", written):
        hint = f"write a directory, {', '.join(CACHE_ADDRESSES.values())}"
        raise Invalid(f"{shown(written)} is not a cache backend", hint)
    return written if "://" in written else str(folder / written)


def _directory(written: object, folder: Path) -> str:
    if not isinstance(written, str) or not re.fullmatch(_FILE, written):
        is_url = isinstance(written, str) and "://" in written
        hint = "this version of sfnrun records in directories only" if is_url else "write a path relative to this file"
        raise Invalid(f"{shown(written)} is not a directory", hint)
    return str(folder / written)


def _pattern(written: object, folder: Path) -> str:
    if not isinstance(written, str) or not written:
        raise Invalid(f"{shown(written)} is not a file or a glob pattern")
    return str(folder / written)


_TEXT = {"type": "string", "minLength": 1}

Handler = Annotated[str, Scalar(_handler, {"type": "string", "pattern": f"^{_CALLABLE}$"}).meta]
Definition = Annotated[str, Scalar(_definition, _TEXT).meta]
Backend = Annotated[str, Scalar(_backend, {"type": "string", "pattern": f"^(?:{_FILE}|{_SERVER})$"}).meta]
Directory = Annotated[Path, Scalar(_directory, {"type": "string", "pattern": f"^{_FILE}$"}).meta]
Pattern = Annotated[str, Scalar(_pattern, _TEXT).meta]
