"""A graph as an SVG picture of its own: no script, no font and no file from elsewhere.

States are coloured by how they went, with their times, retries and errors; the edges that were taken are drawn through.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple
from xml.sax.saxutils import escape

from sfnrun.view.graph.layout import Box, Layout, Point, layered
from sfnrun.view.graph.model import Edge, Graph, Node, Path, times
from sfnrun.view.text import cells, fit

__all__ = ["svg"]

# outcome -> fill, stroke, text
_COLOURS = {
    "succeeded": ("#e6f4ea", "#1e8e3e", "#0b3d1c"),
    "caught": ("#fef3d6", "#b06f00", "#5c3a00"),
    "failed": ("#fce8e6", "#c5221f", "#6d0f0d"),
    "aborted": ("#eceff1", "#78909c", "#37474f"),
    "running": ("#e3effd", "#1a73e8", "#0b3a75"),
    "": ("#ffffff", "#c4c9ce", "#9aa0a6"),
}
_START, _END = "\0start", "\0end"
_DOT = 14.0
_NAME_WIDTH, _SMALL_WIDTH = 7.4, 6.2
_LONGEST = 34
_LINE = 15.0
_PADDING = 14.0
_TITLE = 20.0
_MARGIN = 16.0

_STYLE = (
    "text{font-family:ui-sans-serif,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;text-anchor:middle}"
    ".name{font-size:13px;font-weight:600}.small{font-size:11px}.type{font-size:10px;fill:#80868b}"
    ".title{font-size:10px;fill:#80868b;text-anchor:start}"
    ".label{font-size:10px;fill:#5f6368;paint-order:stroke;stroke:#fff;stroke-width:3px}"
    ".edge{fill:none;stroke:#b8bec4;stroke-width:1.2;stroke-dasharray:3 3}"
    ".taken{stroke:#3c4043;stroke-width:1.8;stroke-dasharray:none}"
)


class Part(NamedTuple):
    """A graph with its layout, and those of the graphs inside its states."""

    graph: Graph
    layout: Layout
    inside: dict[str, list[Part]]


def svg(graph: Graph, path: Path) -> str:
    """The picture's text."""
    part = _laid_out(graph, path, outermost=True)
    width, height = part.layout.width + 2 * _MARGIN, part.layout.height + 2 * _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">'
    )
    return "\n".join([head, *_definitions(), *_drawn(part, path, _MARGIN, _MARGIN), "</svg>"])


def _definitions() -> Iterator[str]:
    yield f"<style>{_STYLE}</style>"
    yield "<defs>"
    for name, colour in (("edge", "#b8bec4"), ("taken", "#3c4043")):
        yield (
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        )
    yield "</defs>"
    yield '<rect width="100%" height="100%" fill="#fff"/>'


# --- sizes and places ---


def _laid_out(graph: Graph, path: Path, *, outermost: bool = False) -> Part:
    inside = {node.name: [_laid_out(each, path) for each in node.inside] for node in graph.nodes}
    sizes = {_START: (_DOT, _DOT)}
    sizes |= {node.name: _size(node, inside[node.name], path) for node in graph.nodes}
    edges = [(_START, graph.start), *((edge.source, edge.target) for edge in graph.edges)]
    if outermost:
        sizes[_END] = (_DOT, _DOT)
        edges += [(node.name, _END) for node in graph.nodes if node.ends and node.type != "Fail"]
    return Part(graph, layered(sizes, edges, _START), inside)


def _size(node: Node, inside: list[Part], path: Path) -> tuple[float, float]:
    texts = path.labels(node.name)
    width = max([cells(_short(node.name)) * _NAME_WIDTH, *(cells(_short(text)) * _SMALL_WIDTH for text in texts), 76.0])
    width += 2 * _PADDING
    height = 2 * _LINE + _LINE * len(texts) + _PADDING
    if not inside:
        return width, height
    across = sum(part.layout.width + 2 * _PADDING for part in inside) + _PADDING * (len(inside) + 1)
    tallest = max(part.layout.height for part in inside)
    return max(width, across), height + tallest + _TITLE + 3 * _PADDING


def _short(text: str) -> str:
    return fit(text, _LONGEST)


# --- drawing ---


def _drawn(part: Part, path: Path, x: float, y: float) -> Iterator[str]:
    layout = part.layout
    yield f'<g transform="translate({x:.1f} {y:.1f})">'
    for place, edge in enumerate(part.graph.edges):
        yield from _edge(edge, layout, path, place)
    yield from _plain_way(_START, part.graph.start, layout, taken=bool(path.visits.get(part.graph.start)))
    for node in part.graph.nodes:
        yield from _node(node, layout.boxes[node.name], part.inside[node.name], path)
        if _END in layout.boxes and node.ends and node.type != "Fail":
            reached = path.outcome(node.name) in ("succeeded", "caught")
            yield from _plain_way(node.name, _END, layout, taken=reached)
    for place, edge in enumerate(part.graph.edges):
        yield from _label(edge, layout, path, place)
    yield from _dots(layout)
    yield "</g>"


