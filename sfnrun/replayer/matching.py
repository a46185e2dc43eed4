"""Match an event with a recorded one, with allowance for nondeterministic values.

Values that a state makes from UUIDs, random numbers, the time or its task token cannot be computed again. There the two
values need only have the same shape, and the execution continues with the recorded one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sfnrun.errors import DivergenceError
from sfnrun.payload import Json, Payload, dumps, json_equal
from sfnrun.record import PAYLOADS

__all__ = ["adopt_recorded", "describe_event", "describe_value", "divergence", "match", "same_shape"]

# Prefix of causes that AWS generates. The rest of the text changes between AWS releases, so only this is compared.
_CAUSE_OF_AWS = "An error occurred while executing the state "

# Details that only AWS has (what was cut, versions and aliases, workers), and names, which are compared first.
_NOT_COMPARED = frozenset({
    "name", "index", "state", "inputDetails", "outputDetails", "assignedVariablesDetails", "stateMachineVersionArn",
    "stateMachineAliasArn", "workerName", "region",
})  # fmt: skip

# AWS added it to the context object in November 2023.
_NEW_IN_CONTEXT = "RedriveCount"


def same_shape(one: Json, other: Json) -> bool:
    """Return whether two JSON values differ only in the strings and numbers that they contain."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() | other.keys()) - {_NEW_IN_CONTEXT}
        return all(name in one and name in other and same_shape(one[name], other[name]) for name in names)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_shape, one, other))
    if isinstance(one, str) and isinstance(other, str):
        return True
    return (_is_number(one) and _is_number(other)) or json_equal(one, other)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def adopt_recorded(details: dict[str, Any], recorded: Mapping[str, Any], nondeterministic: bool) -> str | None:
    """Replace the details of an event by the recorded ones; return the name of the first that does not match."""
    for name in [*details, *(name for name in recorded if name not in details)]:
        if name in _NOT_COMPARED or (name in PAYLOADS and _is_unknown(recorded, name)):
            continue
        now, was = details.get(name), recorded.get(name)
        matched = match(name, now, was, nondeterministic)
        if matched is not None:
            details[name] = matched
        elif now is not None or was is not None:
            return name
    return None


def _is_unknown(details: Mapping[str, Any], name: str) -> bool:
    """Return whether the recording omits a payload (logs without execution data), or AWS cut it."""
    about = details.get(f"{name}Details")
    return name not in details or (isinstance(about, dict) and bool(about.get("truncated")))


def match(name: str, now: Any, recorded: Any, nondeterministic: bool = False) -> Any:
    """Return the recorded value of a detail if the two match, else None. A payload keeps its recorded text."""
    if isinstance(now, Payload):
        return _match_payload(now, recorded, nondeterministic)
    if name == "assignedVariables":
        return _match_variables(now, recorded, nondeterministic)
    if name == "cause" and str(now).startswith(_CAUSE_OF_AWS) and str(recorded).startswith(_CAUSE_OF_AWS):
        return recorded
    return recorded if now == recorded or (nondeterministic and same_shape(now, recorded)) else None


def _match_payload(now: Payload, recorded: Any, nondeterministic: bool) -> Payload | None:
    if not isinstance(recorded, Payload):
        return None
    if now.text == recorded.text:
        return now
    matches = json_equal(now.value, recorded.value) or (nondeterministic and same_shape(now.value, recorded.value))
    return recorded if matches else None


def _match_variables(
    now: Mapping[str, Payload] | None, recorded: Any, nondeterministic: bool
) -> dict[str, Payload | None] | None:
    if not isinstance(recorded, Mapping) or now is None or now.keys() != recorded.keys():
        return None
    found = {name: _match_payload(payload, recorded[name], nondeterministic) for name, payload in now.items()}
    return None if None in found.values() else found


# --- differences ---


def divergence(what: str, state: str | None, recorded: str, now: str) -> DivergenceError:
    """Return the error for a difference between a replay and its recording; both sides are text."""
    where = f"in state '{state}': " if state else ""
    return DivergenceError(where + what, state=state, recorded=recorded, now=now)


def describe_event(type: str, details: Mapping[str, Any]) -> str:
    """Return an event as one side of a difference."""
    name = details.get("name")
    return f"{type} of {name}" if name else type


def describe_value(value: Any) -> str:
    """Return a detail of an event as one side of a difference."""
    value = _text(value)
    return "nothing" if value is None else value if isinstance(value, str) else dumps(value)


def _text(value: Any) -> Json:
    if isinstance(value, Payload):
        return value.text
    if isinstance(value, dict):
        return {name: _text(member) for name, member in value.items()}
    return value
