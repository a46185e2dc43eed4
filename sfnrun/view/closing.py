"""The last lines: how the execution ended, why, where that stands in the definition, and where its history is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from msgspec import Struct

from sfnrun.errors import Span, caret
from sfnrun.payload import Json, loads
from sfnrun.view.cache_tally import CacheTally
from sfnrun.view.line import Line
from sfnrun.view.measures import clean, counted, duration

__all__ = ["Ending", "Place", "cause_lines", "closing", "why"]

_MAX_CAUSE_LINES = 40


class Place(Struct, frozen=True):
    """A place in a definition: the file's name, the span and the text of its first line."""

    path: str
    span: Span
    source_line: str


class Ending(Struct, frozen=True, kw_only=True):
    """What there is to say at the end; times are in milliseconds, `simulated` on the engine's clock, `took` on ours."""

    status: str
    error: str | None = None
    cause: str | None = None
    took: float
    simulated: float
    virtual: bool = False
    replayed: bool = False
    states: int = 0
    events: int = 0
    retries: int = 0
    cache: CacheTally | None = None
    history: str | None = None
    place: Place | None = None
    hint: str = ""


def closing(ending: Ending) -> Iterator[Line]:
    """The lines of an ending, failure first, so that the last line always says the same things."""
    failed = ending.status not in ("SUCCEEDED", "RUNNING")
    yield from why(ending)
    parts = [
        f"{ending.status} in {duration(ending.took)}",
        counted(ending.states, "state"),
        counted(ending.events, "event"),
    ]
    if ending.replayed:
        parts[0] = f"{ending.status} as recorded, {duration(ending.simulated)} in {duration(ending.took)}"
    elif ending.virtual and ending.simulated >= max(1000, ending.took):
        parts[0] = f"{ending.status}, simulated {duration(ending.simulated)} in {duration(ending.took)}"
    if ending.retries:
        parts.append(counted(ending.retries, "retry"))
    if ending.cache is not None and ending.cache.asked:
        parts.append(ending.cache.text)
    yield Line("bad" if failed else "good", text=" · ".join(parts))
    if ending.history:
        yield Line("faint", text=f"history {relative(ending.history)}")
    if ending.hint:
        yield Line("warn", text=f"help: {ending.hint}")


def why(ending: Ending) -> Iterator[Line]:
    """The lines of a failure: its error, its cause as a person reads it, its place in the definition."""
    if ending.error or ending.cause:
        yield Line("text")
        yield Line("bad", text=clean(ending.error or "(no error name)"))
        yield from (Line("text", text=f"  {clean(line)}") for line in cause_lines(ending.cause))
    if ending.place is not None:
        yield Line("faint", text=f"  {_where(ending.place)}")
        yield from (
            Line("source", text=line) for line in caret(ending.place.source_line, ending.place.span).splitlines()
        )
    if ending.error or ending.cause or ending.place:
        yield Line("text")


def relative(path: str) -> str:
    """A path as short as it is: below the working directory without that."""
    here = os.getcwd() + os.sep
    return path.removeprefix(here)


def _where(place: Place) -> str:
    return f"{place.path}:{place.span.line}:{place.span.column}"


def cause_lines(cause: str | None) -> list[str]:
    """A cause as a person reads it: JSON indented, and a stack trace as Python prints it."""
    if not cause:
        return []
    try:
        value = loads(cause) if cause[:1] in "{[" else None
    except ValueError:
        value = None
    lines = cause.splitlines() if value is None else _readable(value)
    rest = len(lines) - _MAX_CAUSE_LINES
    return lines if rest <= 0 else [*lines[:_MAX_CAUSE_LINES], f"… {counted(rest, 'line')} more"]


def _readable(value: Json) -> list[str]:
    if not isinstance(value, dict) or not isinstance(value.get("errorMessage"), str):
        return json.dumps(value, indent=2, ensure_ascii=False).splitlines()
    # The error payload of a Lambda function: its message, then its frames.
    frames = [line for frame in value.get("stackTrace") or [] for line in str(frame).rstrip("\n").splitlines()]
    return [*value["errorMessage"].splitlines(), *frames]
