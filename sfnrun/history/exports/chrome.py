"""A history in Trace Event Format, for ui.perfetto.dev and chrome://tracing: one track for each branch and item.

Times are microseconds from the start of the execution. A state is a slice, and the attempts of a Task are slices in it.
Source: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event Format)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sfnrun.history.recording import Recording
from sfnrun.history.timeline import Timeline, timeline_of
from sfnrun.history.visit import Visit
from sfnrun.payload import dumps

__all__ = ["chrome"]

# Color names of the viewers.
_COLORS = {"failed": "terrible", "caught": "bad", "aborted": "grey", "running": "generic_work"}
_SHOWN = 2000


def chrome(recording: Recording) -> str:
    """Return the JSON text of the trace."""
    timeline = timeline_of(recording)
    start = recording.start
    tracks = {fiber: number for number, fiber in enumerate(dict.fromkeys(["", *(each.fiber for each in timeline)]), 1)}
    events = [*_tracks(tracks, start["name"]), _execution(timeline, start["name"])]
    for visit in timeline:
        events += _slices(visit, tracks[visit.fiber], timeline)
    about = {"execution": start["arn"], "status": timeline.status}
    return dumps({"traceEvents": events, "displayTimeUnit": "ms", "otherData": about})


def _tracks(tracks: dict[str, int], name: str) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "pid": 1, "tid": 1, "name": "process_name", "args": {"name": name}}
    for fiber, number in tracks.items():
        yield {"ph": "M", "pid": 1, "tid": number, "name": "thread_name", "args": {"name": fiber or "execution"}}
        yield {"ph": "M", "pid": 1, "tid": number, "name": "thread_sort_index", "args": {"sort_index": number}}


def _execution(timeline: Timeline, name: str) -> dict[str, Any]:
    args = {name: value for name, value in (("status", timeline.status), ("error", timeline.error)) if value}
    took = (timeline.now - timeline.began) * 1000
    return {"ph": "X", "pid": 1, "tid": 1, "ts": 0, "dur": took, "name": name, "cat": "execution", "args": args}


def _slices(visit: Visit, track: int, timeline: Timeline) -> Iterator[dict[str, Any]]:
    end = timeline.now if visit.ended is None else visit.ended
    began = (visit.began - timeline.began) * 1000
    event = {"ph": "X", "pid": 1, "tid": track, "ts": began, "dur": (end - visit.began) * 1000}
    yield {**event, "name": visit.name, "cat": visit.type, **_color(visit), "args": _args(visit)}
    for number, call in enumerate(visit.calls, 1):
        began = call.began or 0
        took = ((end if call.ended is None else call.ended) - began) * 1000
        failed = {"error": call.error, "cause": _cut(call.cause)} if call.error else {}
        yield {
            "ph": "X", "pid": 1, "tid": track, "ts": (began - timeline.began) * 1000, "dur": took,
            "name": f"attempt {number}", "cat": "attempt", "args": {**failed, "attempt": number},
        }  # fmt: skip


def _color(visit: Visit) -> dict[str, str]:
    return {"cname": _COLORS[visit.outcome]} if visit.outcome in _COLORS else {}


def _args(visit: Visit) -> dict[str, Any]:
    args = {
        "outcome": visit.outcome,
        "entered": visit.entered,
        "retries": visit.retries or None,
        "error": visit.error,
        "cause": _cut(visit.cause),
        "input": _cut(visit.input.text if visit.input else None),
        "output": _cut(visit.output.text if visit.output else None),
    }
    return {name: value for name, value in args.items() if value is not None}


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _SHOWN else text[:_SHOWN] + "…"
