"""When an event that happens now is the one that was recorded elsewhere: equal values, and chance that cannot be.

What a state makes of chance (a UUID, the time, its task token) nobody can compute again. There the values need only be
of the same shape, and the recorded ones count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sfnrun.payload import Json, Payload

__all__ = ["agreed", "same", "settled", "shaped_alike"]

# How AWS begins the causes of failures that it finds itself; what follows it words anew now and then.
_OF_THE_SERVICE = "An error occurred while executing the state "

# Members that AWS has for others than us: what was cut, versions and aliases, workers; and names, which are compared
# before anything else is.
_NOT_COMPARED = frozenset({
    "name", "index", "state", "inputDetails", "outputDetails", "assignedVariablesDetails", "stateMachineVersionArn",
    "stateMachineAliasArn", "workerName", "region",
})  # fmt: skip
_PAYLOADS = frozenset({"input", "output", "parameters"})

# It was added to the context object in November 2023.
_NEWER = "RedriveCount"


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal; 1, 1.0 and true are three values, the order of members is not significant."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def shaped_alike(one: Json, other: Json) -> bool:
    """Whether two JSON values differ in nothing but the texts and numbers that they hold."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() | other.keys()) - {_NEWER}
        return all(name in one and name in other and shaped_alike(one[name], other[name]) for name in names)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(shaped_alike, one, other))
    if isinstance(one, str) and isinstance(other, str):
        return True
    return (_is_number(one) and _is_number(other)) or same(one, other)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def settled(details: dict[str, Any], recorded: Mapping[str, Json], by_chance: bool) -> str | None:
    """Make the details of an event what they were when it was recorded; the name of the first member that cannot be."""
    for name in [*details, *(name for name in recorded if name not in details)]:
        if name in _NOT_COMPARED or (name in _PAYLOADS and _is_unknown(recorded, name)):
            continue
        now, was = details.get(name), recorded.get(name)
        counts = agreed(name, now, was, by_chance)
        if counts is not None:
            details[name] = counts
        elif now is not None or was is not None:
            return name
    return None


def _is_unknown(details: Mapping[str, Json], name: str) -> bool:
    """Whether the recording left a payload out (logs without execution data) or cut it."""
    about = details.get(f"{name}Details")
    return name not in details or (isinstance(about, dict) and bool(about.get("truncated")))


def agreed(name: str, now: Any, recorded: Any, by_chance: bool) -> Any:
    """What counts of a member of an event's details, or None if the two do not agree.

    A payload is given as a Payload now and as a text in the recording; the recorded text is kept.
    """
    if isinstance(now, Payload):
        return _agreed_payload(now, recorded, by_chance)
    if name == "assignedVariables":
        return _agreed_variables(now, recorded, by_chance)
    if name == "cause" and str(now).startswith(_OF_THE_SERVICE) and str(recorded).startswith(_OF_THE_SERVICE):
        return recorded
    return recorded if now == recorded or (by_chance and shaped_alike(now, recorded)) else None


def _agreed_payload(now: Payload, recorded: Any, by_chance: bool) -> Payload | None:
    if not isinstance(recorded, str):
        return None
    if now.text == recorded:
        return now
    try:
        found = Payload.parse(recorded)
    except ValueError:
        return None
    fits = same(now.value, found.value) or (by_chance and shaped_alike(now.value, found.value))
    return found if fits else None


def _agreed_variables(
    now: Mapping[str, Payload] | None, recorded: Any, by_chance: bool
) -> dict[str, Payload | None] | None:
    if not isinstance(recorded, Mapping) or now is None or now.keys() != recorded.keys():
        return None
    found = {name: _agreed_payload(payload, recorded[name], by_chance) for name, payload in now.items()}
    return None if None in found.values() else found
