"""Choose the rule for a field that is not supported where it is; AWS has two messages for it, sfnrun several rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sfnrun.asl.field_table import rule_if_misplaced
from sfnrun.asl.model import STATE_TYPES

__all__ = ["rule_of_other_language", "rule_of_unsupported"]


def rule_of_other_language(language: str, part: str, field: str, value: Mapping[str, Any]) -> str:
    """Return the rule for a field that the other query language has here; `language` is that of the state."""
    if part == "Catcher":
        return "SFN-E15"
    if part == "Rule":
        return "SFN-C22" if language == "JSONata" else "SFN-C23" if field == "Condition" else "SFN-Q02"
    own = rule_if_misplaced(part, field)
    if own:
        return own
    if language == "JSONata":
        return "SFN-Q01"
    mixed = part == "Pass" and field == "Output" and value.keys() & {"Result", "Parameters"}
    return "SFN-P07" if mixed else "SFN-Q02"


def rule_of_unsupported(part: str, field: str, default: str, state_fields: frozenset[str]) -> str:
    """Return the rule for a field that neither language has here; `state_fields` are those of any state."""
    if part in STATE_TYPES:
        if field in ("Next", "End") and (part == "Choice" or STATE_TYPES[part].ends):
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
