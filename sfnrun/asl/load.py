"""From whatever holds a definition to a Machine that can be run, or to all the Problems that it has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from sfnrun.asl.lint.inspection import Wanted, inspect, problems_of
from sfnrun.asl.lint.machines import machine_in
from sfnrun.asl.model import Machine, Map, Parallel, State, StateMachine
from sfnrun.asl.parse import parse
from sfnrun.asl.text.source import Source, from_text, from_value, unresolved_problems
from sfnrun.errors import DefinitionError, Problem, UsageError
from sfnrun.payload import Json

__all__ = ["Definition", "WorkflowType", "as_source", "every_state", "load", "validate"]

Definition = Machine | Source | Mapping[str, Any] | str | Path
WorkflowType = Literal["STANDARD", "EXPRESS"]


def load(
    definition: Definition,
    *,
    substitutions: Mapping[str, Json] | None = None,
    workflow_type: WorkflowType = "STANDARD",
    limits: bool = True,
    ignore: Collection[str] = (),
    on_warnings: Callable[[list[Problem]], None] = lambda warnings: None,
) -> Machine:
    """The Machine of a definition: a path, its text, or its JSON value. Raises DefinitionError with its Problems.

    `ignore` are rules whose Problems do not count. `on_warnings` is given the warnings, if there are any.
    """
    if isinstance(definition, Machine):
        return definition
    source = as_source(definition, substitutions, limits=limits)
    problems = problems_of(source, workflow_type, (), ignore)
    errors = [problem for problem in problems if problem.severity == "error"] + unresolved_problems(source)
    if errors:
        raise DefinitionError(errors)
    warnings = [problem for problem in problems if problem.severity == "warning"]
    if warnings:
        on_warnings(warnings)
    machine = parse(source)
    unsupported = _unsupported(source, machine.graph)
    if unsupported:
        raise DefinitionError(unsupported)
    return machine


def as_source(
    definition: Definition, substitutions: Mapping[str, Json] | None = None, *, limits: bool = True
) -> Source:
    """Read a definition, wherever it is. A string that begins with `{` or has several lines is the text itself."""
    match definition:
        case Source():
            return definition
        case Path():
            return machine_in(str(definition), substitutions, limits=limits)
        case str() if _is_text(definition):
            return from_text(definition, "<definition>", substitutions=substitutions, limits=limits)
        case str():
            return machine_in(definition, substitutions, limits=limits)
        case Mapping():
            return from_value(dict(definition), "<definition>")
    raise UsageError(f"A definition is a path, a text or a dict, not {type(definition).__name__}.")


def _is_text(definition: str) -> bool:
    return definition.lstrip().startswith("{") or "\n" in definition


def validate(
    definition: Definition,
    *,
    substitutions: Mapping[str, Json] | None = None,
    workflow_type: WorkflowType | None = None,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
) -> list[Problem]:
    """All Problems of a definition, in order of line; none is hidden by another. Nothing of the user's is run.

    A path may be that of a CloudFormation, SAM, CDK or Serverless template: its machines are checked, as the
    `workflow_type` that it says. `select` are the rules to check instead of those that are on by default, `ignore`
    those to leave out: ids as "SFN-G02", or sections as "SFN-G".
    """
    if isinstance(definition, Path) or (isinstance(definition, str) and not _is_text(definition)):
        wanted = Wanted(substitutions or {}, workflow_type or "", tuple(select), tuple(ignore))
        return [problem for found in inspect(str(definition), wanted) for problem in found.problems]
    try:
        source = as_source(definition, substitutions)
    except DefinitionError as error:
        return list(error.problems)
    return problems_of(source, workflow_type or "STANDARD", select, ignore)


def _unsupported(source: Source, graph: StateMachine) -> list[Problem]:
    """What AWS runs and we do not yet: named before anything starts, never ignored."""
    problems: list[Problem] = []
    for state in every_state(graph):
        if isinstance(state, Map) and state.distributed:
            problems.append(
                source.problem(
                    "SFN-U01",
                    f"Map state '{state.name}' is DISTRIBUTED, which cannot be run here yet.",
                    (*state.pointer, "ItemProcessor", "ProcessorConfig", "Mode"),
                    hint="Set Mode to INLINE for a local run.",
                )
            )
    return problems


def every_state(graph: StateMachine) -> list[State]:
    """All states of a graph and of all graphs inside it."""
    found: list[State] = []
    graphs = [graph]
    while graphs:
        for state in graphs.pop().states.values():
            found.append(state)
            if isinstance(state, Map):
                graphs.append(state.processor)
            elif isinstance(state, Parallel):
                graphs += state.branches
    return found
