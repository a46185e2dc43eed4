"""Whatever stands where: a definition of any shape is told what is wrong with it, and nothing else happens."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfnrun.asl.lint.rulebook import check
from sfnrun.asl.lint.shape import schema
from sfnrun.asl.parse import parse
from sfnrun.asl.text.source import from_text
from sfnrun.errors import DefinitionError

FIXTURES = Path(__file__).parent / "rules"
ODD = (
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "$.a",
    "$$",
    "$x",
    "${P}",
    "{% $x %}",
    "{%",
    "States.",
    [],
    {},
    [[]],
    {"": {}},
    {"Ref": "x"},
)


def valid_definitions() -> list[Any]:
    found = []
    for path in sorted(FIXTURES.glob("*.yaml")):
        fixture = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
        found += [json.loads(text) for text in fixture.get("clean", ()) if text.startswith("{")]
    return found


DEFINITIONS = valid_definitions()
FIELDS = sorted({name for part in schema()["definitions"].values() for name in part.get("properties", ())})


def containers(value: Any) -> list[Any]:
    """Every object and array of a value, itself included."""
    found, waiting = [], [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict | list):
            found.append(node)
            waiting += node.values() if isinstance(node, dict) else node
    return found


def spoil(value: Any, rng: random.Random) -> None:
    """Put something odd somewhere: in place of a value, or under a name that some object has."""
    node = rng.choice(containers(value))
    odd = json.loads(json.dumps(rng.choice(ODD)))
    if isinstance(node, dict):
        names = [*node, rng.choice(FIELDS)]
        node[rng.choice(names)] = odd
    elif node:
        node[rng.randrange(len(node))] = odd
    else:
        node.append(odd)


@pytest.mark.parametrize("seed", range(20))
def test_spoiled_definitions(seed: int) -> None:
    rng = random.Random(seed)
    for definition in rng.sample(DEFINITIONS, 40):
        value = json.loads(json.dumps(definition))
        for _ in range(rng.randint(1, 4)):
            spoil(value, rng)
        text = json.dumps(value, indent=1)
        try:
            source = from_text(text)
        except DefinitionError:
            continue
        problems = check(source, workflow_type=rng.choice(["STANDARD", "EXPRESS"]))
        lines = text.split("\n")
        for problem in problems:
            assert problem.span
            assert problem.source_line == lines[problem.span.line - 1]
        if not source.unresolved and not any(problem.severity == "error" for problem in problems):
            parse(source)  # what the rules accept can be run
