"""`sfnrun validate`: what is wrong with definitions, all at once; user code is never imported."""

import sys
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from sfnrun.errors import Problem, SfnrunError

__all__ = ["REPORTS", "app"]

app = typer.Typer(rich_markup_mode="rich")

EXAMPLE = "Example: [bold]sfnrun validate statemachines/*.asl.*[/bold]"


def _text(problems: Iterable[Problem]) -> str:
    return "\n".join(str(problem) for problem in problems)


# Name of a format -> how it writes all problems of all files.
REPORTS: dict[str, Callable[[Iterable[Problem]], str]] = {"text": _text}


@app.command(epilog=EXAMPLE)
def validate(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES...", help="Definitions (JSON or YAML); - is stdin.", show_default=False),
    ],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value for ${Name} in the definitions.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing where nothing is wrong.")] = False,
) -> None:
    """Check definitions without running anything; exit 1 if there are problems."""
    from sfnrun.cli.arguments import substitutions
    from sfnrun.cli.output import write_text

    found, unreadable = _check_all(files, substitutions(set_))
    if found:
        write_text(REPORTS["text"](found))
    errors = sum(problem.severity == "error" for problem in found)
    if not quiet or found:
        print(_summary(len(files), found), file=sys.stderr)
    raise typer.Exit(unreadable or bool(errors))


def _check_all(files: list[str], substitutions: dict[str, str]) -> tuple[list[Problem], int]:
    """The problems of all files, and the exit code of those that could not be read; they do not stop the others."""
    import sfnrun
    from sfnrun.cli.faults import told

    found: list[Problem] = []
    code = 0
    for file in files:
        try:
            found += sfnrun.validate(file, substitutions=substitutions)
        except SfnrunError as error:
            code = told(error)
    return found, code


def _summary(files: int, found: list[Problem]) -> str:
    from sfnrun.view.measures import counted

    checked = f"{counted(files, 'file')} checked"
    if not found:
        return f"{checked}, no problems"
    parts = [
        counted(count, noun)
        for severity, noun in (("error", "error"), ("warning", "warning"), ("info", "note"))
        if (count := sum(problem.severity == severity for problem in found))
    ]
    return f"{checked}: {', '.join(parts)}"
