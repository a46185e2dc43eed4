"""What happened: an Event is one of AWS's history events, a Note something that AWS has no event for.

Events carry AWS's ids and details; `project` only dresses them up. Notes (a retry's delay, when a Wait
will end, a line that a handler printed, a cache outcome) are for people and take no id.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from sfnrun.effects import Answered

__all__ = ["Event", "Journal", "Listener", "Note"]


class Event(Struct, frozen=True):
    """One history event. `at` is in milliseconds since 1970.

    `fiber` is the path of the branch or item it happened in: "" for the execution itself, "1.0" for child 0 of the
    first Parallel or Map that the root fiber entered, "1.0/2.7" for child 7 of the second one inside that, and so on.
    `details` are the members of AWS's details object; payloads (input, output, parameters) are Payload objects.
    """

    id: int
    previous: int
    at: int
    type: str
    fiber: str
    details: dict[str, Any]


class Note(Struct, frozen=True):
    """Something worth telling that AWS has no event for; `state` is the state it happened in.

    kinds: "retry" {error, attempt, max_attempts, delay_ms, retrier}, "catch" {error, catcher, next},
    "wait" {until}, "log" {text} (a line that a handler printed), "cache" {outcome, ...}.
    """

    kind: str
    at: int
    fiber: str
    state: str
    details: dict[str, Any]


class Listener(Protocol):
    """Hears of everything as it happens: the live trace, a JSON-lines printer, a test."""

    def event(self, event: Event) -> None: ...

    def note(self, note: Note) -> None: ...


class Journal(Protocol):
    """Records what happens, in order; all of it is on disk when `flush` returns."""

    def event(self, event: Event) -> None: ...

    def note(self, note: Note) -> None: ...

    def answer(self, answered: Answered) -> None: ...

    def flush(self) -> None: ...
