"""Index of the events of an execution that AWS ran: as it is run again, each event finds its recorded one.

AWS runs branches and items at once, so its events are interleaved, and no event names its branch. But each event points
to the one before it in its branch: the event after event 7 is the one that points to 7. Where an event joins several
branches, AWS may have had another one as the last; there the type and the branches around it decide.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sfnrun.errors import DivergenceError
from sfnrun.history.timeline import Timeline
from sfnrun.payload import Json
from sfnrun.record import STATUS_OF, Event
from sfnrun.replayer.matching import adopt_recorded, describe_event, describe_value, divergence

__all__ = ["AwsEventIndex"]

# What must be equal before anything else is compared: type, name of the state or iteration, index.
Identity = tuple[str, Json, Json]

# Failures that AWS distinguishes by how far the Task had come. They mean the same to the state.
_SAME_FAILURE = {
    **{f"Task{end}": "TaskFailed" for end in ("StartFailed", "SubmitFailed")},
    **{f"LambdaFunction{end}": "LambdaFunctionFailed" for end in ("ScheduleFailed", "StartFailed")},
    "ActivityScheduleFailed": "ActivityFailed",
}

# Events that may point to another event on AWS: to the branch that was the last there, or that failed first.
_JOINS = frozenset({
    *(f"MapState{end}" for end in ("Started", "Succeeded", "Failed", "Aborted", "Exited")),
    *(f"ParallelState{end}" for end in ("Started", "Succeeded", "Failed", "Aborted", "Exited")),
    *(f"MapIteration{end}" for end in ("Started", "Succeeded", "Failed", "Aborted")),
    *("TaskStateAborted", "WaitStateAborted", "EvaluationFailed"),
})  # fmt: skip
_FROM_OUTSIDE = frozenset({"ExecutionAborted", "ExecutionTimedOut"})
_REDRIVEN = "ExecutionRedriven"

# Events about a fiber that are not part of its own chain of previousEventId.
_NOT_IN_CHAIN = ("Aborted", "IterationFailed")

# The most events that follow a failure in its own branch: an iteration's, and those of states that are aborted.
_RECENT = 4


class AwsEventIndex:
    """The recorded events, and which of them have happened again; the engine's ForeignHistory.

    `events` are the recorded ones; with `fibers_known` each has its fiber, as in a history of sfnrun. `happened` has
    for each the event as it happened again, with its fiber and all payloads, else None. The states in
    `nondeterministic` make values that cannot be computed again. Of a redriven execution only the attempts that have
    begun are known: a Wait that is continued after a redrive points to its entry again. `began` is the first event of
    the current attempt, and `last` the event of each fiber that its next one points to.
    `match` raises DivergenceError for an event that was not recorded, or that differs.
    """

    def __init__(
        self,
        events: Iterable[Event],
        nondeterministic: frozenset[str] = frozenset(),
        *,
        fibers_known: bool = False,
    ) -> None:
        self.events = list(events)
        self.happened: list[Event | None] = [None] * len(self.events)
        self.last: dict[str, int] = {}
        self.began: Event
        self._attempts = deque(_attempts(self.events))
        self._last_begun = 0
        self._fibers_known = fibers_known
        self._nondeterministic = nondeterministic
        self._timeline = Timeline()
        self._exact: dict[tuple[Identity, int], list[Event]] = defaultdict(list)
        self._alike: dict[Identity, list[Event]] = defaultdict(list)
        self._after: dict[int, list[Event]] = defaultdict(list)
        self._recent: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._matched = 0
        self._begin_attempt()

    def _begin_attempt(self) -> None:
        if not self._attempts:
            return
        attempt = self._attempts.popleft()
        self.began = attempt[0]
        for event in attempt:
            identity = _identity(_SAME_FAILURE.get(event.type, event.type), event.details)
            self._exact[identity, event.previous].append(event)
            self._alike[identity].append(event)
            self._after[event.previous].append(event)
            self._last_begun = event.id

    def match(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> tuple[int, int]:
        """Return the recorded id and time of an event; payloads in `details` become the recorded ones."""
        if type == _REDRIVEN:
            self._begin_attempt()
        recorded = self._find(type, previous, fiber, details)
        if recorded is None:
            raise self._not_found(type, previous, fiber, details)
        if type in STATUS_OF and self._matched < recorded.id - 1:
            raise self._different(next(self.rest()), fiber, type, details)
        maker = self._state_of(fiber)
        if type.endswith("StateEntered"):
            # The first state of a branch or item gets what the state around it made.
            first = previous == 0 or self.events[previous - 1].type in ("ParallelStateStarted", "MapIterationStarted")
            maker = self._state_of(fiber.rpartition("/")[0]) if first else details["name"]
        name = adopt_recorded(details, recorded.details, maker in self._nondeterministic)
        event = Event(recorded.id, recorded.previous, recorded.at, type, fiber, details)
        self._timeline.event(event)
        if name is not None:
            sides = describe_value(recorded.details.get(name)), describe_value(details.get(name))
            raise divergence(f"{name} of {type} differs", self._state_of(fiber), *sides)
        self.happened[recorded.id - 1] = event
        self._matched += 1
        if not type.endswith(_NOT_IN_CHAIN):
            self.last[fiber] = recorded.id
        if type == _REDRIVEN:  # states that were not left continue from their entry
            entered = {path: visit.entered for path, visit in self._timeline.last.items() if visit.exited is None}
            self.last.update(entered)
        self._recent[fiber].append(recorded.id)
        return recorded.id, recorded.at

    def after(self, id: int) -> Iterator[Event]:
        """Return the events that point to this one and have not happened again."""
        return (event for event in self._after[id] if not self.has_happened(event))

    def entries_of(self, fiber: str, type: str, name: str) -> Iterator[Event]:
        """Yield entries of a state that follow the last event of the fiber, or begin it."""
        last = self.last.get(fiber, self.last.get(fiber.rpartition("/")[0], 0))
        for previous in (last, 0) if not fiber else (last,):
            yield from self._free(self._exact[(f"{type}StateEntered", name, None), previous], fiber)

    def after_failure(self, fiber: str) -> Iterator[Event]:
        """Yield the events that a failure inside a fiber led to: they point to what failed, in any branch.

        An EvaluationFailed points to the event before the state's entry.
        """
        visit = self._timeline.last.get(fiber)
        if visit is not None and visit.exited is None:
            for event in self.after(self.events[visit.entered - 1].previous):
                if event.type == "EvaluationFailed" and event.details.get("state") == visit.name:
                    yield event
        prefix = f"{fiber}/" if fiber else ""
        for path, recent in self._recent.items():
            if path == fiber or path.startswith(prefix):
                for id in recent:
                    yield from self.after(id)

    def is_in(self, fiber: str, state: str) -> bool:
        """Return whether a fiber has entered a state and not left it; if the state is to run then, it is redriven."""
        visit = self._timeline.last.get(fiber)
        return visit is not None and visit.exited is None and visit.name == state

    def has_happened(self, event: Event) -> bool:
        """Return whether a recorded event has happened again."""
        return self.happened[event.id - 1] is not None

    def rest(self) -> Iterator[Event]:
        """Return the events that have not happened again, of the attempts that have begun."""
        return (event for event in self.events[: self._last_begun] if not self.has_happened(event))

    @property
    def stopped(self) -> Event | None:
        """The event that ended this attempt from outside, if one did."""
        last = self.events[self._last_begun - 1]
        return last if last.type in _FROM_OUTSIDE else None

    @property
    def redriven(self) -> Event | None:
        """The first event of the next attempt, if there is one."""
        return self._attempts[0][0] if self._attempts else None

    def end(self) -> None:
        """The execution is over. Raises DivergenceError if recorded events are left."""
        left = next((event for event in self.events if not self.has_happened(event)), None)
        if left is not None:
            what = f"recorded event {left.id} is missing from the replay"
            recorded, now = describe_event(left.type, left.details), "waiting for a result that is not in the recording"
            raise divergence(what, self._state_of(left.fiber), recorded, now)

    # --- finding ---

    def _find(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> Event | None:
        identity = _identity(type, details)
        exact = next(self._free(self._exact[identity, previous], fiber), None)
        if exact is not None or not (type in STATUS_OF or type in _JOINS):
            return exact
        alike = self._free(self._alike[identity], fiber)
        near = [event for event in alike if type in STATUS_OF or self._is_near(event, fiber)]
        return next((event for event in near if self._comes_from(event, fiber)), near[0] if near else None)

    def _free(self, events: Iterable[Event], fiber: str) -> Iterator[Event]:
        """Return those of the events that have not happened again, and not in another fiber."""
        known = self._fibers_known
        return (event for event in events if not self.has_happened(event) and (not known or event.fiber == fiber))

    def _is_near(self, event: Event, fiber: str) -> bool:
        """Return whether an event comes from the fiber, or from a branch next to it."""
        if self._fibers_known or event.previous == 0:
            return not self._fibers_known or event.fiber == fiber
        # An item can start in the slot of another item than here, so only it may point to an event to come.
        if self.happened[event.previous - 1] is None and event.type != "MapIterationStarted":
            return False
        return self._comes_from(event, fiber.rpartition("/")[0])

    def _comes_from(self, event: Event, fiber: str) -> bool:
        """Return whether the last event before this one in its chain that happened was in or below the fiber."""
        happened = None
        while event.previous and happened is None:
            event = self.events[event.previous - 1]
            happened = self.happened[event.id - 1]
        came_from = None if happened is None else happened.fiber
        return not fiber or f"{came_from}/".startswith(f"{fiber}/")

    # --- differences ---

    def _not_found(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> DivergenceError:
        waiting = list(self._free(self.rest(), fiber))
        recorded = next((event for event in waiting if event.previous == previous), waiting[0] if waiting else None)
        return self._different(recorded, fiber, type, details)

    def _different(self, recorded: Event | None, fiber: str, type: str, details: dict[str, Any]) -> DivergenceError:
        state, now = self._state_of(fiber), describe_event(type, details)
        if recorded is None:
            return divergence("the recording has no more events", state, "the end", now)
        text = f"{describe_event(recorded.type, recorded.details)}, event {recorded.id}"
        return divergence("different event", state, text, now)

    def _state_of(self, fiber: str) -> str | None:
        visit = self._timeline.last.get(fiber)
        return None if visit is None else visit.name


def _identity(type: str, details: Mapping[str, Any]) -> Identity:
    return type, details.get("name") or details.get("state"), details.get("index")


def _attempts(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Yield the events before the first redrive, then those from each redrive on."""
    attempt: list[Event] = []
    for event in events:
        if event.type == _REDRIVEN:
            yield attempt
            attempt = []
        attempt.append(event)
    yield attempt
