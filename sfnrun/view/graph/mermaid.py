"""A graph as a Mermaid flowchart, which GitHub, GitLab and many editors draw."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.view.graph.model import Edge, Graph, Node, Path, times

__all__ = ["mermaid"]

_SHAPES = {"Choice": ("{", "}"), "Wait": ("([", "])"), "Succeed": ("([", "])"), "Fail": ("([", "])")}
_STYLES = {
    "succeeded": "fill:#e6f4ea,stroke:#1e8e3e,color:#0b3d1c",
    "caught": "fill:#fef3d6,stroke:#b06f00,color:#5c3a00",
    "failed": "fill:#fce8e6,stroke:#c5221f,color:#6d0f0d",
    "aborted": "fill:#eceff1,stroke:#78909c,color:#37474f",
    "running": "fill:#e3effd,stroke:#1a73e8,color:#0b3a75",
    "unvisited": "fill:#ffffff,stroke:#bdbdbd,color:#9e9e9e",
}


def mermaid(graph: Graph, path: Path) -> str:
    """The chart's text; the path is in its colours, the edges that were not taken are dotted."""
    return "\n".join(_Chart(path).lines(graph))


class _Chart:
    """Numbers states, since a name may hold anything, and edges, since styles are given to them by number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids: dict[str, str] = {}

    def lines(self, graph: Graph) -> Iterator[str]:
        yield "flowchart TD"
        yield from self._graph(graph, "  ", "start")
        for name, style in _STYLES.items():
            yield f"  classDef {name} {style}"

    def _graph(self, graph: Graph, indent: str, start: str) -> Iterator[str]:
        yield f"{indent}{start}(( ))"
        for node in graph.nodes:
            yield from self._node(node, indent)
        yield f"{indent}{start} --> {self._id(graph.start)}"
        for edge in graph.edges:
            yield f"{indent}{self._edge(edge)}"

    def _node(self, node: Node, indent: str) -> Iterator[str]:
        id = self._id(node.name)
        outcome = self._path.outcome(node.name) or "unvisited"
        label = "<br/>".join(_escaped(text) for text in (node.name, *self._path.labels(node.name)))
        if not node.inside:
            left, right = _SHAPES.get(node.type, ("[", "]"))
            yield f'{indent}{id}{left}"{label}"{right}:::{outcome}'
            return
        yield f'{indent}subgraph {id}["{label}"]'
        for index, inside in enumerate(node.inside):
            yield f'{indent}  subgraph {id}b{index}["{_escaped(inside.title or " ")}"]'
            yield from self._graph(inside, indent + "    ", f"{id}b{index}s")
            yield f"{indent}  end"
        yield f"{indent}end"
        yield f"{indent}class {id} {outcome}"

    def _edge(self, edge: Edge) -> str:
        taken = self._path.taken[edge.source, edge.target]
        label = " ".join(filter(None, [edge.label, times(taken)]))
        arrow = "==>" if taken else "-.->"
        written = f'|"{_escaped(label)}"|' if label else ""
        return f"{self._id(edge.source)} {arrow}{written} {self._id(edge.target)}"

    def _id(self, name: str) -> str:
        return self._ids.setdefault(name, f"s{len(self._ids) + 1}")


def _escaped(text: str) -> str:
    """Mermaid has entities of its own: `#` and a number, or a name."""
    text = text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
    return "".join(each if each.isprintable() else " " for each in text)
