"""What the options --quiet, --json and -v make of an execution as it happens, and its last lines."""

from __future__ import annotations

import gc
import io
import signal
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sfnrun.cli.errors import TERMINATED
from sfnrun.payload import Json
from sfnrun.record import Listener
from sfnrun.view import Trace, open_trace
from sfnrun.view.line import Line
from sfnrun.view.text import clean

if TYPE_CHECKING:
    from sfnrun.api.result import Result
    from sfnrun.asl.text.source import Source
    from sfnrun.history.recording import Recording
    from sfnrun.view.summary import Ending, Location
    from sfnrun.view.trace import TraceLines

__all__ = ["Watch", "ending_of", "place_of", "recorded_source"]


class Watch:
    """A trace on stderr around one execution; `listener` is None where nobody looks, which costs nothing."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        json: bool = False,
        verbose: bool = False,
        moving: bool = True,
        real: bool = True,
        replayed: bool = False,
    ) -> None:
        self._began = self._took = 0.0
        self._before: Any = None
        self._json = json
        self._quiet = quiet
        self._virtual = not real
        self._replayed = replayed
        self.trace: Trace
        self.lines: TraceLines | None = None
        self.listener: Listener | None = None
        # Python has no stderr at all where the shell closed it (`2>&-`).
        stream = sys.stderr or io.StringIO()
        if json and not quiet:
            from sfnrun.view.listeners import JsonLines

            self.listener = JsonLines(stream)
        self.trace, watch = open_trace(stream, moving=moving and not quiet and not json, real=real)
        if not quiet and not json:
            from sfnrun.view.trace import TraceLines

            self.listener = self.lines = TraceLines(self.trace.say, verbose=verbose)
            watch(self.lines)

    def __enter__(self) -> Watch:
        gc.enable()
        self._before = signal.signal(signal.SIGTERM, _terminate)
        self._began = time.perf_counter()
        self.trace.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._took = (time.perf_counter() - self._began) * 1000
        self.trace.__exit__(kind, error, traceback)
        signal.signal(signal.SIGTERM, self._before)
        if isinstance(error, _Terminated):
            if not self._json:
                self.trace.say(Line("warn", text="terminated; what is recorded goes on with: sfnrun resume last"))
            raise SystemExit(TERMINATED) from None

    def warn(self, line: str) -> None:
        """Say something that the person should know, in one line; nothing to those who want failures or JSON alone."""
        if not (self._json or self._quiet):
            self.trace.say(Line("warn", text=clean(line)))

    def close(self, result: Result, source: Source | None = None) -> None:
        """Say how it ended: the whole for those who watched, a failure alone for --quiet, nothing more for --json."""
        if self._json:
            return
        from sfnrun.view.summary import failure_lines, summary_lines

        ending = self._ending(result, source)
        for line in failure_lines(ending) if self._quiet else summary_lines(ending):
            self.trace.say(line)

    def _ending(self, result: Result, source: Source | None) -> Ending:
        from sfnrun.view.summary import Ending

        lines = self.lines
        return Ending(
            status=result.status,
            error=result.error,
            cause=result.cause,
            took=self._took,
            simulated=round(result.took.total_seconds() * 1000),
            virtual=self._virtual,
            replayed=self._replayed,
            states=lines.states if lines else 0,
            retries=lines.retries if lines else 0,
            cache=lines.cache if lines else None,
            events=result.event_count,
            history=str(result.history) if result.history else None,
            place=place_of(source, _origin(lines)) if source and lines and result.status == "FAILED" else None,
        )


def ending_of(lines: TraceLines, recording: Recording) -> Ending:
    """How a recorded execution ended; it took what it took then."""
    from sfnrun.history.listing import summary_of
    from sfnrun.view.summary import Ending

    timeline = lines.timeline
    took = timeline.now - timeline.began
    status = summary_of(recording.path).status if timeline.status == "RUNNING" else timeline.status
    return Ending(
        status=status,
        error=timeline.error,
        cause=timeline.cause,
        took=took,
        simulated=took,
        states=lines.states,
        retries=lines.retries,
        cache=lines.cache,
        events=lines.events,
        history=str(recording.path),
        place=place_of(recorded_source(recording), _origin(lines)) if timeline.origin else None,
        hint=f"resume it: sfnrun resume {recording.path.stem}" if status == "CRASHED" else "",
    )


def _origin(lines: TraceLines) -> str | None:
    """Name of the state whose failure ended the execution."""
    return None if lines.timeline.origin is None else lines.timeline.origin.name


def recorded_source(recording: Recording) -> Source:
    """The definition that was executed, as it was then."""
    from sfnrun.asl.text.source import from_text

    start = recording.start
    return from_text(start["definition"], start.get("file") or "<definition>", limits=False)


def place_of(source: Source, state: str | None) -> Location | None:
    """Where a state is defined; None if the definition has no text, as one built in Python."""
    from sfnrun.view.summary import Location

    pointer = _pointer_of(source.value, state)
    problem = source.problem("", "", pointer, key=True) if pointer else None
    return Location(source.name, problem.span, problem.source_line) if problem and problem.span else None


def _pointer_of(graph: Json, name: str | None, pointer: tuple[str | int, ...] = ()) -> tuple[str | int, ...] | None:
    for key, state in graph["States"].items():
        here = (*pointer, "States", key)
        if key == name:
            return here
        for inside, path in _graphs_in(state, here):
            found = _pointer_of(inside, name, path)
            if found:
                return found
    return None


def _graphs_in(state: Json, pointer: tuple[str | int, ...]) -> Iterator[tuple[Json, tuple[str | int, ...]]]:
    for index, branch in enumerate(state.get("Branches", ())):
        yield branch, (*pointer, "Branches", index)
    for field in ("ItemProcessor", "Iterator"):
        if field in state:
            yield state[field], (*pointer, field)


class _Terminated(KeyboardInterrupt):
    """Nobody's to catch on the way, as Ctrl-C is."""


def _terminate(number: int, frame: object) -> None:
    """On SIGTERM the history stays open, to be resumed, and the terminal is left as it was."""
    raise _Terminated
