"""Rules about the names of states."""

from __future__ import annotations

import re

from sfnrun.asl.lint.outline import Outline, Scope, has_placeholder
from sfnrun.asl.lint.rule import Finding, Findings, rule
from sfnrun.asl.text.source import location_text

__all__: list[str] = []

MAX_LENGTH = 80
_FORBIDDEN = r"[\x00-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]"
_PLAIN = r"[0-9A-Za-z_-]*"


@rule("SFN-N01", on="machine", code="DUPLICATE_STATE_NAME")
def names_are_unique(outline: Outline) -> Findings:
    """Checks for state names that are used twice in the state machine, including nested scopes.

    Why is this bad? The history identifies a state by its name, so AWS rejects the definition.

    Example: a state "Notify" in each of two branches

    How to fix: rename one: "Notify customer" and "Notify stock"
    """
    first: dict[str, tuple[str | int, ...]] = {}
    for state in outline.states:
        if state.name in first:
            hint = f"also used at {location_text(first[state.name])}"
            yield Finding(state.pointer, f"Duplicate State name: {state.name}", hint, key=True)
        first.setdefault(state.name, state.pointer)


def _names(scope: Scope) -> list[str]:
    """The names of a scope, those of broken states too, without names that are not final yet."""
    states = scope.value.get("States")
    return [name for name in states if not has_placeholder(name)] if isinstance(states, dict) else []


@rule("SFN-N02", on="scope", code="INVALID_STATE_NAME")
def names_are_not_too_long(scope: Scope) -> Findings:
    """Checks for state names longer than 80 characters.

    Why is this bad? AWS rejects them.

    Example: a name that is a sentence

    How to fix: shorten the name and put the details in `Comment`
    """
    for name in _names(scope):
        if len(name) > MAX_LENGTH:
            message = f"State name is {len(name)} characters long; the limit is {MAX_LENGTH}"
            yield Finding((*scope.pointer, "States", name), message, key=True)


@rule("SFN-N03", on="scope", code="INVALID_STATE_NAME")
def names_are_not_empty(scope: Scope) -> Findings:
    """Checks for empty state names.

    Why is this bad? AWS rejects the definition: no transition can name the state.

    Example: `"States": {"": {"Type": "Succeed"}}`

    How to fix: `"States": {"Done": {"Type": "Succeed"}}`
    """
    if "" in _names(scope):
        yield Finding((*scope.pointer, "States", ""), "State name cannot be empty", key=True)


@rule("SFN-N04", on="scope", severity="info", code="", default=False)
def names_are_plain(scope: Scope) -> Findings:
    """Notes state names with characters other than 0-9, A-Z, a-z, - and _. Off by default; enable with `--select N04`.

    Why is this bad? They are valid, but some queries of CloudWatch logs must quote them.

    Example: "Charge card (retry)"

    How to fix: "Charge-card-retry"
    """
    for name in _names(scope):
        if not re.fullmatch(_PLAIN, name):
            message = "Name contains characters that some log queries must quote"
            yield Finding((*scope.pointer, "States", name), message, key=True)


@rule("SFN-N05", on="scope", code="INVALID_STATE_NAME")
def names_have_no_control_characters(scope: Scope) -> Findings:
    r"""Checks for control characters, U+FFFE, U+FFFF and unpaired surrogates in state names.

    Why is this bad? AWS rejects them, and logs do not show them.

    Example: `"Charge\u0007"`

    How to fix: `"Charge"`
    """
    for name in _names(scope):
        found = None if name.isprintable() else re.search(_FORBIDDEN, name)
        if found:
            yield Finding((*scope.pointer, "States", name), f"State name contains U+{ord(found[0]):04X}", key=True)
