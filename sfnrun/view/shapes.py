"""The JSON that `--json` prints: snake_case members, null for what is absent, AWS's own objects unchanged inside."""

from __future__ import annotations

from datetime import datetime, timedelta

from sfnrun.errors import Problem
from sfnrun.history.listing import Summary
from sfnrun.payload import Json

__all__ = ["moment_json", "problem_json", "summary_json", "took_ms"]


def problem_json(problem: Problem) -> dict[str, Json]:
    """A Problem: lines and columns count from 1, the end is exclusive; null where there is no place in a file."""
    span = problem.span
    return {
        "rule": problem.rule,
        "code": problem.code,
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
        "location": problem.location,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
    }


def summary_json(summary: Summary) -> dict[str, Json]:
    """A Summary of an execution."""
    return {
        "name": summary.name,
        "arn": summary.arn,
        "machine": summary.machine,
        "type": summary.type,
        "status": summary.status,
        "started": moment_json(summary.started),
        "ended": moment_json(summary.ended),
        "took_ms": took_ms(summary.took),
        "clock": summary.clock,
        "parent": summary.parent,
        "place": summary.place,
        "error": summary.error,
        "cause": summary.cause,
    }


def moment_json(moment: datetime | None) -> str | None:
    """A moment in ISO 8601, UTC, with milliseconds."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def took_ms(took: timedelta | None) -> int | None:
    """A duration in milliseconds."""
    return None if took is None else round(took / timedelta(milliseconds=1))
