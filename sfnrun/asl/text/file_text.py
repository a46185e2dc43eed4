"""From a path to a text: bounded reading, and what can be said of bytes that are no text."""

from __future__ import annotations

import os
import stat
import sys

from sfnrun.errors import DefinitionError, Problem, Span

__all__ = ["MAX_DEFINITION", "read_text", "too_long"]

# CreateStateMachine takes a definition of at most this many characters.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
MAX_DEFINITION = 1_048_576

# A character has at most four bytes; one byte more, and the byte order mark.
_MOST_BYTES = 4 * MAX_DEFINITION + 4

_NO_JSON = "INVALID_JSON_DESCRIPTION"


def read_text(name: str, *, limits: bool = True) -> str:
    """The text of a file, or of standard input for "-"; no more is read than a definition may have.

    Raises DefinitionError.
    """
    most = _MOST_BYTES if limits else -1
    data = sys.stdin.buffer.read(most) if name == "-" else _read_path(name, most)
    if len(data) == most:
        raise DefinitionError([too_long(name, f"over {most - 4:,} bytes")])
    return _decoded(name, data)


def too_long(name: str, size: str) -> Problem:
    """The Problem of a definition that is longer than AWS takes."""
    message = f"Definition has {size}; the limit is {MAX_DEFINITION:,} characters"
    return Problem("SFN-S13", message, hint="--no-limits lifts it", location="/", path=name)


def _read_path(name: str, most: int) -> bytes:
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise _unreadable(name, "is a folder", f"give a file in it{_definitions_in(name)}")
        if 0 < most <= status.st_size:
            raise DefinitionError([too_long(name, f"{status.st_size:,} bytes")])
        with open(name, "rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise _unreadable(name, "there is no such file", _similar(name)) from None
    except OSError as error:
        raise _unreadable(name, f"cannot be read: {error.strerror}") from None
    except ValueError:  # open and os.stat refuse such a name, each Python in other words
        raise _unreadable(name, "cannot be read: its name has a NUL character") from None


def _unreadable(name: str, message: str, hint: str = "") -> DefinitionError:
    return DefinitionError([Problem("SFN-S00", message, code="MISSING_DESCRIPTION", hint=hint, path=name)])


def _definitions_in(folder: str) -> str:
    names = sorted(entry.name for entry in os.scandir(folder) if ".asl." in entry.name)
    return f": {', '.join(names[:3])}" if names else ""


def _similar(name: str) -> str:
    from difflib import get_close_matches

    folder, base = os.path.split(name)
    if not os.path.isdir(folder or "."):
        return f"nor is there a folder {folder}"
    close = get_close_matches(base, os.listdir(folder or ".")[:1000], 1)
    return f"did you mean {os.path.join(folder, close[0])}?" if close else ""


def _decoded(name: str, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or (b"\x00" in data[:4] and data[:2].strip(b"\x00") in (b"{", b"[")):
        raise DefinitionError([Problem("SFN-S01", "is UTF-16", code=_NO_JSON, hint="save it as UTF-8", path=name)])
    if b"\x00" in data:
        hint = "a definition is JSON or YAML text"
        raise DefinitionError([Problem("SFN-S01", "is a binary file", code=_NO_JSON, hint=hint, path=name)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DefinitionError([_not_utf8(name, data.removeprefix(b"\xef\xbb\xbf"), error)]) from None


def _not_utf8(name: str, data: bytes, error: UnicodeDecodeError) -> Problem:
    line_start = data.rfind(b"\n", 0, error.start) + 1
    line = data.count(b"\n", 0, line_start) + 1
    column = len(data[line_start : error.start].decode()) + 1
    shown = data[line_start:].split(b"\n", 1)[0].decode(errors="replace").rstrip("\r")
    return Problem(
        "SFN-S01",
        f"byte 0x{data[error.start]:02x} is not UTF-8",
        code=_NO_JSON,
        hint="save the file as UTF-8",
        path=name,
        span=Span(line, column, line, column + 1),
        source_line=shown,
    )
