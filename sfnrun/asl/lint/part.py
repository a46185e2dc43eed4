"""What a file holds: one machine, or several if it is a template."""

from __future__ import annotations

from msgspec import Struct

from sfnrun.asl.text.source import Source
from sfnrun.errors import Problem

__all__ = ["Part"]


class Part(Struct, frozen=True):
    """One machine of a file: its Source, or the Problems that keep it from being one.

    `name` is its name in a template, "" for a file that is a definition; `path` the file that its Problems are in: that
    of the template, or the one that holds the definition. `workflow_type` is "" where nothing says it.
    """

    name: str
    path: str
    source: Source | None
    workflow_type: str = ""
    problems: tuple[Problem, ...] = ()
