"""Turns what happens into the lines of the trace, whoever prints them: live, recorded or by hand.

A line is said when a state ends, because only then is its length known; a Parallel or Map also says when it opens. A
Map of many items says nothing of the items that go well: it counts them. Nothing here prints or looks at a clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sfnrun.payload import Json, Payload, loads
from sfnrun.record import Event, Note
from sfnrun.view.cache_tally import CacheTally
from sfnrun.view.changes import summary
from sfnrun.view.line import Line
from sfnrun.view.measures import clean, counted, duration
from sfnrun.view.open_state import ENTERED, LeftOpen, OpenState

__all__ = ["Story"]

# A Map with more items than this is a progress bar and its failures.
BIG_MAP = 20
_SHOWN_FAILURES = 10

_EXITED = {f"{name}StateExited" for name in ENTERED.values()}
_FAILURES = {
    *(f"LambdaFunction{end}" for end in ("Failed", "TimedOut", "ScheduleFailed", "StartFailed")),
    *(f"Task{end}" for end in ("Failed", "TimedOut", "StartFailed", "SubmitFailed")),
    *(f"Activity{end}" for end in ("Failed", "TimedOut", "ScheduleFailed")),
    *("EvaluationFailed", "MapRunFailed"),
}
# AWS names the state of a States.Runtime error only in the text of its cause.
_ENTERED_AT = re.compile(r"entered at the event id #(\d+)")


class Story:
    """A Listener that says one Line after another.

    `states`, `retries`, `events` and `cache` count; `open` has the state that each fiber is in, by fiber; `origin` is
    the state whose failure ended the execution; `error` and `cause` are the execution's own.
    """

    def __init__(self, say: Callable[[Line], None], *, verbose: bool = False, big_map: int = BIG_MAP) -> None:
        self._say = say
        self._verbose = verbose
        self._big_map = big_map
        self._labels: dict[str, tuple[str, ...] | None] = {"": ()}
        self._failures_shown = 0
        self._decided: dict[str, tuple[OpenState, Event]] = {}
        self._left_open = LeftOpen()
        self.open: dict[str, OpenState] = {}
        self.states = self.retries = self.events = 0
        self.cache = CacheTally()
        self.began: int | None = None
        self.now = 0
        self.origin: str | None = None
        self.status = "RUNNING"
        self.error: str | None = None
        self.cause: str | None = None
        self._acts: dict[str, Callable[[Event], None]] = {
            **dict.fromkeys(ENTERED, self._entered),
            **dict.fromkeys(_EXITED, self._exited),
            **dict.fromkeys(_FAILURES, self._failed),
            **dict.fromkeys(("TaskScheduled", "LambdaFunctionScheduled", "ActivityScheduled"), self._asked),
            "MapStateStarted": self._map_started,
            "ParallelStateStarted": self._opened,
            "MapIterationSucceeded": self._item_done,
            "MapIterationFailed": self._item_failed,
            "ParallelStateFailed": self._branches_failed,
            "MapStateFailed": self._branches_failed,
            "ExecutionSucceeded": self._ended,
            "ExecutionFailed": self._ended,
            "ExecutionTimedOut": self._ended,
            "ExecutionAborted": self._ended,
            "ExecutionRedriven": self._redriven,
        }

    # What happens

    def event(self, event: Event) -> None:
        self.events += 1
        self.now = event.at
        act = self._acts.get(event.type)
        if act is not None:
            act(event)
        elif self.began is None:
            self.began = event.at

    def note(self, note: Note) -> None:
        if note.kind == "resumed":  # which is not about a state
            self._say(Line("retry", text="resumed after a crash"))
        state = self.open.get(note.fiber)
        act = _NOTES.get(note.kind)
        if act is not None and state is not None:
            act(self, state, note)

    def say_open(self) -> None:
        """Say which states have not been left, for an execution that has no end."""
        for state in self.open.values():
            labels = self.labels_of(state.fiber)
            if labels is not None and state.type not in ("Map", "Parallel"):
                self._say(Line("open", labels, clean(state.name), state.type, "not left"))

    def _entered(self, event: Event) -> None:
        self.states += 1
        state = self.open[event.fiber] = OpenState(event)
        self._left_open.forget_inside(event.fiber)
        if self._decided:
            self._say_decision(event.fiber, state.name)

    def _exited(self, event: Event) -> None:
        state = self.open.pop(event.fiber, None)
        if state is None:
            return
        labels = self.labels_of(event.fiber)
        if labels is None:
            return
        if state.total is not None and state.total > self._big_map:
            self._forget_items()
        if state.type == "Choice":
            self._decided[event.fiber] = (state, event)
            return
        if not state.caught:
            self._say(Line("done", labels, clean(state.name), state.type, self._outcome(state, event.at)))
        if self._verbose:
            self._say_changes(labels, state.input, event.details)

    def _say_decision(self, fiber: str, next: str) -> None:
        """A Choice is told when the state it chose is entered: no event says which one that will be."""
        decided, labels = self._decided.pop(fiber, None), self.labels_of(fiber)
        if decided is None or labels is None:
            return
        state, exited = decided
        self._say(Line("done", labels, clean(state.name), state.type, f"→ {clean(next)}"))
        if self._verbose:
            self._say_changes(labels, state.input, exited.details)

    def _asked(self, event: Event) -> None:
        state = self.open.get(event.fiber)
        if state is not None:
            state.until = None

    def _failed(self, event: Event) -> None:
        state = self.open.get(event.fiber)
        if state is not None:
            state.error = _error(event.details)

    def _map_started(self, event: Event) -> None:
        state = self.open.get(event.fiber)
        if state is not None:
            state.total = event.details.get("length", 0)
            state.done = state.failed = 0
            self._opened(event)

    def _opened(self, event: Event) -> None:
        state, labels = self.open.get(event.fiber), self.labels_of(event.fiber)
        if state is None:
            return
        state.until = None
        self._left_open.forget_inside(event.fiber)
        if labels is not None:
            text = "" if state.total is None else counted(state.total, "item")
            self._say(Line("opened", labels, clean(state.name), state.type, text))

    def _item_done(self, event: Event) -> None:
        state = self._map_of(event)
        if state is None or state.total is None:
            return
        state.done += 1
        if state.total > self._big_map and state.done % max(1, state.total // 10) == 0:
            self._progress(state)

    def _progress(self, state: OpenState) -> None:
        labels = self.labels_of(state.fiber)
        if labels is not None and state.total and state.done < state.total:
            text = f"{state.done:,} of {counted(state.total, 'item')}"
            self._say(Line("progress", labels, clean(state.name), state.type, text))

    def _item_failed(self, event: Event) -> None:
        around = self._map_of(event)
        if around is not None:
            around.failed += 1
        self._close_below(event.fiber, None)
        state = self.open.pop(event.fiber, None)
        if state is not None:
            self._say_closed(state, state.error or "")

    def _branches_failed(self, event: Event) -> None:
        self._close_below(event.fiber, None)

    def _ended(self, event: Event) -> None:
        self.status = event.type.removeprefix("Execution").replace("TimedOut", "TIMED_OUT").upper()
        self.error, self.cause = event.details.get("error"), event.details.get("cause")
        if self.open:
            self._close_all(event)

    def _redriven(self, event: Event) -> None:
        self.status, self.error, self.cause, self.origin = "RUNNING", None, None, None
        self._say(Line("retry", text=f"redriven, redrive {event.details['redriveCount']}"))
        self.open.update(self._left_open.take(event.at))

    # How states that do not exit come to an end

    def _close_all(self, event: Event) -> None:
        if event.type == "ExecutionFailed":
            self._blame(event.details)
        self._close_below("", self.error if event.type == "ExecutionFailed" else None)
        root = self.open.pop("", None)
        if root is not None:
            failed = event.type == "ExecutionFailed"
            self._say_closed(root, (root.error or _error(event.details)) if failed else None)

    def _blame(self, details: dict[str, Any]) -> None:
        """Give the error to the state that AWS's cause names, if no event did."""
        found = _ENTERED_AT.search(str(details.get("cause") or ""))
        for state in self.open.values():
            if found and state.id == int(found[1]) and state.error is None:
                state.error = _error(details)

    def _close_below(self, fiber: str, error: str | None) -> None:
        """Tell of the states inside a fiber that will never exit: those that failed, and those that had to stop."""
        prefix = f"{fiber}/" if fiber else ""
        below = [key for key in self.open if key != fiber and key.startswith(prefix)]
        for key in sorted(below, key=lambda key: key.count("/"), reverse=True):
            state = self.open.pop(key)
            self._say_closed(state, state.error or (error or "" if state.type == "Fail" else None))

    def _say_closed(self, state: OpenState, error: str | None) -> None:
        self._left_open.keep(state)
        if error is not None:
            self.origin = self.origin or state.name
            self._pass_up(state, error)
        labels = self.labels_of(state.fiber)
        if labels is None:
            if error is None or self._failures_shown >= _SHOWN_FAILURES:
                return
            self._failures_shown += 1
            labels = self._hidden_labels(state.fiber)
        self._say(Line("aborted" if error is None else "failed", labels, clean(state.name), state.type, error or ""))

    def _pass_up(self, state: OpenState, error: str) -> None:
        """What a branch or item fails with, the states around it fail with, unless they say otherwise."""
        fiber = state.fiber
        while fiber:
            fiber = fiber.rpartition("/")[0]
            around = self.open.get(fiber)
            if around is not None and around.error is None:
                around.error = error.partition(":")[0]

    # What a line says

    def _outcome(self, state: OpenState, at: int) -> str:
        parts = []
        if state.total is not None and state.total > self._big_map:
            parts.append(counted(state.total, "item"))
        took = at - state.at
        if took or state.type == "Task":
            parts.append(duration(took) if took else "<1 ms")
        if state.retries:
            parts.append(counted(state.retries, "retry"))
        return ", ".join(parts)

    def _say_changes(self, labels: tuple[str, ...], before: Payload | None, details: dict[str, Any]) -> None:
        after = details.get("output")
        for name, value in (details.get("assignedVariables") or {}).items():
            self._say(Line("plus", labels, text=clean(f"${name} = {_text(value)}")))
        if before is None or after is None or before is after:
            return
        for change in summary(_value(before), _value(after)):
            self._say(Line(change.kind, labels, text=change.text))

    # Where a line stands

    def labels_of(self, fiber: str) -> tuple[str, ...] | None:
        """The labels of the branches and items around a fiber; None if it is inside a Map too big to be told."""
        try:
            return self._labels[fiber]
        except KeyError:
            labels = self._labels[fiber] = self._find_labels(fiber)
            return labels

    def _find_labels(self, fiber: str) -> tuple[str, ...] | None:
        parent = fiber.rpartition("/")[0]
        around, container = self.labels_of(parent), self.open.get(parent)
        if around is None or (
            container is not None and container.total is not None and container.total > self._big_map
        ):
            return None
        return (*around, _label(fiber, container))

    def _hidden_labels(self, fiber: str) -> tuple[str, ...]:
        parts = fiber.split("/") if fiber else []
        fibers = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        return tuple(_label(each, self.open.get(each.rpartition("/")[0])) for each in fibers)

    def _forget_items(self) -> None:
        self._labels = {fiber: labels for fiber, labels in self._labels.items() if labels is not None}

    def _map_of(self, event: Event) -> OpenState | None:
        """The Map whose item an iteration event is about."""
        return self.open.get(event.fiber.rpartition("/")[0])

    # Notes

    def _on_retry(self, state: OpenState, note: Note) -> None:
        self.retries += 1
        state.retries += 1
        error = state.error or note.details.get("error") or "failed"
        self._close_below(state.fiber, note.details.get("error"))
        state.error = self.origin = None
        details = note.details
        state.until = note.at + details["delay_ms"]
        text = f"retry {details['attempt']} of {details['max_attempts']} in {duration(details['delay_ms'])}"
        self._say_note("retry", state, f"{text} · {error}")

    def _on_catch(self, state: OpenState, note: Note) -> None:
        error = state.error or note.details.get("error") or "failed"
        self._close_below(state.fiber, note.details.get("error"))
        state.error = self.origin = None
        state.caught = True
        took = note.at - state.at
        text = f"{duration(took)}, caught" if took else "caught"
        self._say_note("caught", state, f"{text} → {note.details['next']} · {error}")

    def _on_wait(self, state: OpenState, note: Note) -> None:
        state.until = note.details.get("until")

    def _on_log(self, state: OpenState, note: Note) -> None:
        labels = self.labels_of(note.fiber)
        if labels is not None:
            self._say(Line("log", labels, text=clean(note.details["text"].rstrip())))

    def _on_cache(self, state: OpenState, note: Note) -> None:
        from sfnrun.cache.outcome import describe

        self.cache.count(note.details)
        self._say_note("cache", state, describe(note.details))

    def _say_note(self, kind: str, state: OpenState, text: str) -> None:
        labels = self.labels_of(state.fiber)
        if labels is not None:
            self._say(Line(kind, labels, clean(state.name), state.type, clean(text)))


_NOTES: dict[str, Callable[[Story, OpenState, Note], None]] = {
    "retry": Story._on_retry,
    "catch": Story._on_catch,
    "wait": Story._on_wait,
    "log": Story._on_log,
    "cache": Story._on_cache,
}


def _label(fiber: str, container: OpenState | None) -> str:
    index = fiber.rpartition(".")[2]
    return f"[{index}]" if container is not None and container.type == "Map" else index


def _error(details: dict[str, Any]) -> str:
    """An error and the first line of its cause."""
    error, cause = details.get("error"), details.get("cause")
    reason = clean(cause_line(str(cause))) if cause else ""
    return f"{error or 'failed'}: {reason}" if reason else str(error or "failed")


def cause_line(cause: str) -> str:
    """What a cause says in one line: the errorMessage of a Lambda function's error, else the text itself."""
    if cause.startswith("{"):
        try:
            value = loads(cause)
        except ValueError:
            return cause
        if isinstance(value, dict) and isinstance(value.get("errorMessage"), str):
            return str(value["errorMessage"])
    return cause


def _value(payload: Payload) -> Json:
    return payload.value


def _text(value: Payload | str) -> str:
    return value.text if isinstance(value, Payload) else value
