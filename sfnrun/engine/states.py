"""Run states: one coroutine for each state type, the walk from state to state, and Retry and Catch around both.

A state is entered by making a Visit and left by `_exit`. Sources: https://states-language.net/spec.html and
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from sfnrun.asl.model import (
    Catcher,
    Choice,
    Fail,
    Map,
    Parallel,
    Pass,
    Retrier,
    State,
    StateMachine,
    Succeed,
    Task,
    Wait,
)
from sfnrun.effects import Pause, Sleep
from sfnrun.engine import fields
from sfnrun.engine.children import run_branches, run_items
from sfnrun.engine.dataflow import FLOWS
from sfnrun.engine.loop import ExecutionEnded, Fiber
from sfnrun.engine.task import ask
from sfnrun.engine.visit import Visit
from sfnrun.errors import StatesError
from sfnrun.payload import Payload

__all__ = ["walk", "walk_against_history"]

# Yield every 1,000 states, so that a machine that never blocks still sees its deadline and Ctrl-C.
STATES_PER_YIELD = 1000

# Longer than any execution: the year that a STANDARD execution may last, and one day.
LONGEST_DELAY_S = 366 * 86_400


class Transition(NamedTuple):
    """How a state was left: its output, and the next state's name or None."""

    output: Payload
    next: str | None


async def walk(fiber: Fiber, graph: StateMachine) -> Payload:
    """Run a graph of states from the fiber's resume point to one of its ends; return the last output."""
    assert fiber.resume_point is not None
    name, payload = fiber.resume_point
    stepping = fiber.loop.stepping
    count = 0
    while name is not None:
        state = graph.states[name]
        if stepping:
            fiber.resume_point = (name, payload)
            resumed = await Pause(fiber.next_key(), state.name, state.type, fiber.path, payload)
            payload = resumed.input or payload
            if resumed.action == "quit":
                raise ExecutionEnded("ExecutionAborted")
            if resumed.action == "skip":
                name = state.next
                continue
        payload, name = await VISITS[type(state)](fiber, state, payload)
        count += 1
        if count % STATES_PER_YIELD == 0:
            fiber.resume_point = (name, payload)
            await Sleep(fiber.next_key(), fiber.loop.now)
    return payload


async def walk_against_history(fiber: Fiber, graph: StateMachine) -> Payload:
    """Walk along the history of another interpreter.

    AWS runs branches in parallel: when one fails, the others record events until the failure is noticed. So a failed
    branch sleeps here until the driver has it noticed. A fatal error sleeps until 0, to be noticed first.
    """
    try:
        return await walk(fiber, graph)
    except StatesError as error:
        if fiber.parent is not None:
            await Sleep(fiber.next_key(), 0 if error.fatal else fiber.loop.now)
        raise


def _enter(fiber: Fiber, state: State, payload: Payload) -> Visit:
    open = fiber.open
    if isinstance(open, Visit) and open.state.type == state.type:  # only a redrive finds its state open
        return open.redriven(state)
    visit = fiber.open = Visit(fiber, state, payload)
    return visit


def _exit(visit: Visit, output: Payload, next: str | None) -> Transition:
    fiber = visit.fiber
    limit = fiber.loop.limits.data_bytes
    if limit is not None and output.exceeds(limit):
        raise _too_large(visit.state.name)
    details: dict[str, Any] = {"name": visit.state.name, "output": output}
    if visit.assigned:
        assigned = {name: Payload(value) for name, value in visit.assigned.items()}
        if limit is not None and sum(len(payload.text) for payload in assigned.values()) > limit:
            raise _too_large(visit.state.name)
        details["assignedVariables"] = assigned
    fiber.open = None
    fiber.emit(f"{visit.state.type}StateExited", details)
    if visit.assigned:
        # The event counts, here and for the output: a foreign history may have replaced both.
        assigned_values = {name: payload.value for name, payload in details["assignedVariables"].items()}
        fiber.variables = {**fiber.variables, **assigned_values}
    return Transition(details["output"], next)


def _too_large(name: str) -> StatesError:
    """Return the error of a state whose own output is too large; no Catch matches it (tests/engine/limits.yaml)."""
    return StatesError(
        "States.DataLimitExceeded",
        f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit.",
        fatal=True,
    )


async def _pass(fiber: Fiber, state: Pass, payload: Payload) -> Transition:
    visit = _enter(fiber, state, payload)
    flow = FLOWS[state.query_language]
    effective = flow.effective_input(visit)
    if state.is_constant:
        result: Payload | None = Payload(state.result)
    elif state.parameters is not None:
        result = flow.arguments(visit, effective)
    else:
        result = None
    return _exit(visit, flow.output(visit, effective, result), state.next)


async def _succeed(fiber: Fiber, state: Succeed, payload: Payload) -> Transition:
    visit = _enter(fiber, state, payload)
    flow = FLOWS[state.query_language]
    return _exit(visit, flow.output(visit, flow.effective_input(visit), None), None)


async def _fail(fiber: Fiber, state: Fail, payload: Payload) -> Transition:
    visit = _enter(fiber, state, payload)
    error = fields.text(visit, state.error, visit.input)
    raise StatesError(error, fields.text(visit, state.cause, visit.input))


async def _choice(fiber: Fiber, state: Choice, payload: Payload) -> Transition:
    visit = _enter(fiber, state, payload)
    flow = FLOWS[state.query_language]
    effective = flow.effective_input(visit)
    document = effective.value if state.query_language == "JSONPath" else {"input": effective.value}
    for rule in state.choices:
        try:
            matched = rule.matches(document, visit)
        except StatesError as error:
            raise visit.failure(error) from None
        if matched:
            return _exit(visit, flow.choice_output(visit, effective, rule), rule.next)
    if state.default is None:
        # The specification names States.NoChoiceMatched; the service says this.
        raise visit.runtime_error("Failed to transition out of the state. The state does not point to a next state.")
    return _exit(visit, flow.choice_output(visit, effective, None), state.default)


