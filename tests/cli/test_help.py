"""Every command says what it is for, with an example that it understands, in eighty columns."""

import shlex
from typing import Annotated, get_args, get_origin

import pytest
from typer.main import get_command
from typer.models import OptionInfo

from sfnrun.cli import options
from sfnrun.cli.application import EXIT_CODES, app

ROOT = get_command(app)


def commands(command=ROOT, path=()):
    """Every command as the words that lead to it."""
    yield path
    for name in command.list_commands(None) if hasattr(command, "list_commands") else ():
        yield from commands(command.get_command(None, name), (*path, name))


ALL = list(commands())

# --all says what it stands for where that is not everything.
OWN = {"resume --all"}


def understood(words: list[str]) -> None:
    """Parse words as the command line would; raises what it would say if it does not understand them."""
    context = ROOT.make_context("sfnrun", words)
    while hasattr(context.command, "resolve_command"):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help(sfn, monkeypatch, path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = sfn(*path, "--help")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert ("--install-completion" in done.out) == (path == ())
    examples = " ".join(done.out.partition("Examples:")[2].partition("Exit codes:")[0].split()).split("$ ")[1:]
    assert len(examples) == 2
    for example in examples:
        words = shlex.split(example)
        assert words[: len(path) + 1] == ["sfnrun", *path]
        end = next((index for index, word in enumerate(words) if word in ("|", ">", "<")), len(words))
        understood(words[1:end])


def _declared() -> list[tuple[str, object]]:
    found = []
    for path in ALL:
        command = ROOT
        for word in path:
            command = command.get_command(None, word)
        found += [(" ".join(path), parameter) for parameter in command.params if parameter.param_type_name == "option"]
    return found


def test_no_letter_has_two_meanings() -> None:
    meanings: dict[str, set[str]] = {}
    for _, option in _declared():
        for name in (name for name in option.opts if len(name) == 2):
            meanings.setdefault(name, set()).update(long for long in option.opts if long.startswith("--"))
    assert {letter: names for letter, names in meanings.items() if len(names) > 1} == {}


def test_a_shared_option_is_declared_once() -> None:
    """An option of options.py is the same in every command, and its help says the same."""
    shared = {
        name: (parameter.metavar, parameter.help, parameter.rich_help_panel)
        for annotated in vars(options).values()
        if get_origin(annotated) is Annotated
        for parameter in get_args(annotated)[1:]
        if isinstance(parameter, OptionInfo)
        for name in (parameter.default, *(parameter.param_decls or ()))
        if str(name).startswith("--")
    }
    assert len(shared) > 20
    other = {
        f"{command} {name}"
        for command, option in _declared()
        for name in option.opts
        if name in shared and (option.metavar, option.help, option.rich_help_panel) != shared[name]
    }
    assert other == OWN


def test_there_are_that_many() -> None:
    assert len(ALL) >= 24


def test_exit_codes_are_explained_once(sfn) -> None:
    assert EXIT_CODES in " ".join(sfn("--help").out.split())


@pytest.mark.parametrize("path", [()], ids=" ".join)
def test_a_group_without_a_command_prints_its_help(sfn, path) -> None:
    done = sfn(*path)
    assert (done.code, done.err) == (0, "")
    assert "Example" in done.out


def test_the_version(sfn) -> None:
    from sfnrun import __version__

    assert sfn("--version") == (0, f"sfnrun {__version__}\n", "")
