"""A file's machines: the one that it is, or those that a template declares; `template.yaml#Order` is one of these."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sfnrun.asl.lint.part import Part
from sfnrun.asl.text.file_text import read_text
from sfnrun.asl.text.source import Source, format_of, from_text
from sfnrun.errors import DefinitionError, UsageError
from sfnrun.payload import Json

__all__ = ["machine_in", "machines_in", "may_hold_template", "split_name"]


def split_name(name: str) -> tuple[str, str]:
    """`template.yaml#Order` in two; a file may have a # in its name."""
    path, mark, machine = name.rpartition("#")
    return (path, machine) if mark and path and not os.path.lexists(name) else (name, "")


def machines_in(
    name: str, substitutions: Mapping[str, Json] | None = None, *, text: str | None = None, limits: bool = True
) -> list[Part]:
    """Every machine of a file, in the order in which they stand; of "-", of standard input.

    `text` is that of the file, if it has been read. Raises DefinitionError if the file cannot be read at all.
    """
    path, wanted = split_name(name)
    text = read_text(path, limits=limits) if text is None else text
    parts = _templated(path, text, substitutions or {})
    if parts is None:
        parts = [Part("", path, from_text(text, path, format_of(path, text), substitutions, limits=limits))]
    if not wanted:
        return parts
    return [part for part in parts if part.name == wanted] or _refuse(path, parts, f"there is no {wanted}")


def _templated(path: str, text: str, substitutions: Mapping[str, Json]) -> list[Part] | None:
    if not may_hold_template(text):
        return None
    from sfnrun.asl.lint import templates  # most files are definitions

    return templates.parts(path, text, substitutions) if templates.may_be_template(text) else None


def may_hold_template(text: str) -> bool:
    """Whether a text has a word that no template lacks, and few definitions have."""
    return "esources" in text or "stepFunctions" in text


def machine_in(name: str, substitutions: Mapping[str, Json] | None = None, *, limits: bool = True) -> Source:
    """The one machine of a file. Raises DefinitionError, and UsageError if a template has several or none."""
    parts = machines_in(name, substitutions, limits=limits)
    if len(parts) != 1:
        path, _ = split_name(name)
        raise _choice(path, parts, f"it has {len(parts)} state machines" if parts else "it has no state machine")
    (part,) = parts
    if part.source is None:
        raise DefinitionError(part.problems)
    return part.source


def _refuse(path: str, parts: list[Part], message: str) -> list[Part]:
    raise _choice(path, parts, message)


def _choice(path: str, parts: list[Part], message: str) -> UsageError:
    names = [part.name for part in parts if part.name]
    hint = f"name one: {', '.join(f'{path}#{name}' for name in names[:5])}" if names else "give the definition's file"
    return UsageError(f"{path}: {message}", hint)
