"""The last lines of a trace: how the execution ended, why and where, what the cache did, or where a replay diverged."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from sfnrun.cache.outcome import saved_ms
from sfnrun.errors import DivergenceError, Span, caret
from sfnrun.payload import Json, loads
from sfnrun.view.changes import summary as changes_of
from sfnrun.view.line import Line
from sfnrun.view.text import clean, counted, duration, fit

__all__ = ["CacheTally", "Ending", "Location", "cause_lines", "divergence_lines", "failure_lines", "summary_lines"]

_MAX_CAUSE_LINES = 40
_SIDE_COLUMNS = 2_000
_SIDE_COLUMNS_WITH_CHANGES = 160


class CacheTally:
    """Counts the outcomes of an execution's cache notes; `asked` is how often there was something to look for."""

    def __init__(self) -> None:
        self.hits = self.misses = self.stale = 0
        self.saved_ms = 0

    def count(self, note: Mapping[str, Any]) -> None:
        outcome = note.get("outcome")
        self.hits += outcome == "hit"
        self.misses += outcome == "miss"
        self.stale += outcome == "stale"
        self.saved_ms += saved_ms(note)

    @property
    def asked(self) -> int:
        return self.hits + self.misses + self.stale

    @property
    def text(self) -> str:
        """Such as `cache: 9 hits, 1 miss (90 %), saved 1.3 s`."""
        parts = [counted(self.hits, "hit"), f"{self.misses:,} {'miss' if self.misses == 1 else 'misses'}"]
        if self.stale:
            parts.append(f"{self.stale} stale")
        text = f"cache: {', '.join(parts)} ({100 * (self.hits + self.stale) // self.asked} %)"
        return f"{text}, saved {duration(self.saved_ms)}" if self.saved_ms else text


class Location(Struct, frozen=True):
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
    place: Location | None = None
    hint: str = ""


def summary_lines(ending: Ending) -> Iterator[Line]:
    """The lines of an ending, failure first, so that the last line always says the same things."""
    failed = ending.status not in ("SUCCEEDED", "RUNNING")
    yield from failure_lines(ending)
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


def failure_lines(ending: Ending) -> Iterator[Line]:
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


def _where(place: Location) -> str:
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


def divergence_lines(divergence: DivergenceError, place: Location | None = None) -> Iterator[Line]:
    """The lines of a divergence; `place` is that of its state in the definition that was replayed."""
    yield Line("bad", text=clean(divergence.message))
    if place is not None:
        yield Line("faint", text=f"  {place.path}:{place.span.line}:{place.span.column}")
        yield from (Line("source", text=line) for line in caret(place.source_line, place.span).splitlines())
    recorded, now = _container(divergence.recorded), _container(divergence.now)
    both = recorded is not None and now is not None
    columns = _SIDE_COLUMNS_WITH_CHANGES if both else _SIDE_COLUMNS
    yield Line("text", text=f"  recorded  {fit(clean(divergence.recorded), columns)}")
    yield Line("text", text=f"  now       {fit(clean(divergence.now), columns)}")
    if both:
        yield from (Line(change.kind, text=change.text) for change in changes_of(recorded, now))
    if divergence.hint:
        yield Line("warn", text=f"  help: {divergence.hint}")


def _container(text: str) -> Json:
    """The object or array that a text is, or None."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return loads(text)
    except ValueError:
        return None
