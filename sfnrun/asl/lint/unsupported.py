"""Which rule a field breaks that is not supported where it stands; AWS has two messages, we have more reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sfnrun.asl.lint.outline import TYPES, WITHOUT_NEXT

__all__ = ["rule_of_other_language", "rule_of_unsupported"]

# Fields of JSONPath states with a rule of their own for being in a JSONata state.
_OF_JSONPATH = {
    "TimeoutSecondsPath": "SFN-T18",
    "HeartbeatSecondsPath": "SFN-T18",
    "SecondsPath": "SFN-W06",
    "TimestampPath": "SFN-W06",
    "ErrorPath": "SFN-P05",
    "CausePath": "SFN-P05",
}
_OF_EVERY_STATE = ("InputPath", "OutputPath", "ResultPath", "ResultSelector")
_MAP_PARTS = ("Map", "ItemReader", "ReaderConfig", "ItemBatcher", "ResultWriter")


def rule_of_other_language(language: str, part: str, field: str, value: Mapping[str, Any]) -> str:
    """The rule for a field that the other query language has here; `language` is the one of the state."""
    if part == "Catcher":
        return "SFN-E15"
    if language == "JSONata":
        if part == "Rule":
            return "SFN-C22"
        if part in _MAP_PARTS and field not in _OF_EVERY_STATE:
            return "SFN-M25"
        return _OF_JSONPATH.get(field, "SFN-Q01")
    if field == "Condition":
        return "SFN-C23"
    if field == "Items":
        return "SFN-M24"
    mixed = part == "Pass" and field == "Output" and value.keys() & {"Result", "Parameters"}
    return "SFN-P07" if mixed else "SFN-Q02"


def rule_of_unsupported(part: str, field: str, default: str, state_fields: frozenset[str]) -> str:
    """The rule for a field that neither language has here; `state_fields` are those that some state has."""
    if part in TYPES:
        if field in ("Next", "End") and part in WITHOUT_NEXT:
            return "SFN-F09"
        if field == "Assign":
            return "SFN-V04"
        return "SFN-F10" if field in state_fields else default
    if part in ("Rule", "NestedRule"):
        if field in ("Next", "Assign", "Output"):
            return "SFN-C17"
        if field == "StringMatchesPath" or (field.startswith("Is") and field.endswith("Path")):
            return "SFN-C21"
        if field == "Condition":
            return "SFN-C23"
    return default
