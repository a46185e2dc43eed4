"""Goes on with an execution that did not succeed, from the states that it did not leave, in the same history.

AWS's rules: STANDARD executions that are FAILED, TIMED_OUT or ABORTED, for 14 days; counters of Retriers begin anew,
branches and items that ended well are kept. Beyond AWS's: another definition, another state, another input.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sfnrun.api.result import Result
from sfnrun.api.resume import Showing, go_on, live_world
from sfnrun.api.world import Answering, unheard
from sfnrun.asl.load import Definition
from sfnrun.asl.model import Machine
from sfnrun.config import Project, Settings
from sfnrun.effects import Answered, Pause, Redriven, Resumed
from sfnrun.engine.execution import DAY_MS, LIMITS
from sfnrun.engine.run import Redrive
from sfnrun.errors import ApiError, UsageError, did_you_mean
from sfnrun.history.file import HistoryFile
from sfnrun.history.recording import Recording
from sfnrun.history.timeline import timeline_of
from sfnrun.payload import Json, Payload
from sfnrun.record import STATUS_OF, Listener
from sfnrun.replayer.rerun import changed_machine, clock_of, latest, machines_of

if TYPE_CHECKING:
    from sfnrun.api.caching import CacheOptions
    from sfnrun.tasks.callables import Tasks

__all__ = ["redrive", "refusal"]

REDRIVABLE_MS = 14 * DAY_MS


def redrive(
    execution: str | Path,
    *,
    definition: Definition | None = None,
    state: str | None = None,
    input: Json = None,
    tasks: Tasks = None,
    config: Project | Settings | str | Path | Sequence[str | Path] | None = None,
    functions: str | Path | None = None,
    mock_config: str | Path | None = None,
    test_case: str | None = None,
    listener: Listener | None = None,
    keep_events: bool = True,
    step: Callable[[Pause], Resumed] | None = None,
    debug: bool = False,
    interruptible: bool = False,
    fsync: bool = False,
    cache: CacheOptions | None = None,
    say: Callable[[str], None] = unheard,
) -> Result:
    """Redrive the execution that a history file records: from where it failed, with the handlers as they are now.

    `definition` takes the place of the recorded one. `state` is the state of the machine's own graph to go on from; it
    gets the input and the variables that it had when it was last entered. `input`, a JSON value or Payload, takes the
    place of that input, or of the failed state's; then a Parallel or Map begins from its start. All of this is
    recorded. The other options are those of `resume`.

    Raises ApiError ExecutionNotRedrivable by AWS's rules, UsageError for a state or definition that does not fit.
    """
    answering = Answering(
        tasks=tasks,
        config=config,
        functions=functions,
        mock_config=mock_config,
        test_case=test_case,
        cache=cache,
        say=say,
        step=step,
        debug=debug,
    )
    file, recording = HistoryFile.reopen(Path(execution), fsync=fsync)
    with closing(file):
        refused = refusal(recording)
        if refused is not None:
            raise refused
        machines = machines_of(recording)
        machine = machines[-1] if definition is None else changed_machine(recording, definition)
        redriven = _redriven(recording, machine, state, input, changed=definition is not None)
        order = Redrive(Answered(latest(recording), "", redriven), machine)
        with live_world(recording, machine, answering) as live:
            return go_on(file, recording, machines, live, Showing(listener, keep_events, interruptible), order)


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


def _redriven(recording: Recording, machine: Machine, state: str | None, input: Json, *, changed: bool) -> Redriven:
    """The order as it is recorded."""
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


def _check_state(state: str, machine: Machine) -> None:
    states = machine.graph.states
    if state not in states:
        hint = did_you_mean(state, states, f"top-level states: {', '.join(states)}")
        raise UsageError(f"'{state}' is not a top-level state of the definition", hint)
