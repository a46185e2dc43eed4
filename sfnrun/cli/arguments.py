"""Convert arguments and options of the command line to what the Python API takes. Raises UsageError."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfnrun.errors import Span, UsageError, caret
from sfnrun.payload import Payload

if TYPE_CHECKING:
    from sfnrun.api.caching import CacheOptions

__all__ = ["cache_options", "checked_directory", "configured", "milliseconds_of", "read_input", "substitutions"]


def substitutions(pairs: list[str] | None) -> dict[str, str]:
    """`["Table=orders"]` as a dictionary."""
    found = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {pair!r} is not NAME=VALUE", "write it like --set TableName=orders")
        found[name] = value
    return found


def read_input(given: str | None, store: Path | None = None) -> Payload:
    """JSON, a file, `-` for stdin, or `@RUN` for the input of that run; `{}` if nothing is given."""
    if given is None:
        return Payload.parse("{}")
    if given.startswith("@"):
        return _input_of(given[1:], store)
    name, text = _input_text(given)
    try:
        return Payload.parse(text.removeprefix("\ufeff").strip())
    except ValueError as error:
        raise UsageError(_not_json(name, text, error), "the input of an execution is one JSON value") from None


def _input_text(given: str) -> tuple[str, str]:
    if given == "-":
        return "stdin", _decoded("stdin", sys.stdin.buffer.read())
    path = Path(given)
    try:
        if not _looks_like_json(given) or _is_file(path):
            return given, _decoded(given, path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"there is no input file {given}", _similar(path) or "JSON itself works too") from None
    except OSError as error:
        raise UsageError(f"cannot read the input {given}: {error.strerror}") from None
    # Where the locale is not UTF-8, Python has not decoded what is beyond ASCII.
    return "--input", _decoded("--input", os.fsencode(given))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # a name that no file can have, such as JSON of some length


def _looks_like_json(given: str) -> bool:
    return given.lstrip()[:1] in '{["' or given in ("null", "true", "false") or given.lstrip("-")[:1].isdigit()


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        message = f"the input {name} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        raise UsageError(message, "save the file as UTF-8") from None


def _not_json(name: str, text: str, error: ValueError) -> str:
    line, column = getattr(error, "lineno", None), getattr(error, "colno", 1)
    if line is None:
        return f"{name}: the input is not JSON: {error}"
    # The error counts in the text without its blank start.
    skipped = text[: len(text) - len(text.lstrip())].count("\n")
    lines = text.splitlines() or [""]
    number = min(line + skipped, len(lines))
    shown = caret(lines[number - 1], Span(number, column, number, column + 1))
    return f"{name}:{number}:{column}: the input is not JSON: {getattr(error, 'msg', error)}\n{shown}"


def _similar(path: Path) -> str:
    try:
        names = os.listdir(path.parent)[:1000]
    except OSError:
        return f"nor is there a folder {path.parent}"
    close = difflib.get_close_matches(path.name, names, 1)
    return f"did you mean {path.with_name(close[0])}?" if close else ""


def _input_of(run: str, store: Path | None) -> Payload:
    """The input of a recorded execution, or of a visit in it."""
    from sfnrun.addresses import parse_address
    from sfnrun.cli.runs import history_of, store_of
    from sfnrun.history.recording import read

    address, place = parse_address(run)
    if place is not None:
        raise UsageError(f"the input of a place cannot be used yet: @{run}", "name the run alone: @RUN")
    started = next(event for event in read(history_of(address, store or store_of(None))).events())
    payload = started.details.get("input")
    return payload if isinstance(payload, Payload) else Payload.parse("{}")


def milliseconds_of(option: str, text: str) -> int:
    """The value of an option that is a duration."""
    from sfnrun.config import milliseconds

    try:
        return milliseconds(text)
    except ValueError:
        raise UsageError(f"invalid {option}: '{text}' is not a duration", "such as 90s, 15m, 2h or 1d") from None


def cache_options(everything: bool, off: bool, refresh: list[str] | None, ttl: str | None) -> CacheOptions | None:
    """What `--cache`, `--no-cache`, `--refresh` and `--cache-ttl` say; None if they say nothing."""
    if everything and off:
        raise UsageError("--cache cannot be combined with --no-cache", "remove one of them")
    if not (everything or off or refresh or ttl):
        return None
    from sfnrun.api.caching import CacheOptions

    ttl_ms = None if ttl is None else milliseconds_of("--cache-ttl", ttl)
    return CacheOptions(off=off, everything=everything, refresh=frozenset(refresh or ()), ttl_ms=ttl_ms)


def checked_directory(functions: str) -> str:
    """The value of --functions, a directory."""
    if not os.path.isdir(functions):
        raise UsageError(f"directory of handlers not found: {functions}", "--functions is a directory")
    return functions


def configured(functions: str | None, config: list[str] | None) -> dict[str, Any]:
    """The options of the Python API that say who answers, as far as they are given."""
    given = {"functions": None if functions is None else checked_directory(functions), "config": config}
    return {name: value for name, value in given.items() if value is not None}
