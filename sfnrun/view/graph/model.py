"""A definition as a graph: states, edges and the graphs inside a Parallel or Map; and the path an execution took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sfnrun.history.visit import Visit
from sfnrun.payload import Json
from sfnrun.view.text import duration

__all__ = ["Edge", "Graph", "Node", "Path", "every_graph", "graph_of", "path_of", "times"]


class Edge(NamedTuple):
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
    """States in the order of the definition, the edges between them, and where it starts. `title` tells a branch."""

    start: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    title: str = ""


def graph_of(definition: Mapping[str, Json], title: str = "") -> Graph:
    """The graph of a state machine, a branch or a processor."""
    states: Mapping[str, Any] = definition["States"]
    nodes = tuple(_node(name, state) for name, state in states.items())
    return Graph(definition["StartAt"], nodes, tuple(_edges(states)), title)


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
    return Node(name, type, ends, tuple(graph_of(inside, title) for inside, title in titled))


def _edges(states: Mapping[str, Any]) -> Iterator[Edge]:
    for name, state in states.items():
        edges = [*_edges_of(name, state)]
        # Several rules may lead to the same state; one line with all their labels is enough.
        for kind, target in dict.fromkeys((edge.kind, edge.target) for edge in edges):
            labels = [edge.label for edge in edges if (edge.kind, edge.target) == (kind, target) and edge.label]
            yield Edge(name, target, kind, ", ".join(dict.fromkeys(labels)))


def _edges_of(name: str, state: Mapping[str, Any]) -> Iterator[Edge]:
    for index, rule in enumerate(state.get("Choices") or (), 1):
        yield Edge(name, rule["Next"], "choice", f"rule {index}")
    if "Default" in state:
        yield Edge(name, state["Default"], "default", "default")
    if "Next" in state and state["Type"] != "Choice":
        yield Edge(name, state["Next"], "next")
    for catcher in state.get("Catch") or ():
        yield Edge(name, catcher["Next"], "catch", _errors(catcher["ErrorEquals"]))


def _errors(names: list[str]) -> str:
    shown = [name.removeprefix("States.") for name in names]
    return f"catch {', '.join(shown[:2])}{', …' if len(shown) > 2 else ''}"


# Of several visits the one that went worst is shown.
_WORST = ("failed", "caught", "aborted", "running", "succeeded")


def times(count: int) -> str:
    """How often, for what was more than once: "\u00d73"."""
    return f"\u00d7{count:,}" if count > 1 else ""


class Path:
    """The visits of each state, and how often each edge was taken, by the names of its two ends."""

    def __init__(self) -> None:
        self.visits: dict[str, list[Visit]] = defaultdict(list)
        self.taken: Counter[tuple[str, str]] = Counter()

    def outcome(self, state: str) -> str:
        """How the state went: an outcome of Visit, or "" if it was not visited."""
        found = {visit.outcome for visit in self.visits.get(state, ())}
        return next((outcome for outcome in _WORST if outcome in found), "")

    def labels(self, state: str) -> list[str]:
        """What is written under the state's name: how long, how often, how many retries, and its error."""
        visits = self.visits.get(state, ())
        if not visits:
            return []
        took = [visit.took for visit in visits]
        parts = [times(len(visits))] if len(visits) > 1 else []
        if any(took):
            longest = f"≤ {duration(max(took))}" if len(visits) > 1 else duration(took[0])
            parts.append(longest)
        retries = sum(visit.retries for visit in visits)
        if retries:
            parts.append("1 retry" if retries == 1 else f"{retries:,} retries")
        errors = dict.fromkeys(visit.error for visit in visits if visit.error and visit.outcome in ("failed", "caught"))
        return [*([" · ".join(parts)] if parts else []), *[str(error) for error in errors][:2]]


def path_of(visits: Iterable[Visit]) -> Path:
    """The path that visits, in order, make."""
    path = Path()
    last: dict[str, str] = {}
    for visit in visits:
        path.visits[visit.name].append(visit)
        if visit.fiber in last:
            path.taken[last[visit.fiber], visit.name] += 1
        last[visit.fiber] = visit.name
    return path
