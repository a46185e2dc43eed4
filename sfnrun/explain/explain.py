"""Explain one visit of a state: re-run the recorded execution with that state's expressions instrumented.

The engine is not involved: the re-run machine has observed expressions in place of the state's own. So executions that
are not explained pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from sfnrun.asl.model import Machine, State, every_state
from sfnrun.asl.text.source import from_text
from sfnrun.errors import UsageError, did_you_mean
from sfnrun.explain.explanation import Explanation
from sfnrun.explain.observe import Observer, instrumented
from sfnrun.explain.reasons import reasons_of
from sfnrun.explain.rules import describer
from sfnrun.explain.stages import stages_of
from sfnrun.history.recording import Recording
from sfnrun.history.timeline import redrives_in, timeline_of
from sfnrun.history.visit import Visit
from sfnrun.payload import Json
from sfnrun.replayer.rerun import machines_of, rerun

__all__ = ["explain", "explain_visit"]


def explain(
    recording: Recording, state: str, *, visit: int | None = None, attempt: int | None = None, item: str | None = None
) -> Explanation:
    """Explain what happened in a visit of a state, and why.

    `visit` counts the visits of the state from 1, over all branches and items. `item` is the index of the Map item or
    branch that the visit is in ("3", or "3/0" for one inside another). By default the first visit that failed is
    explained, else the last one. `attempt` counts from 1; by default it is the last. Raises UsageError if there is no
    such state, visit, item or attempt.
    """
    visits = [each for each in timeline_of(recording) if each.name == state]
    if not visits:
        _state(every_state(machines_of(recording)[-1].graph), state)  # raises if there is no such state
    return explain_visit(recording, _chosen(visits, state, visit, item), attempt)


def explain_visit(recording: Recording, visit: Visit, attempt: int | None = None) -> Explanation:
    """Explain an attempt of a visit, by default the last. Raises UsageError if there is no such attempt."""
    machines = machines_of(recording)
    begun = sum(event.type == "ExecutionRedriven" for event in islice(recording.events(), visit.entered))
    found, own = _found(machines[begun], visit.name)
    observer = Observer(visit.name, describer(found, own), redrives_in(recording))
    rerun(recording, [instrumented(machine, observer) for machine in machines], observer)
    seen = observer.observed(visit.entered)
    visits = [each for each in observer.timeline if each.name == visit.name]
    attempts = seen.visit.attempts
    number = len(attempts) if attempt is None else attempt
    if not 1 <= number <= len(attempts):
        raise UsageError(f"attempt {number} not found: '{visit.name}' was tried {_times(len(attempts))} in this visit")
    # A redrive can continue the visit, and with another definition.
    found, own = _found(machines[begun + sum(one.redriven for one in attempts[: number - 1])], visit.name)
    return Explanation(
        visit=seen.visit,
        visit_number=visits.index(seen.visit) + 1,
        visits=len(visits),
        attempt=number,
        attempts=len(attempts),
        stages=tuple(stages_of(found, seen, number)),
        reasons=tuple(reasons_of(found, own, seen)),
    )


def _found(machine: Machine, name: str) -> tuple[State, Mapping[str, Json]]:
    """Return a state of a machine, and its JSON in the definition."""
    state = _state(every_state(machine.graph), name)
    return state, _own(machine, state)


def _state(states: Sequence[State], name: str) -> State:
    for state in states:
        if state.name == name:
            return state
    names = [state.name for state in states]
    raise UsageError(f"unknown state '{name}'", did_you_mean(name, names, f"states: {', '.join(names[:20])}"))


def _own(machine: Machine, state: State) -> Mapping[str, Json]:
    """Return the JSON of a state in the definition."""
    value = from_text(machine.text, machine.file, substitutions=machine.substitutions, limits=False).value
    for step in state.pointer:
        value = value[step]
    own: Mapping[str, Json] = value
    return own


def _chosen(visits: list[Visit], state: str, number: int | None, item: str | None) -> Visit:
    if not visits:
        raise UsageError(f"state '{state}' was never entered", "run `sfnrun trace show` to see the path")
    if number is not None:
        if not 1 <= number <= len(visits):
            raise UsageError(f"visit {number} not found: '{state}' was visited {_times(len(visits))}")
        return visits[number - 1]
    inside = [visit for visit in visits if item is None or _is_in(visit.fiber, item)]
    if not inside:
        raise UsageError(
            f"state '{state}' was not entered in item {item}", "pass the index of an item or branch, from 0"
        )
    return next((visit for visit in inside if visit.outcome == "failed"), inside[-1])


def _is_in(fiber: str, item: str) -> bool:
    """Return whether the innermost branches and items of a fiber are these: "2/0" is item 0 inside item 2."""
    indices = [part.rpartition(".")[2] for part in fiber.split("/")]
    wanted = item.split("/")
    return bool(fiber) and indices[-len(wanted) :] == wanted


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
