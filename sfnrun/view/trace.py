"""Turns the events and notes of an execution into the lines of a trace, live or from a recording.

A state gets its line when it ends, because its duration is known only then; a Parallel or Map also gets one when it
starts. Items of a large Map that succeed get no lines, the Map gets a progress line instead. Nothing here prints, or
reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import takewhile

from sfnrun.history.timeline import Timeline
from sfnrun.history.visit import Visit
from sfnrun.payload import loads
from sfnrun.record import Event, Note
from sfnrun.view.changes import summary
from sfnrun.view.line import Line
from sfnrun.view.summary import CacheTally
from sfnrun.view.text import clean, counted, duration

__all__ = ["TraceLines"]

# A Map with more items than this is shown as a progress line and its failures.
BIG_MAP = 20
_SHOWN_FAILURES = 10


class TraceLines:
    """A Listener that passes one Line after another to `say`.

    `states`, `retries`, `events` and `cache` are counts. `timeline` has the open states and the status.
    """

    def __init__(self, say: Callable[[Line], None], *, verbose: bool = False, big_map: int = BIG_MAP) -> None:
        self._say = say
        self._verbose = verbose
        self._big_map = big_map
        self._labels: dict[str, tuple[str, ...] | None] = {"": ()}
        self._failures_shown = 0
        self._choices: dict[str, Visit] = {}
        self.timeline = Timeline(keep=False)
        self.states = self.retries = self.events = 0
        self.cache = CacheTally()

    def event(self, event: Event) -> None:
        timeline = self.timeline
        self.events += 1
        timeline.event(event)
        if timeline.closed:
            for visit in timeline.closed:
                if visit.exited is None:
                    self._say_closed(visit)
                else:
                    self._say_exited(visit)
            return
        act = _act_on(event.type)
        if act is not None:
            act(self, event)

    def _on_entered(self, event: Event) -> None:
        self.states += 1
        if self._choices:
            self._say_choice(event.fiber, event.details["name"])

    def _on_redriven(self, event: Event) -> None:
        self._say(Line("retry", text=f"redriven, redrive {event.details['redriveCount']}"))

    def note(self, note: Note) -> None:
        if note.kind == "resumed":  # which is not about a state
            self._say(Line("retry", text="resumed after a crash"))
        self.timeline.note(note)
        for closed in self.timeline.closed:
            self._say_closed(closed)
        visit = self.timeline.open.get(note.fiber)
        act = _NOTES.get(note.kind)
        if act is not None and visit is not None:
            act(self, visit, note)

    def say_open(self) -> None:
        """List the states that are still open, for an execution that has not ended."""
        for visit in self.timeline.open.values():
            labels = self.labels_of(visit)
            if labels is not None and visit.type not in ("Map", "Parallel"):
                self._say(Line("open", labels, clean(visit.name), visit.type, "not left"))

    # Lines of states

    def _say_exited(self, visit: Visit) -> None:
        labels = self.labels_of(visit)
        if labels is None:
            return
        if visit.type == "Choice":
            self._choices[visit.fiber] = visit
            return
        if self._is_big(visit):
            self._labels = {fiber: labels for fiber, labels in self._labels.items() if labels is not None}
        if visit.outcome != "caught":
            self._say(Line("done", labels, clean(visit.name), visit.type, self._result(visit)))
        if self._verbose:
            self._say_changes(labels, visit)

    def _say_choice(self, fiber: str, next: str) -> None:
        """A Choice gets its line when the next state is entered: no event of the Choice names that state."""
        visit = self._choices.pop(fiber, None)
        labels = None if visit is None else self.labels_of(visit)
        if visit is None or labels is None:
            return
        self._say(Line("done", labels, clean(visit.name), visit.type, f"→ {clean(next)}"))
        if self._verbose:
            self._say_changes(labels, visit)

    def _on_started(self, event: Event) -> None:
        visit = self.timeline.open.get(event.fiber)
        labels = None if visit is None else self.labels_of(visit)
        if visit is not None and labels is not None:
            text = "" if visit.items is None else counted(visit.items, "item")
            self._say(Line("opened", labels, clean(visit.name), visit.type, text))

    def _on_item(self, event: Event) -> None:
        visit = self.timeline.open.get(event.fiber.rpartition("/")[0])
        if visit is None or not visit.items or not self._is_big(visit) or visit.done >= visit.items:
            return
        labels = self.labels_of(visit)
        if labels is not None and visit.done % max(1, visit.items // 10) == 0:
            text = f"{visit.done:,} of {counted(visit.items, 'item')}"
            self._say(Line("progress", labels, clean(visit.name), visit.type, text))

    def _say_closed(self, visit: Visit) -> None:
        """The line of a state that will not be exited: it failed, or was aborted."""
        has_failed = visit.outcome == "failed"
        labels = self.labels_of(visit)
        if labels is None:
            if not has_failed or self._failures_shown >= _SHOWN_FAILURES:
                return
            self._failures_shown += 1
            labels = self._all_labels(visit)
        text = _error(visit) if has_failed else ""
        self._say(Line("failed" if has_failed else "aborted", labels, clean(visit.name), visit.type, text))

    def _result(self, visit: Visit) -> str:
        parts = []
        if self._is_big(visit):
            parts.append(counted(visit.items or 0, "item"))
        took = (visit.ended or 0) - visit.since
        if took or visit.type == "Task":
            parts.append(duration(took) if took else "<1 ms")
        if visit.retries:
            since_redrive = takewhile(lambda attempt: not attempt.redriven, reversed(visit.attempts))
            retries = sum(attempt.retry is not None for attempt in since_redrive)
            if retries:
                parts.append(counted(retries, "retry"))
        return ", ".join(parts)

    def _say_changes(self, labels: tuple[str, ...], visit: Visit) -> None:
        before, after = visit.input, visit.output
        for name, value in visit.assigned.items():
            self._say(Line("plus", labels, text=clean(f"${name} = {value.text}")))
        if before is None or after is None or before is after:
            return
        for change in summary(before.value, after.value):
            self._say(Line(change.kind, labels, text=change.text))

    # Labels of branches and items

    def labels_of(self, visit: Visit) -> tuple[str, ...] | None:
        """Return the labels of the branches and items around a visit; None inside a large Map, which gets no lines."""
        try:
            return self._labels[visit.fiber]
        except KeyError:
            labels = self._labels[visit.fiber] = self._find_labels(visit)
            return labels

    def _find_labels(self, visit: Visit) -> tuple[str, ...] | None:
        around = visit.around
        outer = () if around is None else self.labels_of(around)
        if outer is None or (around is not None and self._is_big(around)):
            return None
        return (*outer, _label(visit))

    def _all_labels(self, visit: Visit) -> tuple[str, ...]:
        labels: list[str] = []
        inner: Visit | None = visit
        while inner is not None and inner.fiber:
            labels.append(_label(inner))
            inner = inner.around
        return tuple(reversed(labels))

    def _is_big(self, visit: Visit) -> bool:
        return visit.items is not None and visit.items > self._big_map

    # Notes

    def _on_retry(self, visit: Visit, note: Note) -> None:
        self.retries += 1
        details = note.details
        text = f"retry {details['attempt']} of {details['max_attempts']} in {duration(details['delay_ms'])}"
        self._say_note("retry", visit, f"{text} · {_error(visit) or 'failed'}")

    def _on_catch(self, visit: Visit, note: Note) -> None:
        took = note.at - visit.since
        text = f"{duration(took)}, caught" if took else "caught"
        self._say_note("caught", visit, f"{text} → {note.details['next']} · {_error(visit) or 'failed'}")

    def _on_log(self, visit: Visit, note: Note) -> None:
        labels = self.labels_of(visit)
        if labels is not None:
            self._say(Line("log", labels, text=clean(note.details["text"].rstrip())))

    def _on_cache(self, visit: Visit, note: Note) -> None:
        from sfnrun.cache.outcome import describe

        self.cache.count(note.details)
        self._say_note("cache", visit, describe(note.details))

    def _say_note(self, kind: str, visit: Visit, text: str) -> None:
        labels = self.labels_of(visit)
        if labels is not None:
            self._say(Line(kind, labels, clean(visit.name), visit.type, clean(text)))


@cache
def _act_on(type: str) -> Callable[[TraceLines, Event], None] | None:
    if type.endswith("StateEntered"):
        return TraceLines._on_entered
    return {
        "MapStateStarted": TraceLines._on_started,
        "ParallelStateStarted": TraceLines._on_started,
        "MapIterationSucceeded": TraceLines._on_item,
        "ExecutionRedriven": TraceLines._on_redriven,
    }.get(type)


_NOTES: dict[str, Callable[[TraceLines, Visit, Note], None]] = {
    "retry": TraceLines._on_retry,
    "catch": TraceLines._on_catch,
    "log": TraceLines._on_log,
    "cache": TraceLines._on_cache,
}


def _label(visit: Visit) -> str:
    return f"[{visit.item}]" if visit.around is not None and visit.around.type == "Map" else str(visit.item)


def _error(visit: Visit) -> str:
    """Return the error of a visit, and the first line of its cause."""
    reason = clean(cause_line(visit.cause)) if visit.cause else ""
    return f"{visit.error or 'failed'}: {reason}" if reason else visit.error or ""


def cause_line(cause: str) -> str:
    """Return a cause on one line: the errorMessage of a Lambda function's error, otherwise the text itself."""
    if cause.startswith("{"):
        try:
            value = loads(cause)
        except ValueError:
            return cause
        if isinstance(value, dict) and isinstance(value.get("errorMessage"), str):
            return str(value["errorMessage"])
    return cause