async def _wait(fiber: Fiber, state: Wait, payload: Payload) -> Transition:
    visit = _enter(fiber, state, payload)
    flow = FLOWS[state.query_language]
    effective = flow.effective_input(visit)
    if state.seconds is not None:
        until = visit.now + round(fields.seconds(visit, state.seconds, effective) * 1000)
    else:
        assert state.timestamp is not None
        until = fields.timestamp(visit, state.timestamp, effective)
    if until > visit.now:
        visit.note("wait", {"until": until})
        await Sleep(fiber.next_key(), until)
    return _exit(visit, flow.output(visit, effective, None), state.next)


async def _task(fiber: Fiber, state: Task, payload: Payload) -> Transition:
    return await _persistent(_enter(fiber, state, payload), ask)


async def _parallel(fiber: Fiber, state: Parallel, payload: Payload) -> Transition:
    return await _persistent(_enter(fiber, state, payload), run_branches)


async def _map(fiber: Fiber, state: Map, payload: Payload) -> Transition:
    return await _persistent(_enter(fiber, state, payload), run_items)


async def _persistent(visit: Visit, attempt: Callable[[Visit, Payload], Awaitable[Payload]]) -> Transition:
    """Attempt a state's work until it succeeds, its error is caught, or it fails."""
    state = visit.state
    flow = FLOWS[state.query_language]
    retries = Retries(state.retry)
    visit.retry_count = 0
    while True:
        try:
            effective = flow.effective_input(visit)
            result = await attempt(visit, effective)
            return _exit(visit, flow.output(visit, effective, result), state.next)
        except StatesError as error:
            retrier = retries.take(error)
            if retrier is not None:
                await _back_off(visit, error, retries, retrier)
                continue
            return _caught(visit, error)


async def _back_off(visit: Visit, error: StatesError, retries: Retries, retrier: int) -> None:
    fiber = visit.fiber
    visit.forked = None
    delay = retries.delay_ms(retrier, lambda: visit.random)
    details = {
        "error": error.name,
        "cause": error.cause,
        "attempt": retries.used[retrier],
        "delay_ms": delay,
        "max_attempts": visit.state.retry[retrier].max_attempts,
        "retrier": retrier,
    }
    visit.note("retry", details)
    if delay > 0:
        await Sleep(fiber.next_key(), visit.now + delay)
    visit.retry_count = (visit.retry_count or 0) + 1
    visit.next_attempt()


def _caught(visit: Visit, error: StatesError) -> Transition:
    """Leave the state by the first Catcher that matches the error. Raises the error if none does."""
    state, fiber = visit.state, visit.fiber
    if state.type in ("Map", "Parallel") and not error.fatal:
        fiber.emit(f"{state.type}StateFailed")
    index = find_catcher(error, state.catch)
    if index is None:
        raise error
    catcher = state.catch[index]
    visit.note("catch", {"error": error.name, "catcher": index, "next": catcher.next})
    # On AWS a missing cause is null, but that of a timeout is the empty string; see tests/engine/catch.yaml.
    cause = "" if error.cause is None and error.name == "States.Timeout" else error.cause
    output = Payload({"Error": error.name, "Cause": cause})
    return _exit(visit, FLOWS[state.query_language].catch_output(visit, catcher, output), catcher.next)


def matches(error: StatesError, error_equals: Sequence[str]) -> bool:
    """Whether one of the names matches the error. Names are compared exactly, and States.Runtime never matches."""
    if error.fatal or error.name == "States.Runtime":
        return False
    return any(_name_matches(name, error) for name in error_equals)


def _name_matches(name: str, error: StatesError) -> bool:
    if name in ("States.ALL", error.name, *error.aliases):
        return True
    return name == "States.TaskFailed" and error.name != "States.Timeout"


class Retries:
    """The counters of one visit's Retriers; each counts its own attempts."""

    def __init__(self, retriers: Sequence[Retrier]) -> None:
        self.retriers = retriers
        self.used = [0] * len(retriers)

    def take(self, error: StatesError) -> int | None:
        """Use an attempt of the first Retrier that matches the error; return its index.

        None if no Retrier matches, or if that one has no attempts left: then no later Retrier counts.
        """
        for index, retrier in enumerate(self.retriers):
            if matches(error, retrier.error_equals):
                if self.used[index] >= retrier.max_attempts:
                    return None
                self.used[index] += 1
                return index
        return None

    def delay_ms(self, index: int, random_of: Callable[[], random.Random]) -> int:
        """Return the milliseconds before the attempt just taken. Full jitter draws from [0, delay] after the cap."""
        retrier = self.retriers[index]
        cap = retrier.max_delay_seconds
        try:
            seconds = retrier.interval_seconds * retrier.backoff_rate ** (self.used[index] - 1)
        except OverflowError:
            seconds = float("inf")
        seconds = min(seconds, LONGEST_DELAY_S if cap is None else cap)
        if retrier.full_jitter:
            seconds = random_of().uniform(0, seconds)
        return round(seconds * 1000)


def find_catcher(error: StatesError, catchers: Sequence[Catcher]) -> int | None:
    """Return the index of the first Catcher that matches the error."""
    for index, catcher in enumerate(catchers):
        if matches(error, catcher.error_equals):
            return index
    return None


VISITS: dict[type[State], Callable[[Fiber, Any, Payload], Awaitable[Transition]]] = {
    Pass: _pass,
    Task: _task,
    Choice: _choice,
    Wait: _wait,
    Succeed: _succeed,
    Fail: _fail,
    Parallel: _parallel,
    Map: _map,
}
