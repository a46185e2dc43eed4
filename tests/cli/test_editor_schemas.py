"""The schemas that `sfnrun schema` prints are what editors need, and another validator reads them as ours does."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from sfnrun.asl.lint.shape import is_valid

STATEMACHINES = Path(__file__).resolve().parents[2] / "statemachines"

REFUSED = {
    "no StartAt": {"States": {"A": {"Type": "Succeed"}}},
    "misspelt field": {"StartAt": "A", "States": {"A": {"Type": "Pass", "Nxt": "A"}}},
    "unknown type": {"StartAt": "A", "States": {"A": {"Type": "Lambda", "End": True}}},
    "neither Next nor End": {"StartAt": "A", "States": {"A": {"Type": "Pass"}}},
    "JSONata field": {"StartAt": "A", "States": {"A": {"Type": "Pass", "Output": 1, "End": True}}},
    "in a branch": {
        "StartAt": "A",
        "States": {"A": {"Type": "Parallel", "Branches": [{"StartAt": "B", "States": {"B": {}}}], "End": True}},
    },
}


@pytest.fixture
def printed(sfn):
    """The schema as it comes out, read and checked against the schema of schemas."""
    schema = json.loads(sfn("schema").out)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("path", sorted(STATEMACHINES.glob("*.asl.*")), ids=lambda path: path.name)
def test_definitions_are_accepted(printed, path):
    definition = yaml.safe_load(path.read_text("utf-8"))
    assert [error.message for error in printed.iter_errors(definition)] == []


@pytest.mark.parametrize("name", REFUSED)
def test_definitions_are_refused(printed, name):
    assert not printed.is_valid(REFUSED[name])
    assert not is_valid(REFUSED[name])


def words(node) -> set[str]:
    """Every keyword of a schema: keys of objects that are schemas themselves."""
    if isinstance(node, list):
        return set().union(*map(words, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    found = set(node)
    for key, value in node.items():
        found |= (
            set().union(*map(words, value.values()))
            if key in ("properties", "patternProperties", "definitions", "$defs")
            else (words(value) if key not in ("enum", "const", "required", "default", "examples") else set())
        )
    return found


@pytest.mark.parametrize(("kind", "draft"), [("definition", "draft-07"), ("config", "2020-12")])
def test_only_words_that_editors_know(sfn, kind, draft):
    schema = json.loads(sfn("schema", kind).out)
    assert draft in schema["$schema"]
    known = {
        *("$schema", "$ref", "$defs", "definitions", "title", "description", "default", "examples"),
        *("type", "enum", "const", "required", "properties", "patternProperties", "additionalProperties", "items"),
        *("propertyNames", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
        *("minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems", "pattern", "format"),
        *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentRequired"),
    }
    assert words(schema) <= known


def test_the_schema_of_settings_takes_settings(sfn):
    schema = json.loads(sfn("schema", "config").out)
    jsonschema.validate({"functions_dir": "handlers", "ignore": ["SFN-G02"], "tasks": {"T": {"result": 1}}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"function": "handlers"}, schema)
