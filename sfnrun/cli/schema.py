"""`sfnrun schema`: the JSON Schemas of what people write, for their editors."""

from enum import StrEnum
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

EXAMPLE = "Example: [bold]sfnrun schema > .vscode/asl.schema.json[/bold]"


class Kind(StrEnum):
    """What people write: definitions, and sfnrun.yaml."""

    DEFINITION = "definition"
    CONFIG = "config"


@app.command(epilog=EXAMPLE)
def schema(
    kind: Annotated[
        Kind, typer.Argument(metavar="definition|config", help="Of state machine definitions, or of sfnrun.yaml.")
    ] = Kind.DEFINITION,
) -> None:
    """Print the JSON Schema of definitions, for the JSON and YAML language servers of editors."""
    import msgspec

    from sfnrun.cli.output import write_text

    text = msgspec.json.encode(_without_own_words(_SCHEMAS[kind]()))
    write_text(msgspec.json.format(text, indent=2).decode())


def _definition() -> dict[str, Any]:
    from sfnrun.asl.lint.shape import schema

    return {
        **schema(),
        "description": "A state machine definition for AWS Step Functions, in JSONPath, JSONata or both.",
    }


def _config() -> dict[str, Any]:
    from sfnrun.config.schema import settings_schema

    return settings_schema()


_SCHEMAS = {Kind.DEFINITION: _definition, Kind.CONFIG: _config}

# Keywords that only our own checks read; strict validators refuse what they do not know.
_OWN_WORDS = ("x-rules", "errorMessage")


def _without_own_words(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_own_words(value) for key, value in node.items() if key not in _OWN_WORDS}
    return [_without_own_words(item) for item in node] if isinstance(node, list) else node
