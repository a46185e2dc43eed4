"""Timeline: folds the events and notes of an execution into visits of states; every view of a history is made of it.

AWS records that a state was entered and exited. What is in between has to be inferred: a state that is never exited has
failed, was aborted, or is still running; its error is in an event of its Task, in the cause of ExecutionFailed, or in
the states inside it; and a redrive can continue it. The Timeline infers that once, for the trace, the exports, the
stepper, `explain`, replays and redrives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from sfnrun.history.recording import Recording
from sfnrun.history.visit import NO_VARIABLES, Attempt, Visit, VisitOutcome
from sfnrun.payload import Json, Payload
from sfnrun.record import STATUS_OF, Event, Note, Status

__all__ = ["Timeline", "redrives_in", "timeline_of"]

# The cause of an error that AWS raises itself names the state's StateEntered event.
_NAMED = re.compile(r"\(entered at the event id #(\d+)\)")


def timeline_of(recording: Recording) -> Timeline:
    """Return the Timeline of a whole recording."""
    timeline = Timeline(redrives=redrives_in(recording))
    recording.replay_to(timeline)
    return timeline


def redrives_in(recording: Recording) -> Iterator[Mapping[str, Json]]:
    """Return the recorded orders to redrive the execution."""
    return (line for line in recording.of_kind("answer") if line["answer"] == "Redriven")


class Timeline:
    """A Listener that follows an execution.

    `open` has the visit that each fiber is in, by fiber, and `closed` the visits that the last event or note closed,
    the innermost first. `visits` are all visits in the order of their entries, and `last` the last visit of each fiber;
    both stay empty with `keep` False, for listeners of long executions. `origin` is the visit whose failure ended the
    execution, and `status`, `error`, `cause` are the execution's own. `began` and `now` are the times of its first and
    last event. `redrives` are the recorded orders to redrive it, which no event describes.
    """

    def __init__(self, *, keep: bool = True, redrives: Iterable[Mapping[str, Json]] = ()) -> None:
        self.open: dict[str, Visit] = {}
        self.closed: list[Visit] = []
        self.visits: list[Visit] = []
        self.last: dict[str, Visit] = {}
        self.origin: Visit | None = None
        self.status: Status = "RUNNING"
        self.error: str | None = None
        self.cause: str | None = None
        self.began = self.now = 0
        self._keep = keep
        self._redrives = iter(redrives)
        self._counts: dict[tuple[str, str], int] = {}
        self._variables: dict[str, Mapping[str, Payload]] = {}
        # Visits that a redrive can continue, and those that the last redrive may have continued, with how they ended.
        self._continuable: dict[str, Visit] = {}
        self._continued: dict[str, tuple[VisitOutcome, int | None, str | None, str | None]] = {}

    def __iter__(self) -> Iterator[Visit]:
        return iter(self.visits)

    def visit_in(self, fiber: str) -> Visit | None:
        """Return the last visit of a fiber, or of one around it."""
        while fiber and fiber not in self.last:
            fiber = fiber.rpartition("/")[0]
        return self.last.get(fiber)

    def event(self, event: Event) -> None:
        self.now = event.at
        if self.closed:
            self.closed.clear()
        if self._continued and not event.type.startswith("Execution"):
            self._confirm(event.fiber, entered=event.type.endswith("StateEntered"))
        act = _act_on(event.type)
        if act is not None:
            act(self, event)

    def note(self, note: Note) -> None:
        self.closed.clear()
        visit = self.open.get(note.fiber)
        if visit is None:
            return
        if self._continued:
            self._confirm(note.fiber)
        if self._keep:
            visit.notes.append(note)
        if note.kind == "wait":
            visit.until = note.details.get("until")
        elif note.kind in ("retry", "catch"):
            self._handle_failure(visit, note)

    def _handle_failure(self, visit: Visit, note: Note) -> None:
        """A Retrier or a Catcher of the state matched."""
        error = note.details.get("error")
        self._close_inside(visit.fiber, note.at, error)
        self._complete_errors(visit.fiber, error)
        if visit.outcome != "failed" or visit.error is None:
            visit.fail(error, None)
        attempt = visit.attempts[-1]
        attempt.error = error or attempt.error
        attempt.cause = note.details.get("cause") or attempt.cause
        self.origin = None
        if note.kind == "catch":
            visit.outcome = "caught"
            return
        visit.outcome = "running"
        visit.until = note.at + note.details["delay_ms"]
        attempt.retry = note
        visit.attempts.append(Attempt())

    # --- entry and exit ---

    def _enter(self, event: Event) -> None:
        fiber, name = event.fiber, event.details["name"]
        if self._continued or self._continuable:
            if fiber in self.open:  # the redrive did not continue this visit, but began another one
                self._undo_redrive(fiber)
            self._forget_inside(fiber)
            self._continuable.pop(fiber, None)
        around = self.open.get(fiber.rpartition("/")[0]) if fiber else None
        fork = 0 if around is None else around.forks
        input, at = event.details.get("input"), event.at
        visit = Visit(name, event.type.removesuffix("StateEntered"), fiber, event.id, at, 0, around, fork, input, at)
        self.open[fiber] = visit
        if self._keep:
            visit.number = self._counts[fiber, name] = self._counts.get((fiber, name), 0) + 1
            visit.variables = self._variables_in(fiber)
            self.visits.append(visit)
            self.last[fiber] = visit

    def _variables_in(self, fiber: str) -> Mapping[str, Payload]:
        """Return the variables of a fiber. A parent assigns none while its children run."""
        while fiber and fiber not in self._variables:
            fiber = fiber.rpartition("/")[0]
        return self._variables.get(fiber, NO_VARIABLES)

    def _exit(self, event: Event) -> None:
        visit = self.open.pop(event.fiber, None)
        if visit is None:
            return
        visit.exited, visit.ended, visit.output = event.id, event.at, event.details.get("output")
        if visit.outcome != "caught":
            visit.outcome, visit.error, visit.cause = "succeeded", None, None
        visit.assigned = event.details.get("assignedVariables") or NO_VARIABLES
        if visit.assigned and self._keep:
            self._variables[event.fiber] = {**self._variables_in(event.fiber), **visit.assigned}
        self.closed.append(visit)

    # --- Tasks ---

    def _call(self, event: Event) -> None:
        visit = self.open.get(event.fiber)
        if visit is None:
            return
        visit.until = None
        attempt = visit.attempts[-1]
        if attempt.began is not None:
            attempt = Attempt()
            visit.attempts.append(attempt)
        attempt.began = event.at
        attempt.payload = event.details.get("parameters") or event.details.get("input")

    def _succeed(self, event: Event) -> None:
        visit = self.open.get(event.fiber)
        if visit is not None:
            attempt = visit.attempts[-1]
            attempt.ended, attempt.result = event.at, event.details.get("output")

    def _fail(self, event: Event) -> None:
        visit = self.open.get(event.fiber)
        if visit is None:
            return
        visit.fail(event.details.get("error"), event.details.get("cause"))
        if event.type != "EvaluationFailed":
            visit.attempts[-1].ended = event.at

    # --- Parallel and Map ---

    def _fork(self, event: Event) -> None:
        visit = self.open.get(event.fiber)
        if visit is None:
            return
        self._forget_inside(event.fiber)
        visit.forks += 1
        visit.until = None
        if visit.type == "Map":
            visit.items, visit.done, visit.failed = event.details.get("length", 0), 0, 0

    def _item_succeeded(self, event: Event) -> None:
        around = self.open.get(event.fiber.rpartition("/")[0])
        if around is not None:
            around.done += 1

    def _item_failed(self, event: Event) -> None:
        around, visit = self.open.get(event.fiber.rpartition("/")[0]), self.open.get(event.fiber)
        if around is not None:
            around.failed += 1
        self._close_inside(event.fiber, event.at)
        if visit is not None:
            if visit.outcome != "failed":
                visit.fail(None, None)
            self._close(visit, event.at)

    def _children_failed(self, event: Event) -> None:
        visit = self.open.get(event.fiber)
        self._close_inside(event.fiber, event.at)
        if visit is not None and visit.outcome != "failed":
            visit.fail(None, None)

    def _abort(self, event: Event) -> None:
        """The visit is closed when its Parallel, Map or execution is, so that children are closed before parents."""
        visit = self.open.get(event.fiber)
        if visit is not None:
            visit.ended = event.at

    # --- the execution ---

    def _start(self, event: Event) -> None:
        self.began = event.at

    def _end(self, event: Event) -> None:
        self.status = STATUS_OF[event.type]
        self.error, self.cause = event.details.get("error"), event.details.get("cause")
        has_failed = self.status == "FAILED"
        if has_failed:
            self._blame()
        self._close_inside("", event.at, self.error if has_failed else None)
        if has_failed:
            self._complete_errors("", self.error)
        root = self.open.get("")
        if root is not None:
            if not has_failed:
                root.outcome = "running"
            elif root.outcome != "failed" or root.error is None:
                root.fail(self.error, self.cause)
            self._close(root, event.at)
        self._continued.clear()

    def _blame(self) -> None:
        """Give the error to the state that AWS's cause names."""
        found = _NAMED.search(self.cause or "")
        if found is None:
            return
        for visit in self.visits if self._keep else self.open.values():
            if visit.entered == int(found[1]) and visit.exited is None and visit.error is None:
                visit.fail(self.error, self.cause)

    # --- closing what will not be exited ---

    def _close_inside(self, fiber: str, at: int, error: str | None = None) -> None:
        """Close all visits inside a fiber's state, the innermost first; `error` is what the state failed with."""
        prefix = f"{fiber}/" if fiber else ""
        inside = [path for path in self.open if path != fiber and path.startswith(prefix)]
        for path in sorted(inside, key=lambda path: path.count("/"), reverse=True):
            self._close(self.open[path], at, error)

    def _close(self, visit: Visit, at: int, error: str | None = None) -> None:
        del self.open[visit.fiber]
        self._continuable[visit.fiber] = visit
        self.closed.append(visit)
        if visit.ended is None:
            visit.ended = at
        if visit.type == "Fail" and visit.outcome != "failed":  # no event has its error
            visit.fail(error, None)
        if visit.outcome != "failed":
            visit.outcome, visit.error, visit.cause = "aborted", None, None
            return
        self.origin = self.origin or visit
        around = visit.around
        if around is not None and around.fiber in self.open and around.outcome != "failed":
            around.fail(visit.error, None)

    def _complete_errors(self, fiber: str, error: str | None) -> None:
        """The error of a fiber's state is known now; it is also that of the visits inside which had failed for it."""
        prefix = f"{fiber}/" if fiber else ""
        for path, visit in self._continuable.items():
            if visit.outcome == "failed" and visit.error is None and path != fiber and path.startswith(prefix):
                visit.fail(error, visit.cause)

    # --- redrives ---

    def _redrive(self, event: Event) -> None:
        """Open the visits that the redrive can continue. Whether it does, their next event shows."""
        self.status, self.error, self.cause, self.origin = "RUNNING", None, None, None
        order = next(self._redrives, {})
        if "state" in order:
            self._variables[""] = {name: Payload(value) for name, value in (order.get("variables") or {}).items()}
        for fiber, visit in sorted(self._continuable.items()):
            self._continued[fiber] = (visit.outcome, visit.ended, visit.error, visit.cause)
            visit.outcome, visit.ended, visit.error, visit.cause = "running", None, None, None
            visit.since, visit.until, visit.failed = event.at, None, 0
            visit.attempts[-1].redriven = True
            visit.attempts.append(Attempt())
            self.open[fiber] = visit
        self._continuable.clear()

    def _confirm(self, fiber: str, entered: bool = False) -> None:
        """Something happened in a fiber, so its visit and those around it have been continued."""
        if not entered:
            self._continued.pop(fiber, None)
        while fiber:
            fiber = fiber.rpartition("/")[0]
            self._continued.pop(fiber, None)

    def _undo_redrive(self, fiber: str, itself: bool = True) -> None:
        """Visits in a fiber, or inside its state, were not continued by the last redrive."""
        prefix = f"{fiber}/" if fiber else ""
        for path in list(self._continued):
            if (itself and path == fiber) or (path != fiber and path.startswith(prefix)):
                visit = self.open.pop(path)
                visit.outcome, visit.ended, visit.error, visit.cause = self._continued.pop(path)
                del visit.attempts[-1]
                visit.attempts[-1].redriven = False

    def _forget_inside(self, fiber: str) -> None:
        """A state was entered, or has begun another attempt: nothing can continue what was inside it."""
        if self._continued:
            self._undo_redrive(fiber, itself=False)
        if self._continuable:
            prefix = f"{fiber}/" if fiber else ""
            for path in [path for path in self._continuable if path != fiber and path.startswith(prefix)]:
                del self._continuable[path]


Act = Callable[[Timeline, Event], Any]

_ACTS: dict[str, Act] = {
    "ExecutionStarted": Timeline._start,
    "ExecutionRedriven": Timeline._redrive,
    **dict.fromkeys(STATUS_OF, Timeline._end),
    "MapIterationSucceeded": Timeline._item_succeeded,
    "MapIterationFailed": Timeline._item_failed,
    **dict.fromkeys(("MapStateStarted", "ParallelStateStarted"), Timeline._fork),
    **dict.fromkeys(("MapStateFailed", "ParallelStateFailed"), Timeline._children_failed),
}
_ACTS_BY_ENDING: dict[str, Act] = {
    "StateEntered": Timeline._enter,
    "StateExited": Timeline._exit,
    "StateAborted": Timeline._abort,
    "Scheduled": Timeline._call,
    "Failed": Timeline._fail,
    "TimedOut": Timeline._fail,
}


@cache
def _act_on(type: str) -> Act | None:
    if type in _ACTS:
        return _ACTS[type]
    if type in ("TaskSucceeded", "LambdaFunctionSucceeded", "ActivitySucceeded"):
        return Timeline._succeed
    return next((act for ending, act in _ACTS_BY_ENDING.items() if type.endswith(ending)), None)
