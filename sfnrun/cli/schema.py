"""`sfnrun schema`: JSON Schemas for editors."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from sfnrun.cli.application import command

__all__ = ["app"]


class Name(StrEnum):
    """What a schema is of."""

    DEFINITION = "definition"
    CONFIG = "config"


def schema(
    name: Annotated[Name, typer.Argument(metavar="[NAME]", help="Schema to print: definition or config.")] = (
        Name.DEFINITION
    ),
) -> None:
    """Print the JSON Schema of definitions or of sfnrun.yaml, for editors."""
    from sfnrun.cli.output import print_json

    print_json(_without_own_words(_SCHEMAS[name]()))


def _definition() -> dict[str, Any]:
    from sfnrun.asl.lint.shape import schema

    return {
        **schema(),
        "description": "A state machine definition for AWS Step Functions, in JSONPath, JSONata or both.",
    }


def _config() -> dict[str, Any]:
    from sfnrun.config.schema import settings_schema

    return settings_schema()


_SCHEMAS = {Name.DEFINITION: _definition, Name.CONFIG: _config}

# Keywords that only sfnrun's own checks read; strict validators reject unknown ones.
_OWN_WORDS = ("x-rules", "errorMessage")


def _without_own_words(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_own_words(value) for key, value in node.items() if key not in _OWN_WORDS}
    return [_without_own_words(item) for item in node] if isinstance(node, list) else node


app = command(schema, "sfnrun schema > asl.schema.json", "sfnrun schema config > sfnrun.schema.json")
