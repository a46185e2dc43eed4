"""`sfnrun validate`: what is wrong with definitions, all at once; user code is never imported."""

import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli.execute import WorkflowType
from sfnrun.errors import SfnrunError, UsageError

if TYPE_CHECKING:
    from sfnrun.cli.checking import Checker, Round
    from sfnrun.cli.mending import Mending

__all__ = ["app"]

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

EXAMPLE = "Example: [bold]sfnrun validate statemachines/ template.yaml --strict[/bold]"


class Format(StrEnum):
    """What is written to stdout."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    JUNIT = "junit"


_RULES = "Which rules"
_FIXES = "Fixes"
_FILES = "Definitions (JSON, YAML), templates of CloudFormation, SAM, CDK and Serverless, folders, globs; - is stdin."


@app.command(epilog=EXAMPLE)
def validate(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILES...", help=_FILES, show_default="this folder")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value for ${Name} in the definitions.")
    ] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="Settings.", show_default="sfnrun.yaml")] = None,
    workflow_type: Annotated[
        WorkflowType | None,
        typer.Option("--type", help="Type of the workflow.", show_default="what a template says, else STANDARD"),
    ] = None,
    format: Annotated[Format, typer.Option(help="What is written to stdout.")] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing where nothing is wrong.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Check again when a file changes.")] = False,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="RULES", help="Only these: SFN-G02, G02, SFN-G.", rich_help_panel=_RULES),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="RULES", help="Not these.", rich_help_panel=_RULES)
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="What a rule (or SFN-G, or all) is about.", rich_help_panel=_RULES),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend.", rich_help_panel=_FIXES)] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix changes; alone, change nothing.", rich_help_panel=_FIXES)
    ] = False,
) -> None:
    """Check definitions without running anything; exit 1 if there are problems, 2 if a file cannot be checked."""
    from sfnrun.cli.output import write_text

    if explain is not None:
        from sfnrun.cli.rulebook import explained

        write_text(explained(explain))
        return
    from sfnrun.asl.lint.inspection import CheckOptions
    from sfnrun.cli.arguments import substitutions
    from sfnrun.cli.checking import Checker
    from sfnrun.config.definitions import named

    if diff and format is not Format.TEXT:
        raise UsageError("--diff is text", f"leave out --format {format}")
    given = files or ["."]
    if watch and "-" in given:
        raise UsageError("stdin cannot be watched", "give a file")
    wanted = CheckOptions(
        substitutions(set_), workflow_type.value if workflow_type else "", _rules(select), _rules(ignore)
    )

    def check() -> int:
        checker = Checker(wanted, config=config, is_strict=strict)
        return _check(checker, named(given), format, quiet=quiet, fix=fix, diff=diff)

    if not watch:
        raise typer.Exit(check())
    _watch(check, given)


def _rules(given: list[str] | None) -> tuple[str, ...]:
    """`--select SFN-G,T19 --select W` as names."""
    return tuple(name.strip() for names in given or () for name in names.split(",") if name.strip())


def _check(checker: "Checker", names: list[str], format: Format, *, quiet: bool, fix: bool, diff: bool) -> int:
    from sfnrun.cli.output import write_text
    from sfnrun.view.reports import report

    found = checker.round(names)
    mending = None
    if fix or diff:
        from sfnrun.cli.mending import mend

        mending, found = mend(checker, names, found, write=fix)
        if diff and mending.changes:
            write_text("\n".join(mending.diff()))
    only_diff = diff and not fix
    told = "" if only_diff else report(format)(found.files)
    if told:
        write_text(told)
    if not quiet or found.problems:
        print(", ".join(_summary(found, mending, fixed=fix)), file=sys.stderr)
    return found.exit_code


def _summary(found: "Round", mending: "Mending | None", *, fixed: bool) -> Iterator[str]:
    from sfnrun.cli.checking import counts
    from sfnrun.view.measures import counted

    number = counted(len(found.files), "file")
    told = [counted(count, noun) for noun, count in counts(found.problems)]
    yield f"{number} checked: {', '.join(told)}" if told else f"{number} checked, no problems"
    if mending is not None:
        yield f"{mending.changes:,} {'fixed' if fixed else 'can be fixed'}"
    elif any(problem.fix for problem in found.problems):
        fixable = sum(problem.fix is not None for problem in found.problems)
        yield f"{fixable:,} may be fixed with --fix"


def _watch(check: Callable[[], int], given: list[str]) -> None:
    """Check, and again whenever a file changes, until Ctrl-C; what cannot be done now may be later."""
    from sfnrun.cli.faults import told
    from sfnrun.cli.polling import changes

    def files() -> list[str]:
        return _watched(given)

    def once() -> None:
        try:
            check()
        except SfnrunError as error:
            told(error)
        print("watching; Ctrl-C ends it", file=sys.stderr)

    once()
    for changed in changes(files):
        print(f"\n{', '.join(changed[:3])}{' …' if len(changed) > 3 else ''} changed", file=sys.stderr)
        once()


def _watched(given: list[str]) -> list[str]:
    """The files themselves, and the settings beside them."""
    from pathlib import Path

    from sfnrun.asl.load import split_name
    from sfnrun.config.definitions import named
    from sfnrun.config.project import find_root, settings_file_in

    try:
        names = [split_name(name)[0] for name in named(given)]
    except UsageError:
        return []
    settings = {settings_file_in(find_root(folder)) for folder in {Path(name).parent for name in names}}
    return [*names, *(str(path) for path in settings if path)]
