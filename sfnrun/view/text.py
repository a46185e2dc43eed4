"""Text for eyes: how long a time is, how wide a text is, and what to do with a text that is too wide or unsafe.

Nothing here knows about states; nothing here is imported by anything that does not print.
"""

from __future__ import annotations

import unicodedata

__all__ = ["cells", "clean", "counted", "duration", "fit", "pad", "size", "wrapped"]

_UNITS = (("y", 31_536_000_000), ("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))

# A terminal obeys control characters, so those that a handler prints or a cause holds are shown instead.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))}
_CONTROL |= {0x09: " ", 0x0A: " ", 0x0D: " ", 0x2028: " ", 0x2029: " "}


def duration(ms: float) -> str:
    """A length of time in its two largest units: "12 ms", "2.3 s", "3 min 5 s", "1 y 20 d"."""
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.3g} s"
    rest = round(ms / 1000) * 1000
    parts: list[str] = []
    for name, unit in _UNITS:
        count, rest = divmod(rest, unit)
        if count or parts:
            parts.append(f"{count:.0f} {name}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)


def size(length: int) -> str:
    """A number of bytes: "213 B", "1.4 KB", "256 MB"."""
    for unit, bytes_of_it in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if length >= bytes_of_it:
            return f"{length / bytes_of_it:.3g} {unit}"
    return f"{length} B"


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 state", "2 states", "12,000 branches"."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def clean(text: str) -> str:
    """The text on one line, with every control character made visible."""
    return text if text.isprintable() else text.translate(_CONTROL)


def cells(text: str) -> int:
    """The columns of a terminal that the text takes: wide characters two, combining ones none."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, width: int) -> str:
    """The text if it fits in `width` columns, else as much of its start as does, and an ellipsis."""
    if cells(text) <= width:
        return text
    return _head(text, width - 1) + "…" if width > 0 else ""


def wrapped(text: str, width: int, most: int) -> list[str]:
    """The text in lines of `width` columns, cut at blanks where there are some near, and indented as it begins.

    What does not fit in `most` lines is left out, behind an ellipsis.
    """
    hang = " " * min(len(text) - len(text.lstrip(" ")), width // 2)
    if cells(text) > width:
        text = hang + text.lstrip(" ")
    lines: list[str] = []
    while cells(text) > width and len(lines) < most - 1 and width > 1:
        head = _head(text, width)
        blank = head.rfind(" ") if text[len(head)] != " " else len(head)
        cut = blank if blank > width // 2 else len(head)
        lines.append(text[:cut].rstrip(" "))
        text = hang + text[cut:].lstrip(" ")
    return [*lines, fit(text, width)]


def _head(text: str, width: int) -> str:
    """As much of its start as takes `width` columns."""
    used = 0
    for place, character in enumerate(text):
        used += _cell(character)
        if used > width:
            return text[:place]
    return text


def pad(text: str, width: int) -> str:
    """The text and as many blanks as fill `width` columns."""
    return text + " " * (width - cells(text))
