"""A history as a trace-event file, for ui.perfetto.dev and chrome://tracing: a track for each branch and item.

Times are microseconds from the start of the execution. A state is a slice, the attempts of a Task lie inside it.
Source: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event Format)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sfnrun.history.file import Recording
from sfnrun.history.visits import Visit, Visits, visits_of
from sfnrun.payload import dumps

__all__ = ["chrome"]

# Names of colours that the viewers know.
_COLOURS = {"failed": "terrible", "caught": "bad", "aborted": "grey", "running": "generic_work"}
_SHOWN = 2000


def chrome(recording: Recording) -> str:
    """The JSON text of the trace."""
    visits = visits_of(recording)
    start = recording.start
    tracks = {fiber: number for number, fiber in enumerate(dict.fromkeys(["", *(each.fiber for each in visits)]), 1)}
    events = [*_tracks(tracks, start["name"]), _execution(visits, start["name"])]
    for visit in visits:
        events += _slices(visit, tracks[visit.fiber], visits)
    about = {"execution": start["arn"], "status": visits.status}
    return dumps({"traceEvents": events, "displayTimeUnit": "ms", "otherData": about})


def _tracks(tracks: dict[str, int], name: str) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "pid": 1, "tid": 1, "name": "process_name", "args": {"name": name}}
    for fiber, number in tracks.items():
        told = {"name": fiber or "execution"}
        yield {"ph": "M", "pid": 1, "tid": number, "name": "thread_name", "args": told}
        yield {"ph": "M", "pid": 1, "tid": number, "name": "thread_sort_index", "args": {"sort_index": number}}


def _execution(visits: Visits, name: str) -> dict[str, Any]:
    told = {name: value for name, value in (("status", visits.status), ("error", visits.error)) if value}
    took = (visits.ended - visits.began) * 1000
    return {"ph": "X", "pid": 1, "tid": 1, "ts": 0, "dur": took, "name": name, "cat": "execution", "args": told}


def _slices(visit: Visit, track: int, visits: Visits) -> Iterator[dict[str, Any]]:
    end = visits.ended if visit.ended is None else visit.ended
    began = (visit.began - visits.began) * 1000
    event = {"ph": "X", "pid": 1, "tid": track, "ts": began, "dur": (end - visit.began) * 1000}
    yield {**event, "name": visit.name, "cat": visit.type, **_colour(visit), "args": _told(visit)}
    for number, attempt in enumerate(visit.attempts, 1):
        took = ((end if attempt.ended is None else attempt.ended) - attempt.began) * 1000
        failed = {"error": attempt.error, "cause": _cut(attempt.cause)} if attempt.error else {}
        yield {
            "ph": "X", "pid": 1, "tid": track, "ts": (attempt.began - visits.began) * 1000, "dur": took,
            "name": f"attempt {number}", "cat": "attempt", "args": {**failed, "attempt": number},
        }  # fmt: skip


def _colour(visit: Visit) -> dict[str, str]:
    return {"cname": _COLOURS[visit.outcome]} if visit.outcome in _COLOURS else {}


def _told(visit: Visit) -> dict[str, Any]:
    told = {
        "outcome": visit.outcome,
        "entered": visit.entered,
        "retries": visit.retries or None,
        "error": visit.error,
        "cause": _cut(visit.cause),
        "input": _cut(visit.input.text if visit.input else None),
        "output": _cut(visit.output.text if visit.output else None),
    }
    return {name: value for name, value in told.items() if value is not None}


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _SHOWN else text[:_SHOWN] + "…"
