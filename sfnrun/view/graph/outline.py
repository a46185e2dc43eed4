"""A definition as a graph: states, the ways between them, and the graphs inside a Parallel or Map.

It reads the plain JSON of a definition that has been checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sfnrun.payload import Json

__all__ = ["Graph", "Node", "Way", "every_graph", "outline"]


class Way(NamedTuple):
    """From one state to another: `kind` is "next", "choice", "default" or "catch", `label` what is written on it."""

    source: str
    target: str
    kind: str
    label: str = ""


class Node(NamedTuple):
    """A state, and the graphs inside it: the branches of a Parallel, the processor of a Map."""

    name: str
    type: str
    ends: bool
    inside: tuple[Graph, ...] = ()


class Graph(NamedTuple):
    """States in the order of the definition, the ways between them, and where it starts. `title` tells a branch."""

    start: str
    nodes: tuple[Node, ...]
    ways: tuple[Way, ...]
    title: str = ""


def outline(definition: Mapping[str, Json], title: str = "") -> Graph:
    """The graph of a state machine, a branch or a processor."""
    states: Mapping[str, Any] = definition["States"]
    nodes = tuple(_node(name, state) for name, state in states.items())
    return Graph(definition["StartAt"], nodes, tuple(_all_ways(states)), title)


def every_graph(graph: Graph) -> Iterator[Graph]:
    """The graph and all that are inside it."""
    yield graph
    for node in graph.nodes:
        for inside in node.inside:
            yield from every_graph(inside)


def _node(name: str, state: Mapping[str, Json]) -> Node:
    branches = state.get("Branches") or ()
    titled = [(branch, f"branch {index}" if len(branches) > 1 else "") for index, branch in enumerate(branches)]
    titled += [(state[field], "each item") for field in ("ItemProcessor", "Iterator") if field in state]
    type = state["Type"]
    ends = bool(state.get("End")) or type in ("Succeed", "Fail")
    return Node(name, type, ends, tuple(outline(inside, title) for inside, title in titled))


def _all_ways(states: Mapping[str, Any]) -> Iterator[Way]:
    for name, state in states.items():
        ways = [*_ways(name, state)]
        # Several rules may lead to the same state; one line with all their labels is enough.
        for kind, target in dict.fromkeys((way.kind, way.target) for way in ways):
            labels = [way.label for way in ways if (way.kind, way.target) == (kind, target) and way.label]
            yield Way(name, target, kind, ", ".join(dict.fromkeys(labels)))


def _ways(name: str, state: Mapping[str, Any]) -> Iterator[Way]:
    for index, rule in enumerate(state.get("Choices") or (), 1):
        yield Way(name, rule["Next"], "choice", f"rule {index}")
    if "Default" in state:
        yield Way(name, state["Default"], "default", "default")
    if "Next" in state and state["Type"] != "Choice":
        yield Way(name, state["Next"], "next")
    for catcher in state.get("Catch") or ():
        yield Way(name, catcher["Next"], "catch", _errors(catcher["ErrorEquals"]))


def _errors(names: list[str]) -> str:
    shown = [name.removeprefix("States.") for name in names]
    return f"catch {', '.join(shown[:2])}{', …' if len(shown) > 2 else ''}"
