"""`sfnrun trace import`: an execution that AWS ran becomes one that can be shown, replayed and asked."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sfnrun.errors import UsageError
from sfnrun.payload import Json

__all__ = ["EXAMPLE", "import_"]

EXAMPLE = "Example: [bold]sfnrun trace import history.json --definition order.asl.json[/bold]"


def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help="What get-execution-history printed (all its pages), or log events of CloudWatch; describe-execution "
            "and describe-state-machine-for-execution may stand beside. - is stdin.",
            show_default=False,
        ),
    ],
    definition: Annotated[
        str | None,
        typer.Option("--definition", "-d", metavar="FILE", help="The definition that ran.", show_default=False),
    ] = None,
    input_: Annotated[
        str | None, typer.Option("--input", "-i", metavar="FILE|-|JSON", help="The input, if the events lack it.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value for ${Name} in the definition.")
    ] = None,
    execution: Annotated[
        str | None, typer.Option(metavar="ARN", help="Which one, where a log has several executions.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the recording.", show_default="the execution's")] = None,
    history: Annotated[
        str | None, typer.Option(metavar="DIR", help="Histories.", show_default=".sfnrun/executions")
    ] = None,
) -> None:
    """Make a history of AWS one of ours: to show, to replay against a changed definition, to ask why."""
    from sfnrun.api.imported import import_execution
    from sfnrun.cli.arguments import EXECUTIONS, read_input, substitutions
    from sfnrun.cli.output import print_line

    path = import_execution(
        [document for file in files for document in _documents(file)],
        None if definition is None else _definition(definition),
        EXECUTIONS if history is None else history,
        input=None if input_ is None else read_input(input_),
        substitutions=substitutions(set_),
        execution=execution,
        name=name,
    )
    print(f"imported as {path.stem}: sfnrun trace show {path.stem}", file=sys.stderr)
    print_line(str(path))


def _documents(file: str) -> list[Json]:
    from sfnrun.history.aws.read import read_documents

    return read_documents(file, _read(file))


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8", "save the file as UTF-8") from None
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None


def _definition(file: str) -> str | Path:
    """A definition file, or the answer of AWS that has the definition as a text inside."""
    from sfnrun.payload import loads

    if not file.endswith(".json"):
        return Path(file)
    try:
        value = loads(_read(file))
    except ValueError:
        return Path(file)
    inside = value.get("definition") if isinstance(value, dict) else None
    return inside if isinstance(inside, str) else Path(file)
