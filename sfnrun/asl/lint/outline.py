"""Scopes, states and transitions of an unvalidated definition, for the rules.

Nothing here assumes that the shape is right: a value of the wrong type is skipped, and the schema reports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from sfnrun.asl.model import STATE_TYPES
from sfnrun.payload import Json

if TYPE_CHECKING:
    from sfnrun.asl.text.source import Source

__all__ = [
    "TYPES",
    "WITHOUT_NEXT",
    "Outline",
    "Scope",
    "State",
    "Transition",
    "has_placeholder",
    "is_placeholder",
    "objects",
    "plain",
]

Pointer = tuple[str | int, ...]

# Compiled on first use: together the patterns of the rules take as long to compile as a definition to read.
_PLACEHOLDER = r"\$\{[^{}]+\}"
_WHOLE = r"\s*\$\{[^{}]+\}\s*"

TYPES = tuple(STATE_TYPES)
WITHOUT_NEXT = frozenset({"Choice", *(name for name, state in STATE_TYPES.items() if state.ends)})


def is_placeholder(value: Json) -> bool:
    """Whether a value is a placeholder, whose value is not known yet: `"${Name}"`."""
    return isinstance(value, str) and "${" in value and re.fullmatch(_WHOLE, value) is not None


def has_placeholder(value: Json) -> bool:
    """Whether a string contains a placeholder, so that its text is not final."""
    return isinstance(value, str) and "${" in value and re.search(_PLACEHOLDER, value) is not None


def plain(name: str) -> str:
    """Return a name without case, spaces, hyphens and underscores."""
    return "".join(name.split()).replace("-", "").replace("_", "").casefold()


def objects(value: Json, pointer: Pointer) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """Yield the objects of an array with their pointers."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield (*pointer, index), item


class Transition(Struct, frozen=True):
    """A transition of a state: the pointer of the target's name, and the name."""

    pointer: Pointer
    target: Json


