"""The styles of everything that is printed: what each is to rich, and as an escape sequence of a terminal."""

from __future__ import annotations

import os
from typing import TextIO

__all__ = ["STYLES", "has_color", "paint"]

# name -> rich's style, the parameters of the escape sequence
STYLES = {
    "": ("", ""),
    "good": ("green", "32"),
    "bad": ("bold red", "1;31"),
    "warn": ("yellow", "33"),
    "faint": ("dim", "2"),
    "name": ("bold", "1"),
    "type": ("cyan", "36"),
    "error": ("bold red", "1;31"),
    "warning": ("bold yellow", "1;33"),
    "info": ("bold cyan", "1;36"),
    "key": ("bold blue", "1;34"),
    "string": ("green", "32"),
    "number": ("cyan", "36"),
    "word": ("magenta", "35"),
}


def has_color(stream: TextIO | None) -> bool:
    """Whether a stream shows colors: https://no-color.org, and FORCE_COLOR for CI servers that do."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str) -> str:
    """A text with the escape sequences of its style."""
    parameters = STYLES[style][1]
    return f"\x1b[{parameters}m{text}\x1b[0m" if parameters and text else text
