"""`sfnrun trace import`: an execution that AWS ran becomes one that can be shown, replayed and asked."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sfnrun.cli import options
from sfnrun.errors import UsageError
from sfnrun.payload import Json

__all__ = ["import_"]


def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="All pages of get-execution-history, or CloudWatch log events; also describe-execution and "
            "describe-state-machine-for-execution. - is stdin.",
            show_default=False,
        ),
    ],
    execution: Annotated[
        str | None, typer.Option(metavar="ARN", help="Execution to import from a log with several.")
    ] = None,
    input_: options.Input = None,
    definition: options.Definition = None,
    set_: options.Set = None,
    store: options.Store = None,
    name: options.Name = None,
) -> None:
    """Import an execution history from AWS, to show, explain and replay it."""
    from sfnrun.api.imported import import_execution
    from sfnrun.cli.arguments import read_input, substitutions
    from sfnrun.cli.output import print_line
    from sfnrun.cli.runs import store_of

    path = import_execution(
        [document for file in files for document in _documents(file)],
        None if definition is None else _definition(definition),
        store_of(store),
        input=None if input_ is None else read_input(input_),
        substitutions=substitutions(set_),
        execution=execution,
        name=name,
    )
    print(f"imported as {path.stem}; show it with `sfnrun trace show {path.stem}`", file=sys.stderr)
    print_line(path.stem)


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
