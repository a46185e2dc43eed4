"""Old spellings: a renamed option or command is an error that says the new one."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from sfnrun.errors import UsageError

__all__ = ["COMMANDS", "OPTIONS", "Command", "Group"]

_PLACE = "name the place: RUN:PLACE, such as last:Checkout#2[0].Price@3"

# command -> what to write instead
COMMANDS = {
    "run": "sfnrun execute",
    "functions": "sfnrun function",
    "up": "sfnrun serve",
}

# "command option" or "option" -> what to write instead
OPTIONS = {
    "--history": "--store",
    "--no-history": "--no-store",
    "--on-missing": "--unrecorded",
    "--state": _PLACE,
    "--visit": _PLACE,
    "--attempt": _PLACE,
    "--item": _PLACE,
    "--with": "-i or --input",
    "-s": _PLACE,
    "cache clear --state": "sfnrun cache clear TASK",
    "trace show --format": "--json, or sfnrun trace export --format aws",
    "trace why --format": "--json",
    "trace export -f": "--format",
    "validate --format=json": "--json",
}


class Command(TyperCommand):
    """A command that knows the old names of its options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _refuse_renamed(self, ctx, args)
        return super().parse_args(ctx, args)


class Group(TyperGroup):
    """A group of commands that knows the old names of commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS and args[0] not in self.list_commands(ctx):
            raise UsageError(f"no such command: {args[0]}", f"it is now `{COMMANDS[args[0]]}`")
        return super().resolve_command(ctx, args)


def _refuse_renamed(command: TyperCommand, ctx: Any, args: list[str]) -> None:
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    path = ctx.command_path.partition(" ")[2]
    for argument in args:
        if argument == "--":
            return
        name = argument.partition("=")[0]
        if name in known and f"{path} {argument}" not in OPTIONS:
            continue
        new = OPTIONS.get(f"{path} {argument}") or OPTIONS.get(f"{path} {name}") or OPTIONS.get(name)
        if new and name.startswith("-"):
            raise UsageError(f"no such option: {name}", f"it is now {new}" if new.startswith("-") else new)
