"""Run the branches of a Parallel or the items of a Map; the first failure aborts the others.

A redriven state continues with the children that it had: outputs are kept, each of the others restarts in the state
that it did not leave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sfnrun.asl.model import Map, Parallel, StateMachine
from sfnrun.effects import Join
from sfnrun.engine import fields
from sfnrun.engine.dataflow import FLOWS
from sfnrun.engine.loop import ExecutionEnded, Fiber
from sfnrun.engine.visit import Visit
from sfnrun.errors import StatesError
from sfnrun.payload import Payload

__all__ = ["run_branches", "run_items"]


async def run_branches(visit: Visit, effective: Payload) -> Payload:
    """Run one attempt of a Parallel; return the array of its branches' outputs. Raises the first branch's error."""
    state, fiber = visit.state, visit.fiber
    assert isinstance(state, Parallel)
    if not _continues(visit, len(state.branches)):
        given = FLOWS[state.query_language].arguments(visit, effective)
        started = fiber.emit("ParallelStateStarted")
        forked = _forks(visit, len(state.branches))
        for index, branch in enumerate(state.branches):
            child = forked[index] = fiber.fork(index, started)
            child.start(branch, given)
    else:
        _revive_children(visit, state.branches.__getitem__)
    while visit.forked:
        child = await Join()
        _raise_failure(fiber, child)
        _keep(visit, child)
        fiber.previous = child.previous
    _succeeded(fiber, "ParallelStateSucceeded")
    return _joined(visit)


def _continues(visit: Visit, width: int) -> bool:
    """Whether the state is redriven, with the children that it had; not if it has another number of them now."""
    return visit.forked is not None and len(visit.outputs) == width


def _forks(visit: Visit, width: int) -> dict[int, Fiber]:
    visit.fiber.forks += 1
    visit.outputs = [None] * width
    visit.forked = {}
    return visit.forked


def _revive_children(visit: Visit, graph_of: Callable[[int], StateMachine]) -> None:
    """Restart the children without an output; one that succeeded before the redrive has only to be joined."""
    fiber = visit.fiber
    for index, child in (visit.forked or {}).items():
        if child.output is not None:
            fiber.ended.append(child)
        else:
            fiber.children[index] = child
            child.revive(graph_of(index))


def _keep(visit: Visit, child: Fiber) -> None:
    assert visit.forked is not None
    del visit.forked[child.index]
    visit.outputs[child.index] = child.output


def _joined(visit: Visit) -> Payload:
    return Payload.joined([output for output in visit.outputs if output is not None])


def _succeeded(fiber: Fiber, event: str) -> None:
    """Record the success of a Parallel or Map."""
    last = fiber.previous
    fiber.emit(event)
    fiber.previous = last  # on AWS the exit points to the same event as the success; see tests/engine/parallel.yaml


def _raise_failure(fiber: Fiber, child: Fiber, name: str | None = None) -> None:
    """If a child has failed, abort its siblings and raise its error; all events of that point to the failed one.

    `name` is the name of a Map, whose items have events of their own. A fatal error ends the execution at once: on AWS
    neither the branch nor the Parallel has an event for it (tests/engine/parallel.yaml and map.yaml).
    """
    if child.error is None:
        return
    if child.error.fatal:
        raise ExecutionEnded("ExecutionFailed", child.error.name, child.error.cause)
    failed = fiber.previous = child.previous
    loop = fiber.loop
    if name is not None:
        loop.emit("MapIterationFailed", failed, child.path, {"index": child.index, "name": name})
    fiber.children.pop(child.index, None)
    child.abort_open_state(failed)
    for sibling in list(fiber.children.values()):
        if name is not None:
            loop.emit("MapIterationAborted", failed, sibling.path, {"index": sibling.index, "name": name})
        loop.abort(sibling, failed)
    fiber.children = {}
    fiber.ended.clear()
    raise child.error


async def run_items(visit: Visit, effective: Payload) -> Payload:
    """Run one attempt of a Map; return the array of its items' outputs. Raises the error of the first failed item."""
    state, fiber = visit.state, visit.fiber
    assert isinstance(state, Map)
    items = fields.array(visit, state.items, effective)  # before MaxConcurrency, as TestState shows
    concurrency = fields.integer(visit, state.max_concurrency, effective) or 0
    if concurrency < 0:
        raise visit.runtime_error("MaxConcurrency cannot be negative.")
    if not _continues(visit, len(items)):
        fiber.emit("MapStateStarted", {"length": len(items)})
        _forks(visit, len(items))
    _check_tolerances(visit, state, effective)
    ceiling = fiber.loop.limits.map_concurrency or len(items)
    width = min(concurrency or ceiling, ceiling)
    await _iterate(visit, state, effective, items, max(width, 1))
    _succeeded(fiber, "MapStateSucceeded")
    return _joined(visit)


def _check_tolerances(visit: Visit, state: Map, effective: Payload) -> None:
    """Check the tolerances of a Map. An INLINE Map tolerates no failure, but AWS rejects an invalid tolerance."""
    if (fields.integer(visit, state.tolerated_failure_count, effective) or 0) < 0:
        raise visit.runtime_error("ToleratedFailureCount cannot be negative.")
    if not 0 <= (fields.percentage(visit, state.tolerated_failure_percentage, effective) or 0) <= 100:
        raise visit.runtime_error("ToleratedFailurePercentage must be between 0 and 100.")


async def _iterate(visit: Visit, state: Map, effective: Payload, items: list[Any], width: int) -> None:
    """Run the items that have no output, at most `width` at a time; each item that ends lets the next one start."""
    fiber, forked = visit.fiber, visit.forked
    assert forked is not None
    begun = fiber.previous
    waiting = iter([index for index, output in enumerate(visit.outputs) if output is None and index not in forked])
    left = visit.outputs.count(None)
    _revive_children(visit, lambda index: state.processor)
    for _, index in zip(range(width - len(forked)), waiting, strict=False):
        _start_item(visit, state, effective, items, index, begun)
    for _ in range(left):
        child: Fiber = await Join()
        _raise_failure(fiber, child, state.name)
        _keep(visit, child)
        last = child.previous
        fiber.previous = child.loop.emit(
            "MapIterationSucceeded", last, child.path, {"index": child.index, "name": state.name}
        )
        following = next(waiting, None)
        if following is not None:
            _start_item(visit, state, effective, items, following, last)


def _start_item(visit: Visit, state: Map, effective: Payload, items: list[Any], index: int, previous: int) -> None:
    fiber = visit.fiber
    item = {"Index": index, "Value": items[index]}
    child = fiber.fork(index, previous)
    child.context = {"Map": {"Item": item}}
    child.emit("MapIterationStarted", {"index": index, "name": state.name})
    try:
        child.start(state.processor, _selected(visit, state, effective, item))
    except StatesError as error:  # the item fails before it has begun
        del fiber.children[index]
        child.error = error
        child.previous = max(child.previous, fiber.previous)  # an EvaluationFailed, where there is one
        _raise_failure(fiber, child, state.name)
    assert visit.forked is not None
    visit.forked[index] = child


def _selected(visit: Visit, state: Map, effective: Payload, item: dict[str, Any]) -> Payload:
    """What an item's processor is given: ItemSelector's template, or the item itself."""
    if state.item_selector is None:
        return Payload(item["Value"])
    visit.item = item
    visit.next_attempt()
    try:
        if state.query_language == "JSONata":
            return visit.provided(visit.evaluate_states(state.item_selector, {"input": effective.value}))
        return visit.provided(visit.evaluate(state.item_selector, effective))
    finally:
        visit.item = None
        visit.next_attempt()
