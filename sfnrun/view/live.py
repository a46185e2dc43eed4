"""The trace on a terminal: finished states scroll by, what is running stands below them and moves.

The engine only appends to a queue; a thread paints twelve times a second, and of what came faster than anyone can
read it shows the first and the last lines. So the terminal never slows the execution down.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from itertools import islice
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from sfnrun.history.visit import Visit
from sfnrun.view.line import Line, rows, segments
from sfnrun.view.palette import STYLES, has_color
from sfnrun.view.text import cells, clean, counted, duration, fit
from sfnrun.view.trace import BIG_MAP, TraceLines

__all__ = ["LiveTrace"]

_FRAMES_PER_SECOND = 12
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_RUNNING_SHOWN = 8


class LiveTrace:
    """Prints lines with rich; between `__enter__` and `__exit__` with the running states below them.

    `moving` False has no live part, for when somebody else uses the terminal too (`--step`, a debugger).
    `real` says that the times of the states are those of the clock on the wall, so that they can be counted on.
    """

    def __init__(self, stream: TextIO, *, moving: bool = True, real: bool = True) -> None:
        self.console = Console(
            file=stream,
            highlight=False,
            emoji=False,
            markup=False,
            soft_wrap=False,
            color_system="auto" if has_color(stream) else None,
        )
        self._real = real
        self._moving = moving
        self._lines: TraceLines | None = None
        self._pending: deque[Line] = deque()
        self._live: Live | None = None
        self._ended = threading.Event()
        self._painter: threading.Thread | None = None
        self._frame = 0

    def watch(self, lines: TraceLines) -> None:
        """Show the open states below the lines of these."""
        self._lines = lines

    def __enter__(self) -> LiveTrace:
        if self._moving:
            self._live = Live(
                console=self.console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                get_renderable=self.running,
            )
            self._live.start()
            self._painter = threading.Thread(target=self._paint_on, name="sfnrun-view", daemon=True)
            self._painter.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        if self._painter is not None:
            self._painter.join()
            self._painter = None
        self._lines = None
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()
        self._print_pending()

    def say(self, line: Line) -> None:
        if self._painter is not None:
            self._pending.append(line)
        elif line.kind != "progress":
            self._print([line])

    def write(self, text: str) -> None:
        self.console.print(Text(text), end="", soft_wrap=True)
        self.console.file.flush()

    # The painter

    def _paint_on(self) -> None:
        while not self._ended.wait(1 / _FRAMES_PER_SECOND):
            self._print_pending()
            if self._live is not None:
                self._live.refresh()

    def _print_pending(self) -> None:
        taken = [line for line in self._take() if line.kind != "progress"]
        most = max(20, self.console.height)
        if len(taken) <= 2 * most:
            self._print(taken)
            return
        skipped = len(taken) - most
        self._print(taken[: most // 2])
        text = f"  … {counted(skipped, 'line')} too fast to show; `sfnrun trace show last` has them"
        self._print([Line("faint", text=text), *taken[-(most - most // 2) :]])

    def _take(self) -> list[Line]:
        return [self._pending.popleft() for _ in range(len(self._pending))]

    def _print(self, lines: list[Line]) -> None:
        if lines:
            width = self.console.width
            texts = [self._text(segments(row, width)) for line in lines for row in rows(line, width)]
            self.console.print(Text("\n").join(texts), no_wrap=True, overflow="ellipsis", crop=True)

    def _text(self, parts: list[tuple[str, str]]) -> Text:
        return Text.assemble(*((text, STYLES[style][0]) for text, style in parts), no_wrap=True, overflow="ellipsis")

    # What is running

    def running(self) -> Group:
        self._frame += 1
        if self._lines is None:
            return Group()
        visits = list(self._lines.timeline.open.values())
        maps = [visit for visit in visits if visit.items is not None and visit.items > BIG_MAP]
        inside = tuple(f"{visit.fiber}/" if visit.fiber else "" for visit in maps)
        leaves = [
            visit
            for visit in visits
            if visit.type not in ("Map", "Parallel") and not (inside and visit.fiber.startswith(inside) and visit.fiber)
        ]
        rows = [self._bar(visit) for visit in maps]
        rows += [self._leaf(visit) for visit in islice(leaves, _RUNNING_SHOWN)]
        if len(leaves) > _RUNNING_SHOWN:
            rows.append(Text(f"  … and {counted(len(leaves) - _RUNNING_SHOWN, 'state')} more", "dim"))
        return Group(*rows)

    def _leaf(self, visit: Visit) -> Text:
        spinner = _SPINNER[self._frame % len(_SPINNER)]
        parts = segments(
            Line("opened", self._labels(visit), clean(visit.name), visit.type, self._since(visit)), self.console.width
        )
        parts[1] = (spinner, "warn")
        return self._text(parts)

    def _labels(self, visit: Visit) -> tuple[str, ...]:
        return (self._lines.labels_of(visit) or ()) if self._lines is not None else ()

    def _since(self, visit: Visit) -> str:
        if not self._real:
            return ""
        now = time.time() * 1000
        if visit.until is not None:
            left = max(0, visit.until - now)
            total = max(1, visit.until - visit.since)
            return f"{_draw(1 - left / total, 20)} {duration(_whole_seconds(left))} left"
        took = now - visit.since
        return duration(_whole_seconds(took)) if took >= 1000 else ""

    def _bar(self, visit: Visit) -> Text:
        items = visit.items or 1
        text = f"{visit.done:,} of {counted(items, 'item')}"
        if visit.failed:
            text += f", {visit.failed:,} failed"
        parts = segments(Line("opened", self._labels(visit), clean(visit.name), visit.type, text), self.console.width)
        used = sum(cells(part) for part, _ in parts)
        parts[1] = (_SPINNER[self._frame % len(_SPINNER)], "warn")
        room = min(40, self.console.width - used - 1)
        if room >= 10:
            parts.append((" " + _draw(visit.done / items, room), "good"))
        return self._text(parts)


def _whole_seconds(ms: float) -> float:
    return ms if ms < 1000 else ms // 1000 * 1000


def _draw(fraction: float, width: int) -> str:
    full = round(max(0.0, min(1.0, fraction)) * width)
    return fit("━" * full + "┄" * (width - full), width)
