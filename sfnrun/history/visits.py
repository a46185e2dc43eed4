"""States as they were visited: when each was entered and left, how often it was tried, and what came of it.

Events say that a state was entered and exited; one that is never exited failed, was aborted, or is still running. What
exports, pictures and questions about a state need is made here once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct, field

from sfnrun.history.file import Recording
from sfnrun.history.retold import retell
from sfnrun.payload import Payload
from sfnrun.record import Event, Note

__all__ = ["Attempt", "Visit", "Visits", "visits_of"]

Outcome = Literal["succeeded", "caught", "failed", "aborted", "running"]

_NAMED = re.compile(r"\(entered at the event id #(\d+)\)")
_FAILURES = ("Failed", "TimedOut")


class Attempt(Struct):
    """One time that a Task was asked: times in milliseconds since 1970, `error` None if it succeeded or goes on."""

    began: int
    ended: int | None = None
    error: str | None = None
    cause: str | None = None


class Visit(Struct):
    """One visit of a state. `entered` and `exited` are ids of events, `began` and `ended` milliseconds since 1970.

    `number` counts the visits of this state in this fiber from 1. `attempts` are those of a Task; `retries` counts for
    Parallel and Map too. `item` is the index of the Map item or branch that it is in.
    """

    name: str
    type: str
    fiber: str
    entered: int
    began: int
    number: int
    input: Payload | None = None
    output: Payload | None = None
    exited: int | None = None
    ended: int | None = None
    outcome: Outcome = "running"
    error: str | None = None
    cause: str | None = None
    retries: int = 0
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def item(self) -> int | None:
        return int(self.fiber.rpartition(".")[2]) if self.fiber else None

    @property
    def took(self) -> int:
        return 0 if self.ended is None else self.ended - self.began


def visits_of(recording: Recording) -> Visits:
    """All visits of a recording, in the order in which the states were entered."""
    visits = Visits()
    retell(recording, visits)
    return visits


class Visits:
    """A Listener that keeps the visits. `status`, `error`, `began` and `ended` are the execution's own."""

    def __init__(self) -> None:
        self.all: list[Visit] = []
        self.open: dict[str, Visit] = {}
        self.began = self.ended = 0
        self.status = "RUNNING"
        self.error: str | None = None
        self.cause: str | None = None
        self._counts: dict[tuple[str, str], int] = {}
        self._left: dict[str, Visit] = {}  # by an execution that ended, for a redrive to go on with
        self._caught: set[str] = set()

    def __iter__(self) -> Iterator[Visit]:
        return iter(self.all)

    def event(self, event: Event) -> None:
        self.ended = event.at
        type = event.type
        if type.endswith("StateEntered"):
            self._enter(event)
        elif type.endswith("StateExited"):
            self._exit(event)
        elif type.startswith("Execution"):
            self._execution(event)
        elif type.endswith("Scheduled"):
            self._state(event).attempts.append(Attempt(event.at))
        elif type.endswith("Succeeded") and not type.startswith(("Map", "Parallel")):
            self._state(event).attempts[-1].ended = event.at
        elif type.endswith(_FAILURES) and not type.startswith(("Map", "Parallel")):
            self._fail(event)
        elif type == "MapIterationFailed":
            self._close(event.fiber, event.at, failed=True)
        elif type.endswith("StateAborted"):
            self._close(event.fiber, event.at, failed=False)

    def note(self, note: Note) -> None:
        visit = self.open.get(note.fiber)
        if note.kind == "retry" and visit is not None:
            visit.retries += 1
            self._close_below(note.fiber, note.at, note.details.get("error"))
            visit.error = visit.cause = None
        elif note.kind == "catch" and visit is not None:
            self._caught.add(note.fiber)
            visit.error = visit.error or note.details.get("error")
            self._close_below(note.fiber, note.at, note.details.get("error"))

    def _state(self, event: Event) -> Visit:
        if event.fiber not in self.open:
            self._go_on(event.fiber)
        return self.open[event.fiber]

    def _go_on(self, fiber: str) -> None:
        """A redrive goes on with the state that a fiber was in, and with those around it."""
        for path in [fiber, *_around(fiber)]:
            if path not in self.open and path in self._left:
                visit = self.open[path] = self._left.pop(path)
                visit.outcome, visit.ended, visit.error, visit.cause = "running", None, None, None

    def _enter(self, event: Event) -> None:
        self._left.pop(event.fiber, None)
        for fiber in _around(event.fiber):
            self._go_on(fiber)
        name = event.details["name"]
        number = self._counts[event.fiber, name] = self._counts.get((event.fiber, name), 0) + 1
        type = event.type.removesuffix("StateEntered")
        visit = Visit(name, type, event.fiber, event.id, event.at, number, event.details.get("input"))
        self.open[event.fiber] = visit
        self.all.append(visit)

    def _exit(self, event: Event) -> None:
        visit = self._state(event)
        del self.open[event.fiber]
        visit.exited, visit.ended, visit.output = event.id, event.at, event.details.get("output")
        visit.outcome = "caught" if event.fiber in self._caught else "succeeded"
        self._caught.discard(event.fiber)

    def _fail(self, event: Event) -> None:
        visit = self.open.get(event.fiber)
        if visit is None:
            return
        visit.error, visit.cause = event.details.get("error"), event.details.get("cause")
        if visit.attempts and event.type != "EvaluationFailed":
            last = visit.attempts[-1]
            last.ended, last.error, last.cause = event.at, visit.error, visit.cause

    def _close(self, fiber: str, at: int, *, failed: bool) -> None:
        """The state that a fiber is in will not be exited."""
        visit = self.open.pop(fiber, None)
        if visit is not None:
            self._left[fiber] = visit
            visit.ended = at
            visit.outcome = "failed" if failed or visit.error or visit.type == "Fail" else "aborted"

    def _close_below(self, fiber: str, at: int, error: str | None) -> None:
        prefix = f"{fiber}/" if fiber else ""
        for path in [path for path in self.open if path != fiber and path.startswith(prefix)]:
            visit = self.open[path]
            if visit.type == "Fail":
                visit.error = visit.error or error
            self._close(path, at, failed=False)

    def _execution(self, event: Event) -> None:
        if event.type == "ExecutionStarted":
            self.began = event.at
            return
        if event.type == "ExecutionRedriven":
            self.status, self.error, self.cause = "RUNNING", None, None
            return
        self.status = event.type.removeprefix("Execution").replace("TimedOut", "TIMED_OUT").upper()
        self.error, self.cause = event.details.get("error"), event.details.get("cause")
        if event.type == "ExecutionFailed":
            self._blame(event.details)
        for fiber in list(self.open):
            self._close(fiber, event.at, failed=event.type == "ExecutionFailed" and fiber == "")

    def _blame(self, details: dict[str, Any]) -> None:
        """Give the error to the state that AWS's cause names, if no event did; else to the root's."""
        found = _NAMED.search(str(details.get("cause") or ""))
        for visit in self.all:
            if found and visit.entered == int(found[1]):
                visit.error, visit.cause, visit.outcome = details.get("error"), details.get("cause"), "failed"
        root = self.open.get("")
        if root is not None and root.error is None:
            root.error, root.cause = details.get("error"), details.get("cause")


def _around(fiber: str) -> list[str]:
    """The fibers around a fiber, the innermost first."""
    parts = fiber.split("/") if fiber else []
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, -1, -1)]
