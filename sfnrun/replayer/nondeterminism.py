"""Which states of a definition use what no second evaluation gives again: chance, the time, names and tokens."""

from __future__ import annotations

import re

from sfnrun.asl.field_table import NESTED_GRAPHS
from sfnrun.asl.model import Machine, every_state
from sfnrun.asl.text.source import from_text
from sfnrun.payload import Json, dumps

__all__ = ["states_using_chance"]

# The context object has the execution's names, times and the task token, and may be taken whole; these are certain.
_CERTAIN = r"(?!\.(?:Map\.Item|Execution\.Input|State\.(?:Name|RetryCount))\b)"
_CHANCE = re.compile(
    rf"(?:\$\$|\$states\.context){_CERTAIN}|\$states(?![.\w])|"
    r"States\.(?:UUID|MathRandom)|\$(?:uuid|random|now|millis|shuffle)\b"
)


def states_using_chance(machine: Machine) -> frozenset[str]:
    """Names of the states whose own fields read chance, the time or the context object."""
    definition = from_text(machine.text, machine.file, substitutions=machine.substitutions).value
    return frozenset(state.name for state in every_state(machine.graph) if _uses_chance(definition, state.pointer))


def _uses_chance(definition: Json, pointer: tuple[str | int, ...]) -> bool:
    for step in pointer:
        definition = definition[step]
    own = {field: value for field, value in definition.items() if field not in NESTED_GRAPHS}
    return _CHANCE.search(dumps(own)) is not None
