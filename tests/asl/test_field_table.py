"""The field table knows every field of the schema, and adding to the language touches as few files as promised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sfnrun.asl.field_table import FIELDS, fields_of
from sfnrun.asl.lint.shape import schema
from sfnrun.asl.model import STATE_TYPES

PACKAGE = Path(__file__).resolve().parents[2] / "sfnrun"
LANGUAGES = ("JSONPath", "JSONata")

# Fields that are the structure of a state, not values or expressions of it.
STRUCTURE = {
    *("Type", "Comment", "QueryLanguage", "Next", "End", "Resource", "Retry", "Catch", "Choices", "Default"),
    *("Branches", "ItemProcessor", "Iterator", "ItemReader", "ItemBatcher", "ResultWriter", "Label"),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("type_", STATE_TYPES)
def test_the_table_has_the_fields_of_the_schema(type_: str, language: str) -> None:
    in_schema = schema()["definitions"][language + type_]["properties"].keys() - STRUCTURE
    in_table = {row.name for row in fields_of(type_, language) if len(row.steps) == 1}
    assert in_table == in_schema


def test_attributes_are_those_of_the_model() -> None:
    for row in FIELDS:
        for type_ in row.types if row.attribute and not row.part else ():
            assert row.attribute in STATE_TYPES[type_].__struct_fields__, (type_, row.name)


def files_with(pattern: str, *, without: str) -> set[str]:
    """The files of code that have a word, but those whose meaning it is."""
    names = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if _has(path, pattern)}
    names |= {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("asl/**/*.json") if _has(path, pattern)}
    return {name for name in names if not re.match(without, name)}


def _has(path: Path, pattern: str) -> bool:
    return re.search(pattern, path.read_text("utf-8")) is not None


def test_a_new_state_field_touches_three_files() -> None:
    """Besides the engine, which gives it its meaning, the request that handlers see, and a rule if it has one."""
    touched = files_with(
        r"HeartbeatSeconds\b|heartbeat_seconds", without=r"engine/|asl/lint/rules/|(effects|errors)\.py"
    )
    assert touched == {"asl/field_table.py", "asl/lint/schema.json", "asl/model.py"}


def test_a_new_integration_is_a_row_of_one_file() -> None:
    assert files_with(r"emr-serverless", without=r"$") == {"asl/integrations.py"}
