"""The schema that editors get is the one that we check with, and an independent validator reads it as ours does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sfnrun.asl.lint.outline import TYPES
from sfnrun.asl.lint.schema import KEYWORDS, is_surely_valid
from sfnrun.asl.lint.shape import is_valid, operators, schema, violations
from sfnrun.asl.load import read_source as load
from sfnrun.asl.text.source import from_text
from sfnrun.errors import DefinitionError

FIXTURES = Path(__file__).parent / "rules"
CORPUS = Path(__file__).resolve().parents[2] / "../shared/conformance/validation/files"

DEFINITIONS = schema()["definitions"]


@cache
def second_opinion() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema())


def fixture_texts() -> Iterator[str]:
    for path in sorted(FIXTURES.glob("*.yaml")):
        fixture = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
        yield from (case["definition"] for case in fixture.get("flagged", ()))
        yield from fixture.get("clean", ())


def definitions() -> Iterator[Any]:
    """Every definition of our fixtures that can be read, valid or not."""
    for text in fixture_texts():
        try:
            yield json.loads(text)
        except ValueError:
            continue


def refused(value: Any) -> set[tuple[tuple[str | int, ...], str]]:
    """Where the independent validator refuses a value, and by which keyword."""
    return {(tuple(error.absolute_path), str(error.validator)) for error in second_opinion().iter_errors(value)}


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


def test_both_validators_accept_the_same() -> None:
    for value in definitions():
        assert is_valid(value) == second_opinion().is_valid(value), json.dumps(value)


def test_what_we_report_is_refused_by_both() -> None:
    """Nothing is reported that the schema does not say; what only follows from a reported problem may be left out."""
    words = {"many": {"oneOf", "anyOf", "not"}, "none": {"oneOf", "anyOf"}}
    for value in definitions():
        found = violations(value)
        seen = refused(value)
        assert bool(found) <= bool(seen)
        for violation in found:
            assert {(violation.pointer, word) for word in words.get(violation.keyword, {violation.keyword})} & seen


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"conformance data not found ({CORPUS})")
def test_both_validators_accept_the_same_of_others() -> None:
    for path in sorted(CORPUS.rglob("*.json")):
        try:
            value = load(path).value
        except DefinitionError:
            continue
        assert is_valid(value) == second_opinion().is_valid(value), path.name


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(schema())
    names = {part.partition('"')[0] for part in text.split("#/definitions/")[1:]}
    assert names == DEFINITIONS.keys()


def test_every_field_is_described() -> None:
    """An editor shows something for every field of every state."""
    operands = {reference["$ref"] for name, reference in DEFINITIONS["NestedRule"]["properties"].items()}
    for language in ("JSONPath", "JSONata"):
        for type_ in TYPES:
            for name, reference in DEFINITIONS[language + type_]["properties"].items():
                assert reference["$ref"] not in operands
                assert DEFINITIONS[reference["$ref"].rpartition("/")[2]]["description"], name


def test_the_operators() -> None:
    """5 each for strings, numbers and times, one for booleans, each with Path; StringMatches; 6 tests of type."""
    assert len(operators()) == 2 * (5 + 5 + 5 + 1) + 1 + 6


def test_the_quick_validator_knows_every_keyword_of_the_schema() -> None:
    def keywords(node: Any) -> Iterator[str]:
        for name, child in node.items():
            yield name
            if name in ("properties", "definitions"):
                for inner in child.values():
                    yield from keywords(inner)
            elif name in ("allOf", "anyOf", "oneOf"):
                for inner in child:
                    yield from keywords(inner)
            elif name in ("if", "then", "else", "not", "items", "additionalProperties") and isinstance(child, dict):
                yield from keywords(child)

    annotations = {"$ref", "$schema", "definitions", "description", "else", "then", "title", "x-rules"}
    assert set(keywords(schema())) - annotations == KEYWORDS.keys()


def test_the_quick_validator_agrees_with_the_library() -> None:
    for path in sorted((Path(__file__).parent / "rules").glob("*.yaml")):
        fixture = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
        texts = [case["definition"] for case in fixture.get("flagged", ())] + fixture.get("clean", [])
        for text in texts:
            try:
                value = from_text(text).value
            except DefinitionError:
                continue
            assert is_surely_valid(value) == is_valid(value), text