class State(Struct, eq=False, dict=True):
    """One state. `type` is "" if it is missing or unknown; `language` is the query language of its expressions."""

    name: str
    pointer: Pointer
    value: dict[str, Any]
    type: str
    language: str
    scope: Scope
    scopes: list[Scope] = field(default_factory=list)

    def at(self, *steps: str | int) -> Pointer:
        return (*self.pointer, *steps)

    def get(self, name: str) -> Json:
        return self.value.get(name)

    @property
    def is_jsonata(self) -> bool:
        return self.language == "JSONata"

    def literal(self, name: str) -> Json:
        """Return the value of a field, or None if it is missing or a placeholder."""
        value = self.value.get(name)
        return None if is_placeholder(value) else value

    @property
    def is_terminal(self) -> bool:
        """Whether the state ends its scope, or may do so because its type is unknown."""
        if self.type in WITHOUT_NEXT or not self.type:
            return self.type != "Choice"
        return bool(self.value.get("End", False))

    @property
    def lacks_transition(self) -> bool:
        """Whether a required transition is missing, which is a problem of its own and the cause of others."""
        if self.type in ("Succeed", "Fail"):
            return False
        return not self.transitions and (self.type == "Choice" or self.value.get("End", False) is False)

    @cached_property
    def transitions(self) -> list[Transition]:
        """Every Next and Default, in AWS's order: of the state, its rules, its catchers."""
        found = [Transition(self.at(name), self.value[name]) for name in ("Next", "Default") if name in self.value]
        for name in ("Choices", "Catch"):
            for pointer, item in objects(self.value.get(name), self.at(name)):
                if "Next" in item:
                    found.append(Transition((*pointer, "Next"), item["Next"]))
        return found

    @property
    def catchers(self) -> Iterator[tuple[Pointer, dict[str, Any]]]:
        return objects(self.value.get("Catch"), self.at("Catch"))

    @property
    def retriers(self) -> Iterator[tuple[Pointer, dict[str, Any]]]:
        return objects(self.value.get("Retry"), self.at("Retry"))

    @property
    def choices(self) -> Iterator[tuple[Pointer, dict[str, Any]]]:
        return objects(self.value.get("Choices"), self.at("Choices"))

    @property
    def assigns(self) -> Iterator[tuple[Pointer, dict[str, Any]]]:
        """The Assign objects of the state, its rules and its catchers."""
        for pointer, holder in ((self.pointer, self.value), *self.choices, *self.catchers):
            assign = holder.get("Assign")
            if isinstance(assign, dict):
                yield (*pointer, "Assign"), assign

    def variables_of(self, assign: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the final names that an Assign sets, each with its key."""
        for key in assign:
            if not has_placeholder(key):
                yield (key if self.is_jsonata else key.removesuffix(".$")), key

    @cached_property
    def assigned(self) -> list[tuple[Pointer, str]]:
        """The variables that the state can set, with the pointers of their names."""
        return [((*pointer, key), name) for pointer, assign in self.assigns for name, key in self.variables_of(assign)]

    @property
    def is_distributed(self) -> bool:
        """Whether this is a Map whose iterations are child executions."""
        config = self._processor.get("ProcessorConfig")
        return isinstance(config, dict) and config.get("Mode") == "DISTRIBUTED"

    @property
    def _processor(self) -> Mapping[str, Any]:
        processor = self.value.get("ItemProcessor", self.value.get("Iterator"))
        return processor if isinstance(processor, dict) else {}


class Scope(Struct, eq=False, dict=True):
    """One `States` object with its StartAt: of the state machine, a branch or a Map processor."""

    pointer: Pointer
    value: dict[str, Any]
    owner: State | None
    states: dict[str, State] = field(default_factory=dict)

    @property
    def start(self) -> Json:
        return self.value.get("StartAt")

    @property
    def ancestors(self) -> Iterator[State]:
        """The states that contain this scope, innermost first."""
        owner = self.owner
        while owner is not None:
            yield owner
            owner = owner.scope.owner

    def next_states(self, state: State) -> Iterator[State]:
        for transition in state.transitions:
            if isinstance(transition.target, str) and transition.target in self.states:
                yield self.states[transition.target]

    @cached_property
    def plain_names(self) -> dict[str, str]:
        """The names of its states by their form without case, spaces, hyphens and underscores."""
        return {plain(name): name for name in self.states}

    @cached_property
    def names_inside(self) -> dict[str, State]:
        """The names in the scopes directly inside, with the Map or Parallel that contains them."""
        owners = self.states.values()
        return {name: owner for owner in owners for inner in owner.scopes for name in inner.states}

    @cached_property
    def variables_inside(self) -> dict[str, State]:
        """The variables that inner scopes assign, at any depth, with the Map or Parallel of the scope."""
        found: dict[str, State] = {}
        waiting: list[Scope] = [self]
        while waiting:
            for owner in waiting.pop().states.values():
                for inner in owner.scopes:
                    found.update(dict.fromkeys(inner.assigned, owner))
                    waiting.append(inner)
        return found

    @cached_property
    def dangling(self) -> list[Transition]:
        """The transitions to states that the scope does not have."""
        return [
            transition
            for state in self.states.values()
            for transition in state.transitions
            if self.lacks(transition.target)
        ]

    def lacks(self, target: Json) -> bool:
        """Whether a final name is not the name of a state."""
        return isinstance(target, str) and target != "" and target not in self.states and not has_placeholder(target)

    @cached_property
    def assigned(self) -> frozenset[str]:
        """The variables that its states set, without those of inner scopes."""
        return frozenset(name for state in self.states.values() for _, name in state.assigned)

    @cached_property
    def reachable(self) -> set[str]:
        """The names of the states that can be reached from StartAt."""
        start = self.states.get(self.start) if isinstance(self.start, str) else None
        return self.reached_from(start)

    def reached_from(self, start: State | None) -> set[str]:
        seen = {start.name} if start else set()
        waiting = [start] if start else []
        while waiting:
            for state in self.next_states(waiting.pop()):
                if state.name not in seen:
                    seen.add(state.name)
                    waiting.append(state)
        return seen

    @cached_property
    def has_unknown_transitions(self) -> bool:
        """Whether transitions are unknown: a target is a placeholder, or a state has none."""
        names = [self.start, *(transition.target for state in self.states.values() for transition in state.transitions)]
        unknown = any(not isinstance(name, str) or not name or has_placeholder(name) for name in names)
        unknown = unknown or any(has_placeholder(name) for name in self.states)
        return unknown or any(self.states[name].lacks_transition for name in self.reachable)


class Outline(Struct, eq=False, dict=True):
    """A whole definition: all its scopes and states, outermost first."""

    value: dict[str, Any]
    workflow_type: str = "STANDARD"
    source: Source | None = None
    language: str = "JSONPath"
    scopes: list[Scope] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    @classmethod
    def of(cls, value: Json, workflow_type: str = "STANDARD", source: Source | None = None) -> Outline:
        outline = cls(value if isinstance(value, dict) else {}, workflow_type, source)
        outline.language = "JSONata" if outline.value.get("QueryLanguage") == "JSONata" else "JSONPath"
        # Not recursive: nesting uses constant stack space.
        waiting = [Scope((), outline.value, None)]
        while waiting:
            scope = waiting.pop(0)
            outline.scopes.append(scope)
            waiting += outline._read(scope)
        return outline

    def _read(self, scope: Scope) -> list[Scope]:
        inner: list[Scope] = []
        states = scope.value.get("States")
        for name, value in states.items() if isinstance(states, dict) else ():
            if isinstance(value, dict):
                state = self._state(scope, name, value)
                scope.states[name] = state
                self.states.append(state)
                inner += state.scopes
        return inner

    def _state(self, scope: Scope, name: str, value: dict[str, Any]) -> State:
        type_ = value.get("Type")
        language = value.get("QueryLanguage", self.language)
        state = State(
            name=name,
            pointer=(*scope.pointer, "States", name),
            value=value,
            type=type_ if isinstance(type_, str) and type_ in TYPES else "",
            language=language if language in ("JSONPath", "JSONata") else self.language,
            scope=scope,
        )
        state.scopes = [Scope(pointer, inner, state) for pointer, inner in _inner_scopes(state)]
        return state


def _inner_scopes(state: State) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    if state.type == "Parallel":
        yield from objects(state.get("Branches"), state.at("Branches"))
    elif state.type == "Map":
        for name in ("ItemProcessor", "Iterator"):
            if isinstance(state.get(name), dict):
                yield state.at(name), state.get(name)
