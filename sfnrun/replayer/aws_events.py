"""An execution that another interpreter ran, to be run again beside its events: each finds its own as it happens.

AWS runs branches and items at once, so its events are interleaved as they were, and no event says in which branch it
happened. But each points to the one before it in its branch: what happens now after the event 7 is the event that
points to 7. Where an event joins several branches AWS may have had another last one; there the type and the branches
around it decide.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from sfnrun.errors import DivergenceError
from sfnrun.history.file import ENDS, Recording
from sfnrun.payload import Json, Payload
from sfnrun.replayer.matching import settled

__all__ = ["Entry", "Ledger", "entries"]


class Entry(msgspec.Struct, eq=False):
    """A recorded event. `details` are AWS's, payloads as JSON text; `fiber` is None until the event has happened again.

    `original` is the event as AWS has it, `known` the fiber if the recording tells it. `happened` are the details with
    which it happened again, payloads as Payloads: there too where AWS left them out.
    """

    id: int
    previous: int
    at: int
    type: str
    details: Mapping[str, Json]
    original: Mapping[str, Json] | None = None
    known: str | None = None
    fiber: str | None = None
    happened: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def mark(self) -> tuple[str, Json, Json]:
        """Its type, and the state's or iteration's name and index: what must be equal before anything is compared."""
        return _mark(ALIKE.get(self.type, self.type), self.details)


def _mark(type: str, details: Mapping[str, Any]) -> tuple[str, Json, Json]:
    return type, details.get("name") or details.get("state"), details.get("index")


# Failures that the service tells apart by how far the task had come; they mean the same to the state.
ALIKE = {
    **{f"Task{end}": "TaskFailed" for end in ("StartFailed", "SubmitFailed")},
    **{f"LambdaFunction{end}": "LambdaFunctionFailed" for end in ("ScheduleFailed", "StartFailed")},
    "ActivityScheduleFailed": "ActivityFailed",
}

# Events that may point elsewhere than ours do: to whichever of several branches was the last, or failed first.
_JOINS = frozenset({
    *(f"MapState{end}" for end in ("Started", "Succeeded", "Failed", "Aborted", "Exited")),
    *(f"ParallelState{end}" for end in ("Started", "Succeeded", "Failed", "Aborted", "Exited")),
    *(f"MapIteration{end}" for end in ("Started", "Succeeded", "Failed", "Aborted")),
    *("TaskStateAborted", "WaitStateAborted", "EvaluationFailed"),
})  # fmt: skip
_FROM_OUTSIDE = frozenset({"ExecutionAborted", "ExecutionTimedOut"})
_REDRIVEN = "ExecutionRedriven"

# What is told of a fiber when it will not go on; nothing that it does itself points to these.
_LAST_WORDS = ("Aborted", "IterationFailed")

_OF_THE_LINE = frozenset({"event", "at", "previous", "fiber", "aws"})
_SHOWN = 2000

# So many events may follow a failure in its own branch: an iteration's, and those of states that are aborted.
RECENT = 4


def entries(recording: Recording) -> Iterator[Entry]:
    """The events of one of our histories, which knows in which branch each happened."""
    began: int = recording.start["start_time"]
    for id, line in enumerate(recording.of_kind("event"), 1):
        details = {name: value for name, value in line.items() if name not in _OF_THE_LINE}
        yield Entry(id, line["previous"], began + line["at"], line["event"], details, known=line.get("fiber", ""))


class Ledger:
    """Recorded events, and how far they have happened again. `by_chance` names the states that use chance.

    Of an execution that was redriven only the attempts are known that have begun: a Wait that was aborted and goes on
    after the redrive points to its entry then, too. `began` is the first event of the one that goes on, `last` the one
    of each fiber that its next one points to.
    Raises DivergenceError for an event that was not recorded there, or was another.
    """

    def __init__(self, entries: Iterable[Entry], by_chance: frozenset[str] = frozenset()) -> None:
        self.entries = list(entries)
        self._attempts = deque(_attempts(self.entries))
        self._begun = 0
        self._by_chance = by_chance
        self._exact: dict[tuple[tuple[str, Json, Json], int], list[Entry]] = defaultdict(list)
        self._marked: dict[tuple[str, Json, Json], list[Entry]] = defaultdict(list)
        self._after: dict[int, list[Entry]] = defaultdict(list)
        self._state: dict[str, str] = {}
        self._entered: dict[str, Entry] = {}
        self._booked = 0
        self.last: dict[str, int] = {}
        self._recent: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=RECENT))
        self._begin_attempt()

    def _begin_attempt(self) -> None:
        if not self._attempts:
            return
        attempt = self._attempts.popleft()
        self.began = attempt[0]
        for entry in attempt:
            self._exact[entry.mark, entry.previous].append(entry)
            self._marked[entry.mark].append(entry)
            self._after[entry.previous].append(entry)
            self._begun = entry.id

    def match(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> tuple[int, int]:
        """The id and the time of an event that happens now; payloads in `details` become what they were there."""
        if type == _REDRIVEN:
            self._begin_attempt()
        entry = self._found(type, previous, fiber, details)
        if entry is None:
            raise self._divergence(type, previous, fiber, details)
        if type in ENDS and self._booked < entry.id - 1:
            raise self._another(next(self.rest()), fiber, type, details)
        if type.endswith("StateEntered"):
            # The first state of a branch or item is given what the state around it made.
            first = previous == 0 or self.entries[previous - 1].type in ("ParallelStateStarted", "MapIterationStarted")
            maker = self._state.get(fiber.rpartition("/")[0]) if first else details["name"]
            self._state[fiber] = details["name"]
            self._entered[fiber] = entry
        else:
            maker = self._state.get(fiber)
            if type.endswith("StateExited"):
                self._entered.pop(fiber, None)
        self._settle(entry, type, fiber, details, maker in self._by_chance)
        entry.fiber, entry.happened = fiber, details
        self._booked += 1
        if not type.endswith(_LAST_WORDS):
            self.last[fiber] = entry.id
        if type == _REDRIVEN:  # states that were not left go on from their entry
            self.last.update({inside: entered.id for inside, entered in self._entered.items()})
        self._recent[fiber].append(entry.id)
        return entry.id, entry.at

    def after(self, id: int) -> Iterator[Entry]:
        """The events that point to this one and have not happened again."""
        return (entry for entry in self._after[id] if entry.fiber is None)

    def entries_of(self, fiber: str, type: str, name: str) -> Iterator[Entry]:
        """Entries of a state that follow the last event of the fiber, or begin it."""
        last = self.last.get(fiber, self.last.get(fiber.rpartition("/")[0], 0))
        for previous in (last, 0) if not fiber else (last,):
            yield from _free(self._exact[(f"{type}StateEntered", name, None), previous], fiber)

    def after_failure(self, fiber: str) -> Iterator[Entry]:
        """What came of a failure inside a fiber: it points to what failed, in whatever branch that was.

        An evaluation that failed points to what was before the state's entry.
        """
        entered = self._entered.get(fiber)
        if entered is not None:
            for entry in self.after(entered.previous):
                if entry.type == "EvaluationFailed" and entry.details.get("state") == entered.details["name"]:
                    yield entry
        prefix = f"{fiber}/" if fiber else ""
        for path, recent in self._recent.items():
            if path == fiber or path.startswith(prefix):
                for id in recent:
                    yield from self.after(id)

    def is_in(self, fiber: str, state: str) -> bool:
        """Whether a fiber has entered a state and not left it; one that is to run it then is redriven."""
        entered = self._entered.get(fiber)
        return entered is not None and entered.details["name"] == state

    def rest(self) -> Iterator[Entry]:
        """The events that have not happened again, of the attempts that have begun."""
        return (entry for entry in self.entries[: self._begun] if entry.fiber is None)

    @property
    def stopped(self) -> Entry | None:
        """The event with which this attempt was ended from outside, if it was."""
        last = self.entries[self._begun - 1]
        return last if last.type in _FROM_OUTSIDE else None

    @property
    def redriven(self) -> Entry | None:
        """The event with which the next attempt begins, if there is one."""
        return self._attempts[0][0] if self._attempts else None

    def end(self) -> None:
        """Nothing more will happen. Raises DivergenceError if something was recorded that has not."""
        left = next((entry for entry in self.entries if entry.fiber is None), None)
        if left is not None:
            state = self._state.get(left.known or "")
            raise DivergenceError(
                f"{self._where(left.known or '')}The recorded event {left.id} does not happen now.",
                state=state,
                recorded=_told(left.type, left.details),
                now="waiting for an answer that the recording does not have",
            )

    # --- finding ---

    def _found(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> Entry | None:
        mark = _mark(type, details)
        exact = next(_free(self._exact[mark, previous], fiber), None)
        if exact is not None or not (type in ENDS or type in _JOINS):
            return exact
        near = [entry for entry in _free(self._marked[mark], fiber) if type in ENDS or self._is_near(entry, fiber)]
        return next((entry for entry in near if self._comes_from(entry, fiber)), near[0] if near else None)

    def _is_near(self, entry: Entry, fiber: str) -> bool:
        """Whether an event comes out of the fiber, or out of the branches beside it."""
        if entry.known is not None or entry.previous == 0:
            return entry.known in (None, fiber)
        # Only the place of an item may not have been left here by the one that left it there.
        if self.entries[entry.previous - 1].fiber is None and entry.type != "MapIterationStarted":
            return False
        return self._comes_from(entry, fiber.rpartition("/")[0])

    def _comes_from(self, entry: Entry, fiber: str) -> bool:
        """Whether what an event points to, or the last before it that has happened, did so in or below the fiber."""
        came = entry
        while came.previous and (came is entry or came.fiber is None):
            came = self.entries[came.previous - 1]
        return not fiber or f"{came.fiber}/".startswith(f"{fiber}/")

    # --- comparing ---

    def _settle(self, entry: Entry, type: str, fiber: str, details: dict[str, Any], by_chance: bool) -> None:
        name = settled(details, entry.details, by_chance)
        if name is not None:
            message = self._where(fiber) + f"The {name} of {type} is another now."
            recorded, now = _shown(entry.details.get(name)), _shown(details.get(name))
            raise DivergenceError(message, state=self._state.get(fiber), recorded=recorded, now=now)

    def _divergence(self, type: str, previous: int, fiber: str, details: dict[str, Any]) -> DivergenceError:
        waiting = list(_free(self.rest(), fiber))
        entry = next((entry for entry in waiting if entry.previous == previous), waiting[0] if waiting else None)
        return self._another(entry, fiber, type, details)

    def _another(self, entry: Entry | None, fiber: str, type: str, details: dict[str, Any]) -> DivergenceError:
        now = _told(type, details)
        what = "Another event happens now."
        if entry is None:
            recorded, what = "nothing more", "The recording ends here, and the replay goes on."
        else:
            recorded = f"{_told(entry.type, entry.details)}, the event {entry.id}"
        return DivergenceError(self._where(fiber) + what, state=self._state.get(fiber), recorded=recorded, now=now)

    def _where(self, fiber: str) -> str:
        state = self._state.get(fiber)
        return f"In state '{state}': " if state else ""


def _attempts(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The events before the first redrive, then those from each on."""
    attempt: list[Entry] = []
    for entry in entries:
        if entry.type == _REDRIVEN:
            yield attempt
            attempt = []
        attempt.append(entry)
    yield attempt


def _free(entries: Iterable[Entry], fiber: str) -> Iterator[Entry]:
    """Those that have not happened again, and did not happen in another branch."""
    return (entry for entry in entries if entry.fiber is None and entry.known in (None, fiber))


def _told(type: str, details: Mapping[str, Any]) -> str:
    name = details.get("name")
    return f"{type} of {name}" if name else type


def _shown(value: Any) -> str:
    if isinstance(value, Payload):
        value = value.text
    if isinstance(value, Mapping):
        value = ", ".join(f"{name} = {_shown(member)}" for name, member in value.items())
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
