"""Explains one visit of a state: the execution happens again with that state's expressions watched.

The engine knows nothing of it: the machine that is replayed has watched expressions in the place of the state's own, so
that looking costs nothing where nobody looks.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import islice

from sfnrun.api.again import happen_again
from sfnrun.api.recorded import machines_of
from sfnrun.asl.model import Machine, State, every_state
from sfnrun.asl.text.source import from_text
from sfnrun.errors import UsageError
from sfnrun.explain.observe import Observer, watched
from sfnrun.explain.reasons import reasons_of
from sfnrun.explain.rules import describer
from sfnrun.explain.stages import stages_of
from sfnrun.history.account import Account
from sfnrun.history.file import Recording
from sfnrun.history.retold import events
from sfnrun.history.visits import Visit, visits_of
from sfnrun.payload import Json

__all__ = ["explain"]


def explain(
    recording: Recording, state: str, *, visit: int | None = None, attempt: int | None = None, item: str | None = None
) -> Account:
    """What happened in a visit of a state, and why.

    `visit` counts those of the state from 1, in all branches and items; `item` is the index of the Map item or branch
    that it is in ("3", or "3/0" for one inside another). Left out, the visit that went worst is told, else the last.
    `attempt` counts from 1 and is the last if it is left out. Raises UsageError for what there is not.
    """
    machines = machines_of(recording)
    all_visits = [each for each in visits_of(recording) if each.name == state]
    if not all_visits:
        _state(every_state(machines[-1].graph), state)
    chosen = _chosen(all_visits, state, visit, item)
    begun = sum(event.type == "ExecutionRedriven" for event in islice(events(recording), chosen.entered))
    found, own = _found(machines[begun], state)
    observer = Observer(state, describer(found, own))
    happen_again(recording, [watched(machine, observer) for machine in machines], observer)
    seen = observer.visits[chosen.entered]
    number = len(seen.attempts) if attempt is None else attempt
    if not 1 <= number <= len(seen.attempts):
        raise UsageError(
            f"'{state}' was tried {_times(len(seen.attempts))} in this visit, there is no attempt {number}"
        )
    # A redrive may go on with the visit, and with another definition.
    found, own = _found(machines[begun + sum(one.redriven for one in seen.attempts[: number - 1])], state)
    return Account(
        visit=chosen,
        place=all_visits.index(chosen) + 1,
        visits=len(all_visits),
        attempt=number,
        attempts=len(seen.attempts),
        stages=tuple(stages_of(found, chosen, seen, seen.attempts[number - 1], number == len(seen.attempts))),
        reasons=tuple(reasons_of(found, own, chosen, seen)),
    )


def _found(machine: Machine, name: str) -> tuple[State, Mapping[str, Json]]:
    """A state of a machine, and what the definition says of it."""
    state = _state(every_state(machine.graph), name)
    return state, _own(machine, state)


def _state(states: Sequence[State], name: str) -> State:
    for state in states:
        if state.name == name:
            return state
    close = difflib.get_close_matches(name, [state.name for state in states], 1)
    names = ", ".join(state.name for state in states[:20])
    raise UsageError(f"there is no state '{name}'", f"did you mean '{close[0]}'?" if close else f"there are {names}")


def _own(machine: Machine, state: State) -> Mapping[str, Json]:
    """What the definition says of a state, as plain JSON."""
    value = from_text(machine.text, machine.file, substitutions=machine.substitutions, limits=False).value
    for step in state.pointer:
        value = value[step]
    own: Mapping[str, Json] = value
    return own


def _chosen(visits: list[Visit], state: str, number: int | None, item: str | None) -> Visit:
    if not visits:
        raise UsageError(f"the execution never came to '{state}'", "see its path: sfnrun trace show")
    if number is not None:
        if not 1 <= number <= len(visits):
            raise UsageError(f"'{state}' was visited {_times(len(visits))}, there is no visit {number}")
        return visits[number - 1]
    inside = [visit for visit in visits if item is None or _is_in(visit.fiber, item)]
    if not inside:
        raise UsageError(f"'{state}' was not visited in an item {item}", "give the index of an item or branch, from 0")
    return next((visit for visit in inside if visit.outcome == "failed"), inside[-1])


def _is_in(fiber: str, item: str) -> bool:
    """Whether the branches and items around a fiber end in these: "2/0" is the item 0 inside the item 2."""
    indices = [part.rpartition(".")[2] for part in fiber.split("/")]
    wanted = item.split("/")
    return bool(fiber) and indices[-len(wanted) :] == wanted


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
