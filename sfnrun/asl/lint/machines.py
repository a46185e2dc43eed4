"""Find the state machines of a file: the one that it defines, or those that a template declares."""

from __future__ import annotations

from collections.abc import Mapping

from sfnrun.asl.text.source import FileMachine, Reader, Source, format_of, from_text
from sfnrun.errors import DefinitionError, UsageError
from sfnrun.payload import Json

__all__ = ["machines_in", "only_machine"]


def machines_in(
    path: str,
    text: str,
    substitutions: Mapping[str, Json] | None,
    reader: Reader,
    machine: str = "",
    *,
    limits: bool = True,
) -> list[FileMachine]:
    """Return the state machines of a file with this text, in order; only `machine`, if it is given.

    Raises DefinitionError if the file cannot be read at all, UsageError if it has no such machine.
    """
    found = _templated(path, text, substitutions or {}, reader)
    if found is None:
        source = from_text(text, path, format_of(path, text), substitutions, limits=limits)
        found = [FileMachine("", path, source)]
    if not machine:
        return found
    chosen = [one for one in found if one.name == machine]
    if not chosen:
        raise _choice(path, found, f"state machine not found: {machine}")
    return chosen


def _templated(path: str, text: str, substitutions: Mapping[str, Json], reader: Reader) -> list[FileMachine] | None:
    if "esources" not in text and "stepFunctions" not in text:
        return None  # every template has one of these words, and few definitions do
    from sfnrun.asl.lint import templates

    return templates.machines(path, text, substitutions, reader) if templates.may_be_template(text) else None


def only_machine(path: str, found: list[FileMachine]) -> Source:
    """Return the only state machine of a file. Raises DefinitionError, and UsageError if it has several or none."""
    if len(found) != 1:
        count = f"{len(found)} state machines" if found else "no state machine"
        raise _choice(path, found, f"the template has {count}")
    (only,) = found
    if only.source is None:
        raise DefinitionError(only.problems)
    return only.source


def _choice(path: str, found: list[FileMachine], message: str) -> UsageError:
    names = [f"{path}#{one.name}" for one in found if one.name]
    hint = f"choose one: {', '.join(names[:5])}" if names else "pass the file of the definition"
    return UsageError(f"{path}: {message}", hint)
