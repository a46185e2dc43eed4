"""`sfnrun validate`: check definitions, templates and settings; user code is never imported."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sfnrun.cli import options
from sfnrun.cli.application import command
from sfnrun.errors import SfnrunError, UsageError

if TYPE_CHECKING:
    from sfnrun.api.validation import Checker, Fixes, Round
    from sfnrun.errors import Problem

__all__ = ["app", "changes"]

_SECONDS_BETWEEN_LOOKS = 0.25


class Format(StrEnum):
    """Reports in formats of others."""

    TEXT = "text"
    GITHUB = "github"
    JUNIT = "junit"
    SARIF = "sarif"


def validate(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Definitions, templates, sfnrun.yaml, directories or glob patterns; - is stdin.",
            show_default="the project",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Report only these rules or sections: SFN-G02, G02, SFN-G. Repeatable."),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Do not report these rules or sections. Repeatable.")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="Print the documentation of a rule, a section or `all`, and exit."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Apply safe fixes.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix changes; without --fix, change nothing.")
    ] = False,
    format: Annotated[
        Format, typer.Option(metavar="FORMAT", help="Report as text, github, junit or sarif.")
    ] = Format.TEXT,
    config: options.Config = None,
    set_: options.Set = None,
    workflow_type: options.Type = None,
    watch: options.Watch = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Check definitions, templates and settings without running them."""
    from sfnrun.cli.output import print_line

    if explain is not None:
        from sfnrun.api.validation import rule_documentation

        print_line(rule_documentation(explain))
        return
    if format is not Format.TEXT and (json or diff):
        raise UsageError(f"--format {format} cannot be combined with {'--json' if json else '--diff'}", "remove one")
    given = files or [_root()]
    if watch and "-" in given:
        raise UsageError("cannot watch stdin", "pass a file or directory")
    from sfnrun.api.validation import Checker, files_to_watch
    from sfnrun.asl.lint.inspection import CheckOptions
    from sfnrun.cli.arguments import substitutions

    wanted = CheckOptions(substitutions(set_), workflow_type or "", _rules(select), _rules(ignore))
    shape = "json" if json else format.value

    def check() -> int:
        checker = Checker(wanted, config=config)
        return _check(checker, given, shape, is_strict=strict, quiet=quiet, fix=fix, diff=diff)

    if not watch:
        raise typer.Exit(check())
    _watch(check, lambda: files_to_watch(given))


def _root() -> str:
    """The project, as short as it can be written."""
    from pathlib import Path

    from sfnrun.config import find_root

    return os.path.relpath(find_root(Path()))


def _rules(given: list[str] | None) -> tuple[str, ...]:
    """`--select SFN-G,T19 --select W` as names."""
    return tuple(name.strip() for names in given or () for name in names.split(",") if name.strip())


def _check(
    checker: Checker, paths: list[str], shape: str, *, is_strict: bool, quiet: bool, fix: bool, diff: bool
) -> int:
    from sfnrun.api.validation import rule_named
    from sfnrun.cli.output import print_line
    from sfnrun.view.reports import Checked, report

    found, fixes = checker.check(paths), None
    if fix or diff:
        fixes, found = checker.fix(paths, found, write=fix)
        if diff and fixes.changes:
            print_line("\n".join(fixes.diff()))
    files = [Checked(one.path, one.problems, is_strict, rule_named) for one in found.files]
    text = "" if diff and not fix else report(shape)(files)
    if text:
        print_line(text)
    if not quiet or found.problems:
        print(", ".join(_summary(found, fixes, is_fixed=fix)), file=sys.stderr)
    if not found.is_readable:
        return 2
    return int(any(file.fails(problem) for file in files for problem in file.problems))


def _summary(found: Round, fixes: Fixes | None, *, is_fixed: bool) -> Iterator[str]:
    from sfnrun.view.text import counted

    number = counted(len(found.files), "file")
    counts = [counted(count, noun) for noun, count in _counts(found.problems)]
    yield f"{number} checked: {', '.join(counts)}" if counts else f"{number} checked, no problems"
    if fixes is not None:
        yield f"{fixes.changes:,} {'fixed' if is_fixed else 'can be fixed'}"
    elif fixable := sum(problem.fix is not None for problem in found.problems):
        yield f"{fixable:,} fixable with --fix"


def _counts(problems: Iterable[Problem]) -> Iterator[tuple[str, int]]:
    """How many there are of each severity that occurs, the worst first."""
    severities = [problem.severity for problem in problems]
    for severity, noun in {"error": "error", "warning": "warning", "info": "note"}.items():
        if severity in severities:
            yield noun, severities.count(severity)


# --- --watch ---


def _watch(check: Callable[[], int], files: Callable[[], list[str]]) -> None:
    """Check, and again whenever a file changes, until Ctrl-C. An error is reported, and may be gone next time."""
    from sfnrun.cli.errors import report

    def once() -> None:
        try:
            check()
        except SfnrunError as error:
            report(error)
        print("watching for changes; press Ctrl-C to stop", file=sys.stderr)

    once()
    for changed in changes(files):
        print(f"\n{', '.join(changed[:3])}{' …' if len(changed) > 3 else ''} changed", file=sys.stderr)
        once()


def changes(
    files: Callable[[], Iterable[str]], pause: Callable[[], None] = lambda: time.sleep(_SECONDS_BETWEEN_LOOKS)
) -> Iterator[list[str]]:
    """The files that are new, changed or gone, each time there are some; it never ends. `files` is called each time."""
    before = _snapshot(files())
    while True:
        pause()
        now = _snapshot(files())
        changed = sorted(file for file in before.keys() | now.keys() if before.get(file) != now.get(file))
        before = now
        if changed:
            yield changed


def _snapshot(files: Iterable[str]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for file in files:
        try:
            status = os.stat(file)
        except OSError:
            continue
        found[file] = (status.st_mtime_ns, status.st_size)
    return found


app = command(
    validate,
    "sfnrun validate",
    "sfnrun validate template.yaml --strict --format github",
    exit_codes="Exit codes: 1 there are problems; 2 a file cannot be checked.",
)
