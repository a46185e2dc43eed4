"""Continue a recorded execution: resume one that has crashed, redrive one that did not succeed.

Its history is replayed first, so no Task that has ended is called again. A Task that was running is called again under
the same key and `Request.id`; one that waits for its token keeps waiting; a Wait keeps its end; retries keep their
counts. Redrives follow AWS's rules: STANDARD executions that are FAILED, TIMED_OUT or ABORTED, for 14 days; counters of
Retriers start again, branches and items that succeeded are kept. Another definition, state or input is sfnrun's own.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Unpack

from sfnrun.addresses import Step, parse_place
from sfnrun.api.handlers import RECORDED
from sfnrun.api.lookup import LocatedRun, RunLike, locate
from sfnrun.api.options import IDENTITY, Options, check
from sfnrun.api.result import Result
from sfnrun.api.session import Session
from sfnrun.asl.load import Definition
from sfnrun.asl.model import Machine
from sfnrun.effects import Answered, Redriven
from sfnrun.engine.execution import DAY_MS, LIMITS
from sfnrun.engine.run import Redrive
from sfnrun.errors import ApiError, SfnrunError, UsageError, did_you_mean
from sfnrun.history.recording import Recording
from sfnrun.history.store import Store
from sfnrun.history.timeline import timeline_of
from sfnrun.payload import Json, Payload
from sfnrun.record import STATUS_OF, Note
from sfnrun.replayer.rerun import changed_machine, clock_of, latest, machines_of
from sfnrun.version import __version__

__all__ = ["redrive", "refusal", "resume"]

REDRIVABLE_MS = 14 * DAY_MS


def resume(run: RunLike = "last", **options: Unpack[Options]) -> Result:
    """Resume a crashed execution, and run it to completion.

    Args:
        run: RUN, the path of its history, or a handle of it.
        options: Who answers Tasks is as recorded unless it is passed here. Callables cannot be recorded: pass `tasks`
            again. By default the clock is the recorded one: a real clock goes on now, a virtual one at the last answer.

    Raises:
        UsageError: The execution has ended.
        HistoryError: Another process runs it, or its history is damaged.
        DivergenceError: Its history does not follow from its definition.
    """
    located = _locate(run, options)
    journal, recording = located.store.open(located.name)
    try:
        refused = _not_resumable(located, recording)
        if refused is not None:
            raise refused
        machines = machines_of(recording)
        session = Session(**_as_recorded(options, recording.start, located.store))
    except BaseException:
        journal.close()
        raise
    with session:
        seam = Note("resumed", latest(recording), "", "", {"version": __version__})
        return session.adopt(located.name, journal, recording, machines, seam=seam).wait()


def redrive(
    run: RunLike = "last",
    *,
    from_: str | None = None,
    input: Json | Payload = None,
    definition: Definition | None = None,
    **options: Unpack[Options],
) -> Result:
    """Redrive an execution from its unfinished states, in the same history, and run it to completion.

    Args:
        run: RUN, the path of its history, or a handle of it.
        from_: PLACE of a state of the machine's own graph to continue from instead. It gets the input and the variables
            that it had when it was last entered.
        input: Input of that state, or of the failed one; a Parallel or Map then starts from its beginning.
        definition: Definition to continue with, instead of the recorded one.
        options: As for `resume`.

    Raises:
        ApiError: ExecutionNotRedrivable, by AWS's rules.
        UsageError: The state or the definition does not fit.
    """
    located = _locate(run, options)
    journal, recording = located.store.open(located.name)
    try:
        refused = refusal(recording)
        if refused is not None:
            raise refused
        machines = machines_of(recording)
        machine = machines[-1] if definition is None else changed_machine(recording, definition)
        redriven = _redriven(recording, machine, from_, input, changed=definition is not None)
        order = Redrive(Answered(latest(recording), "", redriven), machine)
        session = Session(**_as_recorded(options, recording.start, located.store))
    except BaseException:
        journal.close()
        raise
    with session:
        return session.adopt(located.name, journal, recording, machines, redrive=order).wait()


def _locate(run: RunLike, options: Options) -> LocatedRun:
    check(options, without=IDENTITY)
    return locate(run, options.get("store"))


def _as_recorded(options: Options, start: Mapping[str, Json], store: Store) -> Options:
    """The options, completed with those that the history records."""
    recorded: Any = {name: start[name] for name in (*RECORDED, "clock") if options.get(name) is None and name in start}
    given: Any = {**options, **recorded, "store": store, "limits": start["limits"], "type": start["type"]}
    completed: Options = given
    return completed


def _not_resumable(located: LocatedRun, recording: Recording) -> SfnrunError | None:
    if "imported" in recording.start:
        message = f"execution '{located.name}' is running in AWS and cannot be resumed here"
        return UsageError(message, "import it again after it has ended")
    if not recording.complete:
        return None
    status = STATUS_OF[recording.lines[-1]["event"]]
    redrive = f"run `sfnrun redrive {located.name}` to restart it from the failure"
    hint = "" if status == "SUCCEEDED" else redrive
    return UsageError(f"execution '{located.name}' has already ended ({status})", hint)


def refusal(recording: Recording, now: int | None = None) -> ApiError | None:
    """Why an execution cannot be redriven; None if it can. `now` is in milliseconds since the Unix epoch."""
    start, name = recording.start, recording.path.stem
    if "imported" in start:
        return _not_redrivable(f"cannot redrive '{name}': it was imported from AWS", "redrive it in AWS")
    if not recording.complete:
        # The redriveStatusReason of DescribeExecution, like that of SUCCEEDED.
        return _not_redrivable("Execution is RUNNING and cannot be redriven", f"run `sfnrun resume {name}`")
    last = recording.lines[-1]
    if STATUS_OF[last["event"]] == "SUCCEEDED":
        return _not_redrivable("Execution is SUCCEEDED and cannot be redriven", "start a new execution")
    if start["type"] != "STANDARD":
        return _not_redrivable(f"cannot redrive '{name}': only STANDARD executions can be redriven")
    if not start["limits"]:
        return None
    events = sum(1 for _ in recording.of_kind("event"))
    if LIMITS.events is not None and events >= LIMITS.events - 1:
        message = f"cannot redrive '{name}': its history has {events:,} events"
        return _not_redrivable(message, "the limit is 24,999 events; start a new execution")
    ended = start["start_time"] + last["at"]
    if clock_of(recording) == "real" and (int(time.time() * 1000) if now is None else now) - ended > REDRIVABLE_MS:
        return _not_redrivable(f"cannot redrive '{name}': it ended more than 14 days ago", "start a new execution")
    return None


def _not_redrivable(message: str, hint: str = "") -> ApiError:
    return ApiError("ExecutionNotRedrivable", message, hint)


def _redriven(
    recording: Recording, machine: Machine, from_: str | None, input: Json | Payload, *, changed: bool
) -> Redriven:
    """The order as it is recorded."""
    state = None if from_ is None else _top_level_state(from_, machine)
    redriven = Redriven()
    if changed:
        substitutions = dict(machine.substitutions)
        redriven = Redriven(definition=machine.text, file=machine.file, substitutions=substitutions)
    if state is None and input is None:
        return redriven
    visits = [visit for visit in timeline_of(recording) if not visit.fiber]
    if state is None:
        state = visits[-1].name
        _check_state(state, machine)
    visit = next((visit for visit in reversed(visits) if visit.name == state), None)
    payload = input if isinstance(input, Payload) else None if input is None else Payload.from_python(input)
    if payload is None and visit is not None:
        payload = visit.input
    if payload is None:
        raise UsageError(f"state '{state}' was never entered, so it has no recorded input", "pass its input with -i")
    variables = {} if visit is None else {name: value.value for name, value in visit.variables.items()}
    return redriven._replace(state=state, input=payload, variables=variables)


def _top_level_state(address: str, machine: Machine) -> str:
    """The state of a place in the machine's own graph."""
    place = parse_place(address, machine.graph.states)
    if len(place.steps) > 1 or place.steps[0] != Step(place.state):
        raise UsageError(f"cannot continue from '{address}'", "pass the name of a top-level state")
    _check_state(place.state, machine)
    return place.state


def _check_state(state: str, machine: Machine) -> None:
    states = machine.graph.states
    if state not in states:
        hint = did_you_mean(state, states, f"top-level states: {', '.join(states)}")
        raise UsageError(f"'{state}' is not a top-level state of the definition", hint)
