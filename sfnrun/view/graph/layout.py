"""Where the boxes of a graph stand: in layers from top to bottom, ordered so that few edges cross, close to their kin.

The layers are the longest edges from the start; an edge over several layers is led through points of its own. Source:
Sugiyama, Tagawa, Toda (1981), with the positions of each layer by isotonic regression, which is exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Box", "Edge", "Layout", "Point", "layered"]

GAP_X = 28.0
GAP_Y = 46.0
SWEEPS = 8
BEND_WIDTH = 10.0

Point = tuple[float, float]
Edge = tuple[str, str]


class Box(NamedTuple):
    """A box: left, top, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


class Layout(NamedTuple):
    """The boxes by name, and for each edge the points it is led through; `back` are the edges that lead upwards."""

    boxes: Mapping[str, Box]
    bends: Mapping[Edge, Sequence[Point]]
    back: frozenset[Edge]
    width: float
    height: float


Size = tuple[float, float]


def layered(sizes: Mapping[str, Size], edges: Sequence[Edge], start: str) -> Layout:
    """Place boxes of these sizes; `edges` are the edges between them, the first box is `start`."""
    forward, back = _without_cycles(sizes, edges, start)
    ranks = _ranks(sizes, forward)
    layers, chains, links = _filled(sizes, forward, ranks)
    for sweep in range(SWEEPS):
        _order(layers, links, down=sweep % 2 == 0)
    widths = {name: sizes[name][0] if name in sizes else BEND_WIDTH for layer in layers for name in layer}
    middles = _middles(layers, links, widths)
    return _placed(sizes, layers, middles, chains, back, _room_beside(sizes, back))


def _without_cycles(sizes: Mapping[str, Size], edges: Sequence[Edge], start: str) -> tuple[list[Edge], frozenset[Edge]]:
    """The edges that lead on, and those that lead back, as a walk from the start finds them."""
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        after[source].append(target)
    back: set[Edge] = {(source, target) for source, target in edges if source == target}
    done: set[str] = set()
    for root in (start, *sizes):
        trail: dict[str, None] = {}
        stack = [(root, iter(after[root]))] if root not in done else []
        trail.update(dict.fromkeys([root] if stack else []))
        while stack:
            name, targets = stack[-1]
            target = next(targets, "")
            if not target:
                stack.pop()
                trail.pop(name, None)
                done.add(name)
            elif target in trail:
                back.add((name, target))
            elif target not in done:
                trail[target] = None
                stack.append((target, iter(after[target])))
    return [edge for edge in dict.fromkeys(edges) if edge not in back], frozenset(back)


def _ranks(sizes: Mapping[str, Size], edges: Sequence[Edge]) -> dict[str, int]:
    """The layer of each box: one below the lowest that leads to it."""
    before: dict[str, list[str]] = defaultdict(list)
    waiting: dict[str, int] = dict.fromkeys(sizes, 0)
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
        waiting[target] += 1
    ready = [name for name, count in waiting.items() if not count]
    ranks: dict[str, int] = {}
    while ready:
        name = ready.pop(0)
        ranks[name] = max((ranks[source] + 1 for source in before[name]), default=0)
        for target in after[name]:
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return ranks


Links = dict[str, tuple[list[str], list[str]]]


def _filled(
    sizes: Mapping[str, Size], edges: Sequence[Edge], ranks: Mapping[str, int]
) -> tuple[list[list[str]], dict[Edge, list[str]], Links]:
    """The layers with a point for every edge that crosses them, the points of each edge, and who is linked to whom."""
    layers: list[list[str]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
    for name in sizes:
        layers[ranks[name]].append(name)
    chains: dict[Edge, list[str]] = {}
    links: Links = defaultdict(lambda: ([], []))
    for source, target in edges:
        chain = [f"\0{source}\0{target}\0{rank}" for rank in range(ranks[source] + 1, ranks[target])]
        for rank, point in enumerate(chain, ranks[source] + 1):
            layers[rank].append(point)
        chains[source, target] = chain
        whole = [source, *chain, target]
        for upper, lower in pairwise(whole):
            links[upper][1].append(lower)
            links[lower][0].append(upper)
    return layers, chains, links


def _order(layers: list[list[str]], links: Links, *, down: bool) -> None:
    """Order each layer by where its neighbours in the layer before stand."""
    places = {name: place for layer in layers for place, name in enumerate(layer)}
    for layer in layers if down else reversed(layers):
        kin = {name: [places[other] for other in links[name][0 if down else 1]] for name in layer}
        layer.sort(key=lambda name: sum(kin[name]) / len(kin[name]) if kin[name] else places[name])
        places.update({name: place for place, name in enumerate(layer)})


def _middles(layers: list[list[str]], links: Links, widths: Mapping[str, float]) -> dict[str, float]:
    middles: dict[str, float] = {}
    for layer in layers:
        at = -sum(widths[name] + GAP_X for name in layer) / 2
        for name in layer:
            middles[name] = at + widths[name] / 2
            at += widths[name] + GAP_X
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            wanted = []
            for name in layer:
                kin = links[name][0 if down else 1] or [name]
                wanted.append(sum(middles[other] for other in kin) / len(kin))
            middles.update(zip(layer, _apart(wanted, [widths[name] for name in layer]), strict=True))
    return middles


def _apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """The positions nearest to those wanted that keep the order and a gap: pool adjacent violators."""
    offsets = [0.0]
    for one, other in pairwise(widths):
        offsets.append(offsets[-1] + (one + other) / 2 + GAP_X)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=False):
        total, count = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, members = pools.pop()
            total, count = total + more, count + members
        pools.append((total, count))
    levels = [total / count for total, count in pools for _ in range(count)]
    return [level + offset for level, offset in zip(levels, offsets, strict=False)]


def _room_beside(sizes: Mapping[str, Size], back: frozenset[Edge]) -> float:
    return 26.0 + 10.0 * len(back) if back else 0.0


def _placed(
    sizes: Mapping[str, Size],
    layers: list[list[str]],
    middles: Mapping[str, float],
    chains: Mapping[Edge, list[str]],
    back: frozenset[Edge],
    room: float,
) -> Layout:
    left = min((middles[name] - sizes[name][0] / 2 for name in sizes), default=0.0)
    left = min([left, *(middles[point] for chain in chains.values() for point in chain)])
    boxes: dict[str, Box] = {}
    points: dict[str, list[Point]] = {}
    top = 0.0
    for layer in layers:
        height = max((sizes[name][1] for name in layer if name in sizes), default=0.0)
        for name in layer:
            middle = middles[name] - left
            if name in sizes:
                width, own = sizes[name]
                boxes[name] = Box(middle - width / 2, top, width, own)
            else:  # straight down beside the boxes of the layer, to bend between layers alone
                points[name] = [(middle, top), (middle, top + height)]
        top += height + GAP_Y
    right = max([box.x + box.width for box in boxes.values()] + [beside[0][0] for beside in points.values()])
    bends = {edge: [each for point in chain for each in points[point]] for edge, chain in chains.items()}
    return Layout(boxes, bends, back, right + room, top - GAP_Y)
