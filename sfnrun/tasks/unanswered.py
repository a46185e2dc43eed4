"""Reports all Tasks without a handler or mock, with the lines of sfnrun.yaml that would mock them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from sfnrun.asl.integrations import example_result
from sfnrun.asl.model import Pointer
from sfnrun.config.names import function_name
from sfnrun.effects import Resource
from sfnrun.errors import UnansweredTaskError
from sfnrun.payload import Json, dumps

__all__ = ["Unanswered", "complaint"]


class Unanswered(Struct, frozen=True):
    """A Task without a handler or mock.

    `pointer` leads to its state, `function` is the function that it invokes, if any, `functions` the directory of
    functions. `answered` are the names under `tasks:`, one of which may be misspelled.
    """

    state: str
    pointer: Pointer
    resource: Resource
    function: str | None
    functions: Path
    answered: tuple[str, ...] = ()

    @property
    def meant(self) -> str:
        """The name under `tasks:` that is close to this state's or function's; "" if none is."""
        import difflib

        names = [self.state] if self.function is None else [self.state, function_name(self.function)]
        close = (difflib.get_close_matches(name, self.answered, 1, cutoff=0.8) for name in names)
        return next((found[0] for found in close if found), "")

    @property
    def calls(self) -> str:
        """What it calls: "the function charge-card", "sns:publish"."""
        resource = self.resource
        if self.function is not None:
            return f"the function {function_name(self.function)}"
        if resource.kind == "activity":
            return f"the activity {resource.name}"
        return f"{resource.service}:{resource.label}" if resource.service else resource.arn

    @property
    def yaml(self) -> str:
        """The lines that mock it, to paste under `tasks:` in sfnrun.yaml."""
        return f"  {_yaml_key(self.state)}:\n    result: {_yaml_value(example_result(self.resource))}"

    @property
    def file(self) -> str | None:
        """The file that would contain its function; None if it does not invoke one."""
        if self.function is None:
            return None
        name = _file_name(function_name(self.function))
        path = self.functions / f"{name}.py"
        relative = os.path.relpath(path) if path.is_absolute() else str(path)
        return str(path) if relative.startswith(os.pardir) else relative


def complaint(tasks: Sequence[Unanswered], where: Callable[[Pointer], str] | None = None) -> UnansweredTaskError:
    """The error that lists the Tasks. `where` returns the location of a pointer ("order.asl.yaml:12:5")."""
    count = "1 Task" if len(tasks) == 1 else f"{len(tasks)} Tasks"
    lines = [f"no handler or mock for {count}:"]
    for task in tasks:
        place = f" ({where(task.pointer)})" if where else ""
        meant = f" (did you mean '{task.meant}' in sfnrun.yaml?)" if task.meant else ""
        lines.append(f"  {task.state}{place} calls {task.calls}{meant}")
    return UnansweredTaskError("\n".join(lines), _help(tasks))


def _help(tasks: Sequence[Unanswered]) -> str:
    files = list(dict.fromkeys(task.file for task in tasks if task.file))
    parts = []
    if files:
        parts.append(f"define handler(event, context) in {', '.join(files)}, or")
    yaml = "\n".join(dict.fromkeys(task.yaml for task in tasks))
    parts.append(f"add the {'result' if len(tasks) == 1 else 'results'} to sfnrun.yaml:\n\ntasks:\n{yaml}\n")
    return " ".join(parts)


def _file_name(function: str) -> str:
    """${ChargeCardFunctionArn} -> charge_card, charge-card -> charge_card."""
    inside = re.search(r"\$\{(?!AWS::)([^{}]+)\}$", function)
    text = inside[1] if inside else re.sub(r"\$\{[^{}]*\}", "", function)
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text)
    while inside and len(words) > 1 and words[-1].lower() in ("arn", "function", "lambda", "name"):
        words.pop()
    return "_".join(word.lower() for word in words) or "function"


def _yaml_key(text: str) -> str:
    """A state's name as a YAML key, quoted where YAML would read something else."""
    plain = re.fullmatch(r"[A-Za-z_][\w -]*[\w]|[A-Za-z_]", text) is not None
    return text if plain and text.lower() not in _YAML_WORDS else dumps(text)


_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def _yaml_value(value: Json) -> str:
    """A value in YAML's flow style, which is JSON with fewer quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_yaml_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml_value, value)) + "]"
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w-]*", value) else dumps(value)
