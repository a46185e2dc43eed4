"""Records of a visit of a state and of its attempts, as the Timeline infers them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct, field

from sfnrun.payload import Payload
from sfnrun.record import Note

__all__ = ["NO_VARIABLES", "Attempt", "Visit", "VisitOutcome"]

VisitOutcome = Literal["succeeded", "caught", "failed", "aborted", "running"]

NO_VARIABLES: Mapping[str, Payload] = MappingProxyType({})


class Attempt(Struct):
    """One attempt of a visit. Times are in milliseconds since the Unix epoch.

    `payload` is that of the Task and `began` the time of its call; both are None if the attempt called nothing.
    `error` is None if the attempt succeeded or still runs. `retry` is the note of the retry that followed. `redriven`
    means that the execution ended during the attempt, and that a redrive began the next one.
    """

    began: int | None = None
    ended: int | None = None
    payload: Payload | None = None
    result: Payload | None = None
    error: str | None = None
    cause: str | None = None
    retry: Note | None = None
    redriven: bool = False


class Visit(Struct, eq=False):
    """One visit of a state. `entered` and `exited` are ids of events, times are milliseconds since the Unix epoch.

    `number` counts the visits of this state in this fiber, from 1. `around` is the visit of the Parallel or Map that
    the fiber belongs to, and `fork` which of its attempts started the fiber. `variables` are those at the entry,
    `assigned` those that the state assigned. `since` is `began`, or the time of the last redrive. `until` is when a
    Wait or the delay of a retry ends. `forks` counts the attempts of a Parallel or Map; `items`, `done` and `failed`
    count the items of a Map. An open visit is "failed" while nothing has retried or caught its error.
    """

    name: str
    type: str
    fiber: str
    entered: int
    began: int
    number: int
    around: Visit | None = None
    fork: int = 0
    input: Payload | None = None
    since: int = 0
    variables: Mapping[str, Payload] = NO_VARIABLES
    output: Payload | None = None
    assigned: Mapping[str, Payload] = NO_VARIABLES
    exited: int | None = None
    ended: int | None = None
    outcome: VisitOutcome = "running"
    error: str | None = None
    cause: str | None = None
    until: int | None = None
    forks: int = 0
    items: int | None = None
    done: int = 0
    failed: int = 0
    _attempts: list[Attempt] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def item(self) -> int | None:
        """Index of the Map item or branch that the visit is in."""
        return int(self.fiber.rpartition(".")[2]) if self.fiber else None

    @property
    def took(self) -> int:
        """Milliseconds from the entry to the end; 0 while open."""
        return 0 if self.ended is None else self.ended - self.began

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts in their order, at least one."""
        if not self._attempts:  # most visits have nothing to say about it, so the record is made on demand
            self._attempts.append(Attempt())
        return self._attempts

    @property
    def retries(self) -> int:
        """How often the state was retried."""
        return sum(attempt.retry is not None for attempt in self._attempts)

    @property
    def calls(self) -> list[Attempt]:
        """The attempts that called a Task."""
        return [attempt for attempt in self._attempts if attempt.began is not None]

    def fail(self, error: str | None, cause: str | None) -> None:
        """The attempt has failed, and so has the state, unless a Retrier or a Catcher handles it."""
        self.outcome, self.error, self.cause = "failed", error, cause
        attempt = self.attempts[-1]
        attempt.error, attempt.cause = error, cause
