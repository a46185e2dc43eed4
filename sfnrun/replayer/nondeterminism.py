"""Finds the nondeterministic states of a definition: those that read random values, the time, names or task tokens."""

from __future__ import annotations

import re

from sfnrun.asl.field_table import NESTED_GRAPHS
from sfnrun.asl.model import Machine, every_state
from sfnrun.asl.text.source import from_text
from sfnrun.payload import Json, dumps

__all__ = ["nondeterministic_states"]

# The context object has the names and times of the execution and the task token; these fields are deterministic.
_DETERMINISTIC = r"(?!\.(?:Map\.Item|Execution\.Input|State\.(?:Name|RetryCount))\b)"
_NONDETERMINISTIC = re.compile(
    rf"(?:\$\$|\$states\.context){_DETERMINISTIC}|\$states(?![.\w])|"
    r"States\.(?:UUID|MathRandom)|\$(?:uuid|random|now|millis|shuffle)\b"
)


def nondeterministic_states(machine: Machine) -> frozenset[str]:
    """Return the names of the states whose own fields read random values, the time or the context object."""
    definition = from_text(machine.text, machine.file, substitutions=machine.substitutions).value
    return frozenset(
        state.name for state in every_state(machine.graph) if _is_nondeterministic(definition, state.pointer)
    )


def _is_nondeterministic(definition: Json, pointer: tuple[str | int, ...]) -> bool:
    for step in pointer:
        definition = definition[step]
    own = {field: value for field, value in definition.items() if field not in NESTED_GRAPHS}
    return _NONDETERMINISTIC.search(dumps(own)) is not None
