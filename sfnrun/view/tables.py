"""Tables, aligned and cut to the width of a terminal or tab-separated for programs; and the rows of each listing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sfnrun.view.palette import paint
from sfnrun.view.text import cells, clean, counted, duration, fit, pad, size

if TYPE_CHECKING:
    from sfnrun.cache.admin import CacheStats, EntrySummary, TaskStats
    from sfnrun.history.listing import Summary

__all__ = ["Column", "tab_separated", "table"]

_GAP = "  "
_LEAST = 8


class Column(NamedTuple):
    """A column: its title, and whether its values are figures, which align to the right."""

    title: str
    is_figure: bool = False


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int, *, is_colored: bool = False
) -> Iterator[str]:
    """The lines of a table with a header, at most `width` columns wide: the widest columns give way."""
    texts = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(cells, column)) for column in zip([column.title for column in columns], *texts, strict=True)]
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while over > 0 and max(widths) > _LEAST:
        widest = widths.index(max(widths))
        cut = min(over, max(1, widths[widest] - sorted(widths)[-2])) if len(widths) > 1 else over
        cut = min(cut, widths[widest] - _LEAST)
        widths[widest] -= cut
        over -= cut
    header = _row([column.title for column in columns], widths, columns)
    yield paint(header, "faint") if is_colored else header
    yield from (_row(row, widths, columns) for row in texts)


def _row(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    parts = []
    for cell, width, column in zip(row, widths, columns, strict=True):
        text = fit(cell, width)
        parts.append(" " * (width - cells(text)) + text if column.is_figure else pad(text, width))
    return _GAP.join(parts).rstrip()


def tab_separated(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows in full, without a header."""
    yield from ("\t".join(clean(cell) for cell in row) for row in rows)


# --- executions ---

RUN_COLUMNS = ("NAME", "STATUS", "STARTED", "TOOK", "MACHINE", "PLACE", "ERROR")


def run_row(summary: Summary) -> tuple[str, ...]:
    """One execution of `trace list`."""
    if summary.status == "UNREADABLE":
        return (summary.name, summary.status, "", "", "", "", "not a history")
    started = summary.started.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    took = duration(round(summary.took.total_seconds() * 1000))
    error = f"resume it: sfnrun resume {summary.name}" if summary.status == "CRASHED" else summary.error or ""
    return (summary.name, summary.status, started, took, summary.machine, summary.place or "", error)


# --- the cache ---


STATS_FIGURES = ("HIT RATE", "HITS", "MISSES", "STALE", "BYPASSED", "SAVED", "ENTRIES", "SIZE", "OLDEST")


def stats_row(task: TaskStats) -> tuple[str, ...]:
    """One task of `cache stats`."""
    rate = "-" if task.hit_rate is None else f"{task.hit_rate:.0%}"
    counts = (f"{count:,}" for count in (task.hits, task.misses, task.stale, task.bypassed))
    return (task.task, rate, *counts, _ms(task.saved_ms), f"{task.entries:,}", size(task.bytes), _ms(task.oldest_ms))


def backend_line(stats: CacheStats) -> str:
    """The backend in one line, below the tasks."""
    info, parts = stats.info, [stats.label]
    if info.size_bytes is not None:
        parts.append(
            f"{size(info.size_bytes)} of {size(info.limit_bytes)}" if info.limit_bytes else size(info.size_bytes)
        )
    if info.eviction_policy:
        parts.append(f"{counted(info.evictions, 'eviction')} ({info.eviction_policy})")
    if stats.faults:
        parts.append(f"unreachable {counted(stats.faults, 'time')}")
    return ", ".join(parts)


ENTRY_COLUMNS = ("KEY", "TASK", "AGE", "EXPIRES IN", "TOOK", "SIZE", "CACHE KEY")
ENTRY_FIGURES = ("AGE", "EXPIRES IN", "TOOK", "SIZE")


def entry_row(entry: EntrySummary) -> tuple[str, ...]:
    """One entry of `cache list`."""
    left = entry.expires_in_ms
    expires = "never" if left is None else "expired" if left <= 0 else _ms(left)
    key_text = f"failed: {entry.key_text}" if entry.kind == "error" else entry.key_text
    return (entry.key[:12], entry.task, _ms(entry.age_ms), expires, _ms(entry.took_ms), size(entry.bytes), key_text)


def _ms(ms: int | None) -> str:
    """A duration; what a run under the virtual clock cached can be in the future."""
    return "-" if ms is None else f"in {duration(-ms)}" if ms < 0 else duration(ms)
