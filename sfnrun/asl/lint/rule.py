"""A rule is one function with a stable id; it yields Findings and knows nothing of files, lines or severities.

What a rule looks at is said by its decorator, so that `check` walks a definition once:

    on="source"       the text cannot be read; the reader finds it, the function only documents it
    on="shape"        a violation of schema.json (sfnrun.asl.lint.shape.Violation)
    on="machine"      the whole definition (sfnrun.asl.lint.outline.Outline)
    on="expressions"  all expressions of the definition (sfnrun.asl.lint.expressions.Expressions)
    on="scope"        one `States` object: the machine's, a branch's, a processor's (outline.Scope)
    on="state"        one state (outline.State), of the types given
    on="path"         one JSONPath expression (expressions.Found) of the kinds given: "template", "call", "template!" …
    on="jsonata"      one JSONata expression (expressions.Found) of the kinds given: "expression", "literal" …
    on="reading"      one expression that reads variables, of the languages given: "path", "jsonata"
    on="context"      one JSONPath expression that reads the context object
    on="accepted"     a form that other validators refuse and AWS takes; nothing is ever found
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal

from msgspec import Struct

from sfnrun.errors import Fix, Severity

__all__ = ["RULES", "Finding", "Findings", "Rule", "rule"]

Pointer = tuple[str | int, ...]
Target = Literal[
    "source", "shape", "machine", "expressions", "scope", "state", "path", "jsonata", "reading", "context", "accepted"
]


class Finding(Struct, frozen=True):
    """One thing that a rule found: where and what.

    `pointer` is the value the caret stands under, or its key if `key`; `offset` and `length` narrow it to characters of
    a string value. `location` is AWS's pointer where that is another one (AWS names the object that lacks a field, or
    has one too many). `severity` and `code` override those of the rule; `located` False is a problem that AWS gives no
    location for. `fix` is what mends it, where that is safe.
    """

    pointer: Pointer
    message: str
    hint: str = ""
    key: bool = False
    offset: int | None = None
    length: int | None = None
    location: Pointer | None = None
    located: bool = True
    severity: Severity | None = None
    code: str | None = None
    fix: Fix | None = None


Findings = Iterator[Finding]
Check = Callable[[Any], Findings]


class Rule(Struct, frozen=True):
    """A rule: its id, what AWS calls it, how bad it is, and the function that finds it."""

    id: str
    code: str
    severity: Severity
    on: Target
    types: tuple[str, ...]
    default: bool
    check: Check

    @property
    def title(self) -> str:
        """The first line of the documentation."""
        return self.documentation.partition("\n")[0].rstrip(".")

    @property
    def documentation(self) -> str:
        """What the rule checks, why that is bad, and an example; plain text with Markdown's marks."""
        return inspect.cleandoc(self.check.__doc__ or "")

    @property
    def section(self) -> str:
        """The module that it stands in: "transitions", "retry_catch"."""
        return self.check.__module__.rpartition(".")[2]


RULES: dict[str, Rule] = {}


def rule(
    id: str,
    *,
    on: Target,
    code: str = "SCHEMA_VALIDATION_FAILED",
    severity: Severity = "error",
    types: tuple[str, ...] = (),
    default: bool = True,
) -> Callable[[Check], Check]:
    """Enter a function into RULES. `default` False: only if it is selected by name. No `types`: every state."""

    def enter(check: Check) -> Check:
        if id in RULES:
            raise ValueError(f"two rules are called {id}")
        RULES[id] = Rule(id, code, severity, on, types, default, check)
        return check

    return enter
