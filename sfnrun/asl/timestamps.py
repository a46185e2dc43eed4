"""Timestamps that are written in a definition: RFC 3339, with the T and the Z in upper case."""

from __future__ import annotations

import re

from sfnrun.expr.timestamp import instant_ms

__all__ = ["fault_of"]

_DATE = r"\d{4}-\d\d-\d\d"
_SPACED = r"\d{4}-\d\d-\d\d \d\d:\d\d"
_WITHOUT_ZONE = r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?"


def fault_of(text: str) -> str | None:
    """What is wrong with a timestamp, as a remedy ("" if that is all that can be said); None if it is right."""
    if instant_ms(text) is not None:
        return "write T and Z in upper case" if text != text.upper() else None
    if re.fullmatch(_DATE, text):
        return f"add a time: {text}T00:00:00Z"
    if re.match(_SPACED, text):
        return f"put a T between date and time: {text.replace(' ', 'T', 1)}"
    if re.fullmatch(_WITHOUT_ZONE, text):
        return f"add Z, or an offset: {text}Z"
    return "it looks like 2030-01-31T09:00:00Z"
