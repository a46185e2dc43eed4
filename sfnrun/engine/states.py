"""One coroutine for each state type, and the walk from state to state.

A state is entered by making a Visit and left by `_exit`; what happens between is what the state is. Retry and Catch
read as one would say them, in `_persistent`. Source: https://states-language.net/spec.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from sfnrun.asl.model import Choice, Fail, Map, Parallel, Pass, State, StateMachine, Succeed, Task, Wait
from sfnrun.effects import Pause, Sleep
from sfnrun.engine import fields
from sfnrun.engine.children import run_branches, run_items
from sfnrun.engine.dataflow import FLOWS
from sfnrun.engine.loop import ExecutionEnded, Fiber
from sfnrun.engine.retry import Retries, find_catcher
from sfnrun.engine.task import ask
from sfnrun.engine.visit import Visit
from sfnrun.errors import StatesError
from sfnrun.payload import Payload

__all__ = ["walk", "walk_against_history"]

# Yield every 1,000 states, so that a machine that never blocks still sees its deadline and Ctrl-C.
STATES_PER_YIELD = 1000


class Transition(NamedTuple):
    """How a state was left: its output, and the next state's name or None."""

    output: Payload
    next: str | None


async def walk(fiber: Fiber, graph: StateMachine) -> Payload:
    """Run a graph of states from the fiber's place to one of its ends; return the last output."""
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
    """Walk beside the history of another interpreter.

    AWS runs branches at once: when one fails the others go on until that is known, and their events are told. So a
    failure waits here, and the driver says when it is seen; one that nothing can catch asks to be seen first.
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
        # What was told counts, here and for the output: a ledger may have set it right.
        told = {name: payload.value for name, payload in details["assignedVariables"].items()}
        fiber.variables = {**fiber.variables, **told}
    return Transition(details["output"], next)


def _too_large(name: str) -> StatesError:
    """A state's own result is too large: that ends the execution at once, whatever its Catch says (recorded)."""
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
    """Attempt a state's work until it succeeds, is caught, or fails for good."""
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
    told = {"error": error.name, "cause": error.cause, "attempt": retries.used[retrier], "delay_ms": delay}
    most = visit.state.retry[retrier].max_attempts
    visit.note("retry", {**told, "max_attempts": most, "retrier": retrier})
    if delay > 0:
        await Sleep(fiber.next_key(), visit.now + delay)
    visit.retry_count = (visit.retry_count or 0) + 1
    visit.next_attempt()


def _caught(visit: Visit, error: StatesError) -> Transition:
    """Leave the state by the Catcher that takes the error. Raises the error if none does."""
    state, fiber = visit.state, visit.fiber
    if state.type in ("Map", "Parallel") and not error.fatal:
        fiber.emit(f"{state.type}StateFailed")
    index = find_catcher(error, state.catch)
    if index is None:
        raise error
    catcher = state.catch[index]
    told = {"error": error.name, "catcher": index, "next": catcher.next}
    visit.note("catch", told)
    # What was not given is null, but a timeout has the empty text for a cause (both recorded).
    cause = "" if error.cause is None and error.name == "States.Timeout" else error.cause
    output = Payload({"Error": error.name, "Cause": cause})
    return _exit(visit, FLOWS[state.query_language].catch_output(visit, catcher, output), catcher.next)


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
