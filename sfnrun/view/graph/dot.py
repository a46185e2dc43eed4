"""A graph in the language of Graphviz: `sfnrun trace export last --format dot | dot -Tpng > run.png`."""

from __future__ import annotations

from collections.abc import Iterator

from sfnrun.view.graph.model import Edge, Graph, Node, Path, times

__all__ = ["dot"]

_SHAPES = {"Choice": "diamond", "Succeed": "oval", "Fail": "oval", "Wait": "box"}
_STYLES = {
    "succeeded": ("#e6f4ea", "#1e8e3e"),
    "caught": ("#fef3d6", "#b06f00"),
    "failed": ("#fce8e6", "#c5221f"),
    "aborted": ("#eceff1", "#78909c"),
    "running": ("#e3effd", "#1a73e8"),
    "": ("#ffffff", "#bdbdbd"),
}


def dot(graph: Graph, path: Path) -> str:
    """The graph's text; states are coloured by how they went, the edges that were not taken are dotted."""
    head = [
        "digraph execution {",
        '  graph [fontname="Helvetica", compound=true, style=rounded, color="#b0bec5"]',
        '  node [fontname="Helvetica", fontsize=11, style="filled,rounded", shape=box]',
        '  edge [fontname="Helvetica", fontsize=9]',
    ]
    return "\n".join([*head, *_lines(graph, path, "  ", "start"), "}"])


def _lines(graph: Graph, path: Path, indent: str, start: str) -> Iterator[str]:
    yield f'{indent}{_quoted(start)} [label="", shape=circle, width=0.15, fillcolor="#455a64"]'
    for node in graph.nodes:
        yield from _node(node, path, indent)
    yield f"{indent}{_quoted(start)} -> {_quoted(graph.start)}"
    for edge in graph.edges:
        yield f"{indent}{_edge(edge, path)}"


def _node(node: Node, path: Path, indent: str) -> Iterator[str]:
    fill, stroke = _STYLES[path.outcome(node.name)]
    label = _quoted("\n".join([node.name, *path.labels(node.name)]))
    shape = _SHAPES.get(node.type, "box")
    about = f'label={label}, shape={shape}, fillcolor="{fill}", color="{stroke}"'
    if not node.inside:
        yield f"{indent}{_quoted(node.name)} [{about}]"
        return
    yield f"{indent}subgraph {_quoted(f'cluster {node.name}')} {{"
    yield f'{indent}  label="{node.type}"'
    yield f"{indent}  {_quoted(node.name)} [{about}]"
    for index, inside in enumerate(node.inside):
        start = f"{node.name} start {index}"
        yield f"{indent}  subgraph {_quoted(f'cluster {node.name} {index}')} {{"
        yield f"{indent}    label={_quoted(inside.title)}"
        yield from _lines(inside, path, indent + "    ", start)
        yield f"{indent}  }}"
        yield f"{indent}  {_quoted(node.name)} -> {_quoted(start)} [arrowhead=none]"
    yield f"{indent}}}"


def _edge(edge: Edge, path: Path) -> str:
    taken = path.taken[edge.source, edge.target]
    label = " ".join(filter(None, [edge.label, times(taken)]))
    style = 'penwidth=2, color="#37474f"' if taken else 'style=dotted, color="#90a4ae"'
    return f"{_quoted(edge.source)} -> {_quoted(edge.target)} [label={_quoted(label)}, {style}]"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
