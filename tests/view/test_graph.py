"""Pictures of the path that an execution took."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from history.worn import DEFINITION, ODD, recorded

from sfnrun.history.timeline import timeline_of
from sfnrun.view.graph.dot import dot
from sfnrun.view.graph.layout import layered
from sfnrun.view.graph.mermaid import mermaid
from sfnrun.view.graph.model import Edge, Path, every_graph, graph_of, path_of
from sfnrun.view.graph.svg import svg

GRAPH = graph_of(DEFINITION)
NAMES = [node.name for graph in every_graph(GRAPH) for node in graph.nodes]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def path(tmp_path) -> Path:
    return path_of(timeline_of(recorded(tmp_path, fails=True)))


def test_the_outline_has_every_way():
    assert GRAPH.start == ODD
    assert set(GRAPH.edges) == {
        Edge(ODD, "Count", "next"),
        Edge("Count", "Enough", "next"),
        Edge("Enough", "Count", "choice", "rule 1"),
        Edge("Enough", "Both", "default", "default"),
        Edge("Both", "Never", "next"),
        Edge("Both", "Each", "catch", "catch Broke"),
    }
    assert [graph.title for graph in every_graph(GRAPH)] == ["", "branch 0", "branch 1", "each item"]


def test_the_path_counts_and_tells(path):
    assert path.taken["Enough", "Count"] == 1
    assert path.taken["Both", "Each"] == 1
    assert path.taken["Both", "Never"] == 0
    assert [path.outcome(name) for name in ("Count", "Both", "Item", "Sleep", "Never")] == [
        "succeeded",
        "caught",
        "failed",
        "aborted",
        "",
    ]
    assert path.labels(ODD) == ["2 s · 1 retry"]
    assert path.labels("Item") == ["\u00d73", "Spoilt"]
    assert path.labels("Never") == []


# --- layout ---


def boxes_of(edges: list[tuple[str, str]], names: str) -> dict[str, tuple[float, float]]:
    layout = layered(dict.fromkeys(names, (60.0, 30.0)), edges, names[0])
    return {name: (box.x, box.y) for name, box in layout.boxes.items()}


def test_a_way_leads_down():
    places = boxes_of([("a", "b"), ("b", "c"), ("a", "c")], "abc")
    assert places["a"][1] < places["b"][1] < places["c"][1]


def test_boxes_do_not_overlap():
    edges = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "e"), ("c", "e"), ("d", "e"), ("a", "e")]
    places = sorted(boxes_of(edges, "abcde").values(), key=lambda place: (place[1], place[0]))
    for (x, y), (other_x, other_y) in pairwise(places):
        assert y + 30 <= other_y or x + 60 <= other_x


def test_a_loop_is_a_way_back():
    layout = layered(dict.fromkeys("abc", (60.0, 30.0)), [("a", "b"), ("b", "c"), ("c", "a"), ("b", "b")], "a")
    assert layout.back == {("c", "a"), ("b", "b")}


def test_a_long_way_goes_around_what_is_between():
    layout = layered(dict.fromkeys("abc", (60.0, 30.0)), [("a", "b"), ("b", "c"), ("a", "c")], "a")
    between = layout.boxes["b"]
    assert all(not between.x <= x <= between.x + between.width for x, _ in layout.bends["a", "c"])


def test_what_nothing_leads_to_is_placed_as_well():
    assert set(boxes_of([("a", "b")], "abz")) == set("abz")


def test_a_thousand_states_in_a_row_need_no_stack():
    names = [f"s{number}" for number in range(1000)]
    layout = layered(dict.fromkeys(names, (60.0, 30.0)), list(pairwise(names)), "s0")
    assert layout.boxes["s999"].y > layout.boxes["s998"].y


# --- formats ---


def test_the_picture_is_svg_of_its_own(path):
    root = ElementTree.fromstring(svg(GRAPH, path))
    assert root.tag == f"{SVG}svg"
    assert {title.text for title in root.iter(f"{SVG}title")} == set(NAMES)
    written = [text.text for text in root.iter(f"{SVG}text")]
    assert {"2 s · 1 retry", "catch Broke", "rule 1", "branch 1", "Spoilt"} <= set(written)
    assert not re.search(r"href|<script|url\(http", svg(GRAPH, path))
    width, height = float(root.get("width")), float(root.get("height"))
    for box in root.iter(f"{SVG}rect"):
        if "x" in box.attrib:
            assert float(box.get("width")) <= width
            assert float(box.get("height")) <= height


def test_ways_taken_are_drawn_through(path):
    root = ElementTree.fromstring(svg(GRAPH, path))
    drawn = [line.get("class") for line in root.iter(f"{SVG}path") if line.get("class")]
    # The starts of four graphs, the five ways of the execution; Both to Never and the end were not come to.
    assert drawn.count("edge taken") == 4 + 5
    assert drawn.count("edge") == 2


def test_mermaid_numbers_the_states(path):
    lines = mermaid(GRAPH, path).splitlines()
    assert lines[0] == "flowchart TD"
    assert '  s1["Ask #quot;#lt;them#gt;#quot; & wait<br/>2 s · 1 retry"]:::succeeded' in lines
    assert '  s3 ==>|"rule 1"| s2' in lines
    assert "  s4 -.-> s9" in lines
    assert sum(line.strip().startswith("subgraph") for line in lines) == sum(line.strip() == "end" for line in lines)


def test_dot_quotes_the_names(path):
    text = dot(GRAPH, path)
    assert '"Ask \\"<them>\\" & wait" [label="Ask \\"<them>\\" & wait\\n2 s · 1 retry"' in text
    assert '"Both" -> "Never" [label="", style=dotted' in text
    assert text.count("{") == text.count("}")
    assert text.startswith("digraph execution {")