def _dots(layout: Layout) -> Iterator[str]:
    for name, fill in ((_START, "#3c4043"), (_END, "#fff")):
        box = layout.boxes.get(name)
        if box is not None:
            middle = box.y + _DOT / 2
            yield (
                f'<circle cx="{box.middle:.1f}" cy="{middle:.1f}" r="{_DOT / 2 - 1.5}" fill="{fill}" '
                'stroke="#3c4043" stroke-width="2.5"/>'
            )


def _node(node: Node, box: Box, inside: list[Part], path: Path) -> Iterator[str]:
    fill, stroke, ink = _COLOURS[path.outcome(node.name)]
    dashes = "" if path.outcome(node.name) else ' stroke-dasharray="4 3"'
    yield f"<g><title>{_text(node.name)}</title>"
    yield (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="9" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="1.5"{dashes}/>'
    )
    line = box.y + _PADDING / 2 + _LINE * 0.85
    yield f'<text class="name" x="{box.middle:.1f}" y="{line:.1f}" fill="{ink}">{_text(_short(node.name))}</text>'
    yield f'<text class="type" x="{box.middle:.1f}" y="{line + _LINE:.1f}">{node.type}</text>'
    for number, label in enumerate(path.labels(node.name), 2):
        at = line + number * _LINE
        yield f'<text class="small" x="{box.middle:.1f}" y="{at:.1f}" fill="{ink}">{_text(_short(label))}</text>'
    if inside:
        top = line + (1 + len(path.labels(node.name))) * _LINE + _PADDING
        yield from _branches(inside, box, top, path)
    yield "</g>"


def _branches(inside: list[Part], box: Box, top: float, path: Path) -> Iterator[str]:
    used = sum(part.layout.width + 2 * _PADDING for part in inside) + _PADDING * (len(inside) - 1)
    left = box.middle - used / 2
    height = box.bottom - top - _PADDING
    for part in inside:
        width = part.layout.width + 2 * _PADDING
        yield (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6" '
            'fill="#fff" fill-opacity="0.75" stroke="#dadce0"/>'
        )
        yield f'<text class="title" x="{left + 8:.1f}" y="{top + 14:.1f}">{_text(part.graph.title)}</text>'
        yield from _drawn(part, path, left + _PADDING, top + _TITLE)
        left += width + _PADDING


def _edge(edge: Edge, layout: Layout, path: Path, place: int) -> Iterator[str]:
    taken = bool(path.taken[edge.source, edge.target])
    if (edge.source, edge.target) in layout.back:
        yield _way_back(edge, layout, taken, place)
    else:
        yield from _plain_way(edge.source, edge.target, layout, taken=taken)


def _label(edge: Edge, layout: Layout, path: Path, place: int) -> Iterator[str]:
    """What is written on an edge, over everything else."""
    taken = path.taken[edge.source, edge.target]
    label = " ".join(filter(None, [edge.label, times(taken)]))
    if not label:
        return
    if (edge.source, edge.target) in layout.back:
        x, low, high = _around(edge, layout, place)
        at = (x, (low + high) / 2)
    else:
        (ax, ay), (bx, by), *_ = _points(edge.source, edge.target, layout)
        at = (ax + (bx - ax) * 0.72, ay + (by - ay) * 0.6)  # where edges from the same state have parted
    yield f'<text class="label" x="{at[0]:.1f}" y="{at[1] + 3:.1f}">{_text(label)}</text>'


def _points(source: str, target: str, layout: Layout) -> list[Point]:
    above, below = layout.boxes[source], layout.boxes[target]
    return [(above.middle, above.bottom), *layout.bends.get((source, target), ()), (below.middle, below.y - 1)]


def _plain_way(source: str, target: str, layout: Layout, *, taken: bool) -> Iterator[str]:
    points = _points(source, target, layout)
    drawn = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (ax, ay), (bx, by) in pairwise(points):
        half = (ay + by) / 2
        drawn += f"C{ax:.1f} {half:.1f} {bx:.1f} {half:.1f} {bx:.1f} {by:.1f}"
    yield _line(drawn, taken)


def _around(edge: Edge, layout: Layout, place: int) -> tuple[float, float, float]:
    """How an edge leads back, around the right side of what is between its ends: how far out, from where, to where."""
    below, above = layout.boxes[edge.source], layout.boxes[edge.target]
    between = [box for box in layout.boxes.values() if box.bottom >= above.y and box.y <= below.bottom]
    out = max(box.x + box.width for box in between) + 18 + 5 * (place % 4)
    return out, below.y + below.height * 0.6, above.y + above.height * 0.4


def _way_back(edge: Edge, layout: Layout, taken: bool, place: int) -> str:
    out, low, high = _around(edge, layout, place)
    begin, end = (layout.boxes[name].x + layout.boxes[name].width for name in (edge.source, edge.target))
    half = (low + high) / 2
    return _line(
        f"M{begin:.1f} {low:.1f}C{out:.1f} {low:.1f} {out:.1f} {low:.1f} {out:.1f} {half:.1f}"
        f"C{out:.1f} {high:.1f} {out:.1f} {high:.1f} {end + 1:.1f} {high:.1f}",
        taken,
    )


def _line(drawn: str, taken: bool) -> str:
    name = "taken" if taken else "edge"
    return f'<path class="edge{" taken" if taken else ""}" d="{drawn}" marker-end="url(#{name})"/>'


def _text(text: str) -> str:
    return escape("".join(each if each.isprintable() else " " for each in text))
