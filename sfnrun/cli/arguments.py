"""What people write on the command line, made into what the Python API takes; every mistake is a UsageError."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

from sfnrun.errors import Span, UsageError, caret
from sfnrun.payload import Payload

__all__ = ["EXECUTIONS", "complete_execution", "execution_file", "read_input", "recorded", "substitutions"]

EXECUTIONS = Path(".sfnrun/executions")


def substitutions(pairs: list[str] | None) -> dict[str, str]:
    """`["Table=orders"]` as a dictionary."""
    found = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {pair!r} is not NAME=VALUE", "write it like --set TableName=orders")
        found[name] = value
    return found


def read_input(given: str | None) -> Payload:
    """The input of an execution: a file, "-" for stdin, or JSON itself; `{}` if nothing is given."""
    if given is None:
        return Payload.parse("{}")
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


def execution_file(name: str, folder: Path) -> Path:
    """The history file of an execution: by its name, "last" for the newest, or the file itself."""
    if name != "last":
        for path in (folder / f"{name}.jsonl", Path(name)):
            if path.is_file():
                return path
    files = recorded(folder)
    if not files:
        raise UsageError(f"no executions are recorded in {folder}", "run one: sfnrun execute DEFINITION")
    if name == "last":
        return files[0]
    close = difflib.get_close_matches(name, [file.stem for file in files], 1)
    hint = f"did you mean {close[0]}?" if close else "see them all: sfnrun trace list"
    raise UsageError(f"there is no execution {name} in {folder}, nor a file of that name", hint)


def recorded(folder: Path) -> list[Path]:
    """The history files of a folder, the newest first."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.stat().st_mtime_ns, entry.path) for entry in entries if entry.name.endswith(".jsonl")]
    except OSError:
        return []
    return [Path(path) for _, path in sorted(found, reverse=True)]


def complete_execution(incomplete: str) -> list[str]:
    """Names of recorded executions, for the shell."""
    names = ["last", *(file.stem for file in recorded(EXECUTIONS))]
    return [name for name in names if name.startswith(incomplete)]
